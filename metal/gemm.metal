// metal/gemm.metal: out = a b for batches of matrices, products in simdgroup_matrix, sums in float32.
//
// gemm_<dtype>_<BM>x<BN>x<BK>          A threadgroup makes a tile of BM x BN elements of out, each simdgroup
//                                      a part of it in registers. BK columns of a and BK rows of b at a time
//                                      pass through threadgroup memory, in the order they have in memory.
// gemm_<dtype>_<BM>x<BN>x<BK>_direct   The same without threadgroup memory and barriers: lanes read their
//                                      elements from the caches (Apple9 and later).
// gemm_sum_<dtype>                     Second pass where k was split: a thread per element of out adds up the
//                                      splits' partial sums in order.
//
// Grid of the first two: x numbers the tiles (see GemmParams), y the splits of k, z the batch.
//
// Edges: beyond m and n a tile computes what nobody stores; beyond k both operands are 0. So a padded product
// is 0 * 0, and no inf of an operand meets a padded 0.
#include <metal_stdlib>

#include "common/matrix8x8.h"
#include "common/packed.h"
#include "common/unroll.h"
#include "params/gemm.h"

using namespace metal;

constant bool a_transposed [[function_constant(GEMM_A_TRANSPOSED)]];
constant bool b_transposed [[function_constant(GEMM_B_TRANSPOSED)]];
constant bool aligned_m [[function_constant(GEMM_ALIGNED_M)]];
constant bool aligned_n [[function_constant(GEMM_ALIGNED_N)]];
constant bool aligned_k [[function_constant(GEMM_ALIGNED_K)]];
constant bool partial [[function_constant(GEMM_PARTIAL)]];

constant constexpr uint side = 8;  // of a simdgroup's matrix

constexpr uint larger(uint a, uint b) {
  return a > b ? a : b;
}

/// What a threadgroup works on.
template <typename T>
struct Work {
  device const T* a;  // at the tile's first row and the split's first column
  device const T* b;  // at the split's first row and the tile's first column
  uint row, column;   // of the tile in out
  uint depth;         // of the split
};

template <uint ROWS, uint COLUMNS, typename T>
inline Work<T> find_work(device const T* a, device const T* b, constant GemmParams& params, uint3 group) {
  const uint in_band = params.band * params.tiles_n;
  const uint band = group.x / in_band;
  const uint height = min(params.band, params.tiles_m - band * params.band);
  const uint rest = group.x - band * in_band;
  Work<T> work;
  work.row = (band * params.band + rest % height) * ROWS;
  work.column = rest / height * COLUMNS;
  const uint first = group.y * params.split_depth;
  work.depth = min(params.split_depth, params.k - first);
  long at_a = a_transposed ? first * params.a_pitch + work.row : work.row * params.a_pitch + first;
  long at_b = b_transposed ? work.column * params.b_pitch + first : first * params.b_pitch + work.column;
  uint batch = group.z;
  for (uint axis = 0; axis < params.batch_axes; ++axis) {
    const uint position = batch % params.batch_shape[axis];
    batch /= params.batch_shape[axis];
    at_a += position * params.a_batch_strides[axis];
    at_b += position * params.b_batch_strides[axis];
  }
  work.a = a + at_a;
  work.b = b + at_b;
  return work;
}

/// The sums of a simdgroup: ROWS x COLUMNS matrices of 8x8.
template <uint ROWS, uint COLUMNS>
struct Sums {
  simdgroup_float8x8 at[ROWS][COLUMNS];

  void clear() {
    UNROLL
    for (uint i = 0; i < ROWS; ++i) {
      UNROLL
      for (uint j = 0; j < COLUMNS; ++j) at[i][j] = make_filled_simdgroup_matrix<float, 8>(0.0f);
    }
  }

  template <typename F>
  void add_products(thread const simdgroup_matrix<F, 8, 8>* a, thread const simdgroup_matrix<F, 8, 8>* b) {
    UNROLL
    for (uint i = 0; i < ROWS; ++i) {
      UNROLL
      for (uint j = 0; j < COLUMNS; ++j) {
        // To and fro, so that each product shares an operand with the one before it.
        const uint column = i % 2 ? COLUMNS - 1 - j : j;
        simdgroup_multiply_accumulate(at[i][column], a[i], b[column], at[i][column]);
      }
    }
  }

