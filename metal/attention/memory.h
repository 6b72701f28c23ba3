// metal/attention/memory.h: rows of q, k, v and out between memory and a simdgroup's 8x8 matrices. Which dim
// goes where is at the top of attention.metal.
#pragma once

#include <metal_stdlib>

#include "common/matrix8x8.h"
#include "common/packed.h"
#include "common/unroll.h"
#include "params/attention.h"

using namespace metal;

template <typename T>
using Matrix = simdgroup_matrix<T, 8, 8>;
/// Of queries, keys and values: a factor of a product.
template <typename T>
using Factor = typename Multiplied<T>::Type;

/// Row and pair of columns that a lane has of a matrix.
struct Place {
  uint row, pair;
  explicit Place(uint lane) : row(place_of(lane).y), pair(place_of(lane).x / 2) {}
};

/// Elements of a run of N that are read together.
template <uint N>
constexpr constant uint together = N % 4 == 0 ? 4 : 2;

template <typename T, uint N>
using Together = vec<typename Moved<T>::Type, N>;

/// Head dims that are multiples of four: what is read together then exists all or not at all.
constant constexpr bool kByFours = true, kOneByOne = false;

template <typename T>
inline void read_together(thread T (&x)[2], device const T* from) {
  const packed2<T> both = *reinterpret_cast<device const packed2<T>*>(from);
  UNROLL
  for (uint j = 0; j < 2; ++j) x[j] = Moved<T>::restored(both[j]);
}
template <typename T>
inline void read_together(thread T (&x)[4], device const T* from) {
  const packed4<T> all = *reinterpret_cast<device const packed4<T>*>(from);
  UNROLL
  for (uint j = 0; j < 4; ++j) x[j] = Moved<T>::restored(all[j]);
}

/// N elements of device memory, at any address; those from `count` on are 0, and not read.
template <bool ByFours, typename T, uint N>
inline void read_run(thread T (&run)[N], device const T* from, long count) {
  constexpr uint size = together<N>;
  UNROLL
  for (uint i = 0; i < N; i += size) {
    T x[size];
    UNROLL
    for (uint j = 0; j < size; ++j) x[j] = T(0);
    if (long(i + size) <= count) {
      read_together(x, from + i);
    } else if (!ByFours) {
      UNROLL
      for (uint j = 0; j < size; ++j) {
        if (long(i + j) < count) x[j] = from[i + j];
      }
    }
    UNROLL
    for (uint j = 0; j < size; ++j) run[i + j] = x[j];
  }
}

template <typename T, uint N>
inline void read_run(thread T (&run)[N], threadgroup const T* from) {
  constexpr uint size = together<N>;
  UNROLL
  for (uint i = 0; i < N; i += size) {
    const Together<T, size> x = *reinterpret_cast<threadgroup const Together<T, size>*>(from + i);
    UNROLL
    for (uint j = 0; j < size; ++j) run[i + j] = Moved<T>::restored(x[j]);
  }
}

/// 16 bytes between the rows in threadgroup memory put the runs of neighbouring keys into different banks.
template <typename T, uint Dims>
constexpr constant uint pitch = Dims + 16 / sizeof(T);

/// Rows of keys or values into threadgroup memory by the whole threadgroup, zeros beyond `rows` and `dims`.
/// True where this thread saw an element that is not finite.
template <uint Rows, uint Dims, typename T>
inline bool stage(threadgroup T* to, device const T* from, long stride, uint rows, long dims,
                  uint thread_index) {
  constexpr uint threads = ATTENTION_TILE_SIMDGROUPS * 32;
  constexpr uint size = 4, across = Dims / size;
  bool odd = false;
  for (uint i = thread_index; i < Rows * across; i += threads) {
    const uint row = i / across, column = i % across * size;
    T run[size];
    read_run<kOneByOne>(run, from + row * stride + column, row < rows ? dims - column : 0);
    Together<T, size> x;
    UNROLL
    for (uint j = 0; j < size; ++j) {
      x[j] = Moved<T>::stored(run[j]);
      odd |= !isfinite(float(run[j]));
    }
    *reinterpret_cast<threadgroup Together<T, size>*>(to + row * pitch<T, Dims> + column) = x;
  }
  return odd;
}

/// A lane's elements of a matrix.
template <typename T>
inline vec<Factor<T>, 2> pair_of(T x, T y) {
  return vec<Factor<T>, 2>(Factor<T>(x), Factor<T>(y));
}

/// Matrices of Q. `row` is this lane's, from the dim on that the first matrix begins with; `dims` are left of
/// it.
template <bool ByFours, typename T, uint N>
inline void read_queries(thread Matrix<Factor<T>> (&q)[N], device const T* row, long dims, Place place) {
  T first[N], second[N];
  const uint start = 2 * place.pair * N;
  read_run<ByFours>(first, row + start, dims - start);
  read_run<ByFours>(second, row + start + N, dims - start - N);
  UNROLL
  for (uint f = 0; f < N; ++f) elements(q[f]) = pair_of(first[f], second[f]);
}

template <typename T, uint N>
inline void write_row(device T* row, thread Matrix<float> (&o)[N], float total, long values, Place place) {
  const uint start = 2 * N * place.pair;
  UNROLL
  for (uint f = 0; f < N; ++f) {
    const float2 x = elements(o[f]);
    UNROLL
    for (uint e = 0; e < 2; ++e) {
      const uint at = start + 2 * f + e;
      if (at < values) row[at] = T(x[e] / total);
    }
  }
}
