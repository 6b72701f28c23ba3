// metal/gemv.metal: a matrix times up to eight vectors, for batches of both: whatever product has a side of 8
// or less. Bound by bandwidth: the matrix goes from memory to registers, once. Sums are in float32.
//
// gemv_<dtype>_rows      The matrix's rows are contiguous. A simdgroup takes GEMV_ROWS rows, its lanes share
//                        the depth in runs of four neighbours. Deep: all simdgroups of a threadgroup take the
//                        same rows and share the depth.
// gemv_<dtype>_columns   The matrix's columns are contiguous. A lane takes a run of four rows, and lanes lie
//                        side by side: 32 of them or, deep, 8. Simdgroups, and lanes beyond the 8, share the
//                        depth.
//
// Grid: x groups of rows, y splits of the depth (summed by gemm_sum), z the batch. Threadgroups of
// GEMV_SIMDGROUPS x 32. Beyond the last row lanes read rows that exist, and store nothing for them.
#include <metal_stdlib>

#include "common/packed.h"
#include "common/unroll.h"
#include "params/gemv.h"

using namespace metal;

constant uint vector_count [[function_constant(GEMV_VECTORS)]];
constant bool unit [[function_constant(GEMV_UNIT)]];
constant bool deep [[function_constant(GEMV_DEEP)]];
constant bool partial [[function_constant(GEMV_PARTIAL)]];
constant bool narrow [[function_constant(GEMV_NARROW)]];

constant constexpr uint threads = GEMV_SIMDGROUPS * 32;
constant constexpr uint run = GEMV_RUN;

/// Where a threadgroup's batch and split begin.
template <typename T>
struct Work {
  device const T* matrix;
  device const T* vectors;
  ulong out;
  uint depth;

  Work(device const T* the_matrix, device const T* the_vectors, constant GemvParams& params, uint3 group,
       uint3 groups, long matrix_stride) {
    const uint first = group.y * params.split_depth;
    depth = min(params.split_depth, params.depth - first);
    long at_matrix = first * matrix_stride;
    long at_vectors = first * params.vector_stride;
    uint batch = group.z;
    for (uint axis = 0; axis < params.batch_axes; ++axis) {
      const uint position = batch % params.batch_shape[axis];
      batch /= params.batch_shape[axis];
      at_matrix += position * params.matrix_batch_strides[axis];
      at_vectors += position * params.vector_batch_strides[axis];
    }
    matrix = the_matrix + at_matrix;
    vectors = the_vectors + at_vectors;
    out = ((partial ? ulong(group.y) * groups.z : 0) + group.z) * params.out_batch_stride;
  }
};

template <typename T>
inline void store(device T* out, ulong at, float value) {
  if (partial) {
    ((device float*)out)[at] = value;
  } else {
    out[at] = T(value);
  }
}

template <typename T>
inline float4 four(device const T* from, long stride, bool neighbours) {
  if (neighbours) return load4<float>(from);
  return float4(float(from[0]), float(from[stride]), float(from[2 * stride]), float(from[3 * stride]));
}

template <typename T>
[[kernel, max_total_threads_per_threadgroup(threads)]] void gemv_rows(
    device const T* matrix [[buffer(0)]], device const T* vectors [[buffer(1)]], device T* out [[buffer(2)]],
    constant GemvParams& params [[buffer(3)]], uint3 group [[threadgroup_position_in_grid]],
    uint3 groups [[threadgroups_per_grid]], uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]]) {
  const Work<T> work(matrix, vectors, params, group, groups, 1);
  const uint first = (deep ? group.x : group.x * GEMV_SIMDGROUPS + simdgroup) * GEMV_ROWS;
  if (!deep && first >= params.rows) return;
  device const T* rows[GEMV_ROWS];
  UNROLL
  for (uint r = 0; r < GEMV_ROWS; ++r)
    rows[r] = work.matrix + min(first + r, params.rows - 1) * params.matrix_pitch;

  float sums[GEMV_ROWS][GEMV_MAX_VECTORS];
  UNROLL
  for (uint r = 0; r < GEMV_ROWS; ++r) {
    UNROLL
    for (uint v = 0; v < vector_count; ++v) sums[r][v] = 0;
  }
  const uint step = (deep ? GEMV_SIMDGROUPS : 1) * 32 * run;
  uint k = (deep ? simdgroup * 32 + lane : lane) * run;
  for (; k + run <= work.depth; k += step) {
    float4 x[GEMV_ROWS];
    UNROLL
    for (uint r = 0; r < GEMV_ROWS; ++r) x[r] = four(rows[r] + k, 1, true);
    UNROLL
    for (uint v = 0; v < vector_count; ++v) {
      const float4 y =
          four(work.vectors + v * params.vector_pitch + k * params.vector_stride, params.vector_stride, unit);
      UNROLL
      for (uint r = 0; r < GEMV_ROWS; ++r) {
        UNROLL
        for (uint i = 0; i < run; ++i) sums[r][v] = fma(x[r][i], y[i], sums[r][v]);
      }
    }
  }
  // At most one lane has a run that is cut.
  for (; k < work.depth; ++k) {
    UNROLL
    for (uint v = 0; v < vector_count; ++v) {
      const float y = float(work.vectors[v * params.vector_pitch + k * params.vector_stride]);
      UNROLL
      for (uint r = 0; r < GEMV_ROWS; ++r) sums[r][v] = fma(float(rows[r][k]), y, sums[r][v]);
    }
  }

  // Lane `r * vector_count + v` stores the sum of row r and vector v.
  float mine = 0;
  UNROLL
  for (uint r = 0; r < GEMV_ROWS; ++r) {
    UNROLL
    for (uint v = 0; v < vector_count; ++v) {
      const float sum = simd_sum(sums[r][v]);
      if (lane == r * vector_count + v) mine = sum;
    }
  }
  threadgroup float shared[threads];
  if (deep) {
    shared[simdgroup * 32 + lane] = mine;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup != 0) return;
    UNROLL
    for (uint s = 1; s < GEMV_SIMDGROUPS; ++s) mine += shared[s * 32 + lane];
  }
  const uint row = first + lane / vector_count;
  if (lane < GEMV_ROWS * vector_count && row < params.rows)
    store(out, work.out + row * params.out_row_stride + lane % vector_count * params.out_vector_stride, mine);
}