  /// To m x n elements at `out`, from (row, column) on. `whole`: all of them lie inside.
  template <typename O>
  void store(device O* out, uint m, uint n, uint row, uint column, bool whole, uint lane) {
    const uint2 place = place_of(lane);
    row += place.y;
    column += place.x;
    out += ulong(row) * n + column;
    UNROLL
    for (uint i = 0; i < ROWS; ++i) {
      UNROLL
      for (uint j = 0; j < COLUMNS; ++j) {
        const float2 pair = elements(at[i][j]);
        if (whole) {
          store2(out + j * side, pair);
        } else if (row + i * side < m) {
          if (column + j * side < n) out[j * side] = O(pair.x);
          if (column + j * side + 1 < n) out[j * side + 1] = O(pair.y);
        }
      }
      out += ulong(n) * side;
    }
  }

  template <typename T>
  void store(device T* out, constant GemmParams& params, uint3 group, uint3 groups, uint row, uint column,
             bool whole, uint lane) {
    const ulong matrix = ulong(params.m) * params.n;
    if (partial) {
      device float* const partials = (device float*)out + (ulong(group.y) * groups.z + group.z) * matrix;
      store(partials, params.m, params.n, row, column, whole, lane);
    } else {
      store(out + group.z * matrix, params.m, params.n, row, column, whole, lane);
    }
  }
};

/// Copies ROWS x COLUMNS elements to threadgroup memory; of the source only `rows` x `columns` exist unless
/// `whole`, the others are 0. A thread copies runs of neighbours.
template <uint ROWS, uint COLUMNS, uint PITCH, uint THREADS, typename F, typename T>
inline void stage(threadgroup F* target, device const T* source, long pitch, uint rows, uint columns,
                  bool whole, uint thread_index) {
  constexpr uint run = 4;
  constexpr uint runs = COLUMNS / run;
  static_assert(COLUMNS % run == 0 && ROWS * runs % THREADS == 0, "every thread copies as many runs");
  UNROLL
  for (uint i = 0; i < ROWS * runs / THREADS; ++i) {
    const uint index = thread_index + i * THREADS;
    const uint row = index / runs;
    const uint column = index % runs * run;
    threadgroup F* const to = target + row * PITCH + column;
    device const T* const from = source + row * pitch + column;
    if (whole) {
      *(threadgroup packed4<F>*)to = load4<F>(from);
    } else {
      UNROLL
      for (uint j = 0; j < run; ++j) to[j] = row < rows && column + j < columns ? F(from[j]) : F(0);
    }
  }
}

