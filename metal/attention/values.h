// metal/attention/values.h: weighted sums of values.
#pragma once

#include <metal_stdlib>

#include "attention/memory.h"
#include "attention/weights.h"

using namespace metal;

template <uint N>
inline void clear(thread Matrix<float> (&m)[N]) {
  UNROLL
  for (uint f = 0; f < N; ++f) m[f] = Matrix<float>(0);
}

template <uint N>
inline void apply(Decay decay, thread Matrix<float> (&o)[N]) {
  UNROLL
  for (uint f = 0; f < N; ++f) {
    const float2 x = elements(o[f]) * decay.factor;
    elements(o[f]) = decay.to_nothing ? float2(0) : x;
  }
}

/// O += P V for 8 keys, from this lane's run of one of them.
template <typename T, uint N, uint Run>
inline void add_values(thread Matrix<float> (&o)[N], thread Matrix<float>& p, thread const T (&run)[Run]) {
  static_assert(Run == 2 * N, "two columns of each matrix");
  UNROLL
  for (uint f = 0; f < N; ++f) {
    Matrix<Factor<T>> v;
    elements(v) = pair_of(run[2 * f], run[2 * f + 1]);
    simdgroup_multiply_accumulate(o[f], p, v, o[f]);
  }
}

/// As add_values, key by key and without the weights that are marked. `read(run, key)` gives this lane's run
/// of any of the 8 keys; `room` is this simdgroup's, for 64 elements.
template <typename T, uint N, typename Read>
inline void add_values_singly(thread Matrix<float> (&o)[N], thread Matrix<float>& p, threadgroup float* room,
                              Read read, Place place) {
  threadgroup float* const weights = room + 8 * place.row;
  const float2 own = elements(p);
  weights[2 * place.pair] = own.x;
  weights[2 * place.pair + 1] = own.y;
  simdgroup_barrier(mem_flags::mem_threadgroup);
  for (uint key = 0; key < 8; ++key) {
    const float weight = weights[key];
    if (is_absent(weight)) continue;
    T run[2 * N];
    read(run, key);
    UNROLL
    for (uint f = 0; f < N; ++f) {
      elements(o[f]) += weight * float2(float(run[2 * f]), float(run[2 * f + 1]));
    }
  }
  simdgroup_barrier(mem_flags::mem_threadgroup);
}

template <typename T>
struct ReadStaged {
  threadgroup const T* first;
  uint pitch;
  template <uint N>
  void operator()(thread T (&run)[N], uint key) const {
    read_run(run, first + key * pitch);
  }
};

template <typename T>
struct ReadDevice {
  device const T* first;
  long stride;
  long dims;
  uint keys;
  template <uint N>
  void operator()(thread T (&run)[N], uint key) const {
    read_run<kByFours>(run, first + key * stride, key < keys ? dims : 0);
  }
};

template <uint Dims, typename T, uint N, uint Blocks>
inline void add_staged_values(thread Matrix<float> (&o)[N], thread Matrix<float> (&p)[Blocks],
                              threadgroup const T* staged, bool singly, threadgroup float* room,
                              Place place) {
  constexpr uint row_pitch = pitch<T, Dims>;
  threadgroup const T* const at = staged + place.pair * 2 * N;
  if (singly) {
    UNROLL
    for (uint j = 0; j < Blocks; ++j) {
      add_values_singly<T>(o, p[j], room, ReadStaged<T>{at + 8 * j * row_pitch, row_pitch}, place);
    }
  } else {
    UNROLL
    for (uint j = 0; j < Blocks; ++j) {
      T run[2 * N];
      read_run(run, at + (8 * j + place.row) * row_pitch);
      add_values(o, p[j], run);
    }
  }
}