/// Adds COUNT columns from `k` on, `parts` apart, times the vectors' elements.
template <uint COUNT, typename T>
inline void add_columns(thread float4* sums, device const T* matrix, device const T* vectors,
                        constant GemvParams& params, uint k, uint parts, uint3 further) {
  float4 x[COUNT];
  UNROLL
  for (uint i = 0; i < COUNT; ++i) {
    device const T* const at = matrix + (k + i * parts) * params.matrix_pitch;
    x[i] = narrow ? float4(float(at[0]), float(at[further.x]), float(at[further.y]), float(at[further.z]))
                  : four(at, 1, true);
  }
  UNROLL
  for (uint i = 0; i < COUNT; ++i) {
    UNROLL
    for (uint v = 0; v < vector_count; ++v) {
      const float y = float(vectors[v * params.vector_pitch + (k + i * parts) * params.vector_stride]);
      sums[v] = fma(x[i], y, sums[v]);
    }
  }
}

template <typename T>
[[kernel, max_total_threads_per_threadgroup(threads)]] void gemv_columns(
    device const T* matrix [[buffer(0)]], device const T* vectors [[buffer(1)]], device T* out [[buffer(2)]],
    constant GemvParams& params [[buffer(3)]], uint3 group [[threadgroup_position_in_grid]],
    uint3 groups [[threadgroups_per_grid]], uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]]) {
  const Work<T> work(matrix, vectors, params, group, groups, params.matrix_pitch);
  const uint across = deep ? GEMV_LANES_DEEP : GEMV_LANES;
  const uint parts = threads / across;  // that share the depth
  const uint thread_index = simdgroup * 32 + lane;
  const uint part = thread_index / across;
  // A run that would reach beyond the last row begins where it does not; of the narrowest matrices, rows
  // repeat.
  const uint last = params.rows - (narrow ? 1 : run);
  const uint first = min((group.x * across + thread_index % across) * run, last);
  const uint3 further(min(1u, last - first), min(2u, last - first), min(3u, last - first));

  float4 sums[GEMV_MAX_VECTORS];
  UNROLL
  for (uint v = 0; v < vector_count; ++v) sums[v] = 0;
  constexpr uint ahead = 4;
  uint k = part;
  for (; k + (ahead - 1) * parts < work.depth; k += ahead * parts)
    add_columns<ahead>(sums, work.matrix + first, work.vectors, params, k, parts, further);
  for (; k < work.depth; k += parts)
    add_columns<1>(sums, work.matrix + first, work.vectors, params, k, parts, further);

  threadgroup float shared[threads * run];
  UNROLL
  for (uint v = 0; v < vector_count; ++v) {
    if (v > 0) threadgroup_barrier(mem_flags::mem_threadgroup);
    UNROLL
    for (uint i = 0; i < run; ++i) shared[thread_index * run + i] = sums[v][i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const uint row = group.x * across * run + thread_index;
    if (thread_index < across * run && row < params.rows) {
      const uint owner = thread_index / run;
      const uint place = owner * run + row - min(row / run * run, last);
      float sum = 0;
      for (uint p = 0; p < parts; ++p) sum += shared[p * across * run + place];
      store(out, work.out + row * params.out_row_stride + v * params.out_vector_stride, sum);
    }
  }
}

#define INSTANTIATE(dtype, type)                                                                       \
  template [[host_name("gemv_" #dtype "_rows")]] [[kernel]] decltype(gemv_rows<type>) gemv_rows<type>; \
  template                                                                                             \
      [[host_name("gemv_" #dtype "_columns")]] [[kernel]] decltype(gemv_columns<type>) gemv_columns<type>;

INSTANTIATE(float32, float)
INSTANTIATE(float16, half)
INSTANTIATE(bfloat16, BFloat16)