template <typename T, uint BM, uint BN, uint BK, uint WM, uint WN>
[[kernel, max_total_threads_per_threadgroup(WM * WN * 32)]] void gemm_staged(
    device const T* a [[buffer(0)]], device const T* b [[buffer(1)]], device T* out [[buffer(2)]],
    constant GemmParams& params [[buffer(3)]], uint3 group [[threadgroup_position_in_grid]],
    uint3 groups [[threadgroups_per_grid]], uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]]) {
  using F = typename Multiplied<T>::Type;
  constexpr uint threads = WM * WN * 32;
  constexpr uint rows = BM / WM / side, columns = BN / WN / side;  // of matrices
  // 16 bytes more than a row, so that rows begin in different banks.
  constexpr uint padding = 16 / sizeof(F);
  constexpr uint pitch_m = BM + padding, pitch_n = BN + padding, pitch_k = BK + padding;
  threadgroup F a_tile[larger(BM * pitch_k, BK * pitch_m)];
  threadgroup F b_tile[larger(BN * pitch_k, BK * pitch_n)];

  Work<T> work = find_work<BM, BN>(a, b, params, group);
  const uint thread_index = simdgroup * 32 + lane;
  const bool whole_m = aligned_m || work.row + BM <= params.m;
  const bool whole_n = aligned_n || work.column + BN <= params.n;
  const uint m_left = params.m - work.row, n_left = params.n - work.column;
  const uint row = simdgroup / WN * (BM / WM), column = simdgroup % WN * (BN / WN);
  threadgroup const F* const a_part = a_tile + (a_transposed ? row : row * pitch_k);
  threadgroup const F* const b_part = b_tile + (b_transposed ? column * pitch_k : column);

  Sums<rows, columns> sums;
  sums.clear();
  for (uint k = 0; k < work.depth; k += BK) {
    const uint k_left = work.depth - k;
    const bool whole_k = aligned_k || k_left >= BK;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (a_transposed) {
      stage<BK, BM, pitch_m, threads>(a_tile, work.a, params.a_pitch, k_left, m_left, whole_m && whole_k,
                                      thread_index);
      work.a += BK * params.a_pitch;
    } else {
      stage<BM, BK, pitch_k, threads>(a_tile, work.a, params.a_pitch, m_left, k_left, whole_m && whole_k,
                                      thread_index);
      work.a += BK;
    }
    if (b_transposed) {
      stage<BN, BK, pitch_k, threads>(b_tile, work.b, params.b_pitch, n_left, k_left, whole_n && whole_k,
                                      thread_index);
      work.b += BK;
    } else {
      stage<BK, BN, pitch_n, threads>(b_tile, work.b, params.b_pitch, k_left, n_left, whole_n && whole_k,
                                      thread_index);
      work.b += BK * params.b_pitch;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    UNROLL
    for (uint kk = 0; kk < BK; kk += side) {
      simdgroup_matrix<F, 8, 8> left[rows], right[columns];
      UNROLL
      for (uint i = 0; i < rows; ++i) {
        const uint at = a_transposed ? kk * pitch_m + i * side : i * side * pitch_k + kk;
        simdgroup_load(left[i], a_part + at, a_transposed ? pitch_m : pitch_k, ulong2(0), a_transposed);
      }
      UNROLL
      for (uint j = 0; j < columns; ++j) {
        const uint at = b_transposed ? j * side * pitch_k + kk : kk * pitch_n + j * side;
        simdgroup_load(right[j], b_part + at, b_transposed ? pitch_k : pitch_n, ulong2(0), b_transposed);
      }
      sums.add_products(left, right);
    }
  }
  sums.store(out, params, group, groups, work.row + row, work.column + column, whole_m && whole_n, lane);
}

/// A simdgroup's part of a row of matrices of a, or of a column of matrices of b, read by each lane for
/// itself. Beyond an edge of out a lane reads what lies at the edge.
template <typename T, uint COUNT>
struct Lanes {
  using F = typename Multiplied<T>::Type;

  device const T* first[COUNT];
  long second[COUNT];  // from the first of the lane's two elements

  /// `valid`: which of a lane's two elements exist in k.
  void load(thread simdgroup_matrix<F, 8, 8>* matrices, bool neighbours, bool2 valid) {
    UNROLL
    for (uint i = 0; i < COUNT; ++i) {
      vec<F, 2> pair(0);
      if (neighbours && valid.x && valid.y) {
        pair = load2<F>(first[i]);
      } else {
        if (valid.x) pair.x = F(*first[i]);
        if (valid.y) pair.y = F(first[i][second[i]]);
      }
      elements(matrices[i]) = pair;
    }
  }

  void advance(long distance) {
    UNROLL
    for (uint i = 0; i < COUNT; ++i) first[i] += distance;
  }
};

template <typename T, uint BM, uint BN, uint WM, uint WN>
[[kernel, max_total_threads_per_threadgroup(WM * WN * 32)]] void gemm_direct(
    device const T* a [[buffer(0)]], device const T* b [[buffer(1)]], device T* out [[buffer(2)]],
    constant GemmParams& params [[buffer(3)]], uint3 group [[threadgroup_position_in_grid]],
    uint3 groups [[threadgroups_per_grid]], uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]]) {
  constexpr uint rows = BM / WM / side, columns = BN / WN / side;  // of matrices
  const Work<T> work = find_work<BM, BN>(a, b, params, group);
  const bool whole_m = aligned_m || work.row + BM <= params.m;
  const bool whole_n = aligned_n || work.column + BN <= params.n;
  const uint last_m = params.m - work.row - 1, last_n = params.n - work.column - 1;
  const uint row = simdgroup / WN * (BM / WM), column = simdgroup % WN * (BN / WN);
  const uint2 place = place_of(lane);

  Lanes<T, rows> left;
  UNROLL
  for (uint i = 0; i < rows; ++i) {
    const uint at = row + i * side + place.y;
    const uint m = aligned_m ? at : min(at, last_m);
    left.first[i] = work.a + (a_transposed ? m + place.x * params.a_pitch : m * params.a_pitch + place.x);
    left.second[i] = a_transposed ? params.a_pitch : 1;
  }
  Lanes<T, columns> right;
  UNROLL
  for (uint j = 0; j < columns; ++j) {
    const uint at = column + j * side + place.x;
    const uint n = aligned_n ? at : min(at, last_n);
    const uint next = aligned_n ? 1 : min(at + 1, last_n) - n;
    right.first[j] = work.b + (b_transposed ? n * params.b_pitch + place.y : place.y * params.b_pitch + n);
    right.second[j] = b_transposed ? next * params.b_pitch : next;
  }

  Sums<rows, columns> sums;
  sums.clear();
  simdgroup_matrix<typename Multiplied<T>::Type, 8, 8> x[rows], y[columns];
  uint k_left = work.depth;
  for (; k_left >= side; k_left -= side) {
    left.load(x, !a_transposed, bool2(true));
    right.load(y, !b_transposed && aligned_n, bool2(true));
    sums.add_products(x, y);
    left.advance(a_transposed ? side * params.a_pitch : side);
    right.advance(b_transposed ? side : side * params.b_pitch);
  }
  if (!aligned_k && k_left > 0) {
    left.load(x, !a_transposed, bool2(place.x < k_left, place.x + 1 < k_left));
    right.load(y, !b_transposed && aligned_n, bool2(place.y < k_left));
    sums.add_products(x, y);
  }
  sums.store(out, params, group, groups, work.row + row, work.column + column, whole_m && whole_n, lane);
}

template <typename T>
[[kernel, max_total_threads_per_threadgroup(GEMM_SUM_THREADS)]] void gemm_sum(
    device const float* partials [[buffer(0)]], device T* out [[buffer(1)]],
    constant GemmSumParams& params [[buffer(2)]], uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_position_in_threadgroup]], uint threads [[threads_per_threadgroup]]) {
  const ulong at = ulong(group) * threads + lane;
  if (at >= params.size) return;
  float sum = 0;
  for (uint split = 0; split < params.splits; ++split) sum += partials[split * params.size + at];
  out[at] = T(sum);
}

// Rows and columns of simdgroups last.
#define INSTANTIATE_STAGED(dtype, type, bm, bn, bk, wm, wn)                 \
  template [[host_name("gemm_" #dtype "_" #bm "x" #bn "x" #bk)]] [[kernel]] \
  decltype(gemm_staged<type, bm, bn, bk, wm, wn>) gemm_staged<type, bm, bn, bk, wm, wn>;

#define INSTANTIATE_DIRECT(dtype, type, bm, bn, wm, wn)                         \
  template [[host_name("gemm_" #dtype "_" #bm "x" #bn "x8_direct")]] [[kernel]] \
  decltype(gemm_direct<type, bm, bn, wm, wn>) gemm_direct<type, bm, bn, wm, wn>;

#define INSTANTIATE(dtype, type)                    \
  INSTANTIATE_STAGED(dtype, type, 64, 64, 16, 2, 2) \
  INSTANTIATE_STAGED(dtype, type, 64, 32, 32, 2, 2) \
  INSTANTIATE_STAGED(dtype, type, 32, 32, 16, 2, 2) \
  INSTANTIATE_STAGED(dtype, type, 16, 64, 32, 1, 4) \
  INSTANTIATE_STAGED(dtype, type, 64, 16, 32, 4, 1) \
  INSTANTIATE_DIRECT(dtype, type, 32, 32, 1, 1)     \
  template [[host_name("gemm_sum_" #dtype)]] [[kernel]] decltype(gemm_sum<type>) gemm_sum<type>;

INSTANTIATE(float32, float)
INSTANTIATE(float16, half)
INSTANTIATE(bfloat16, BFloat16)
