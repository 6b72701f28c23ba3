#include <metal_stdlib>
using namespace metal;

constant bool squares [[function_constant(0)]];

/// out[row] = the mean of x[row, :], or of its squares. One threadgroup for each row.
kernel void row_mean(device const float* x [[buffer(0)]], device float* out [[buffer(1)]],
                     constant uint& columns [[buffer(2)]],
                     uint row [[threadgroup_position_in_grid]],
                     uint index [[thread_index_in_threadgroup]],
                     uint threads [[threads_per_threadgroup]],
                     uint lane [[thread_index_in_simdgroup]],
                     uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float partial[32];
  float sum = 0;
  for (uint column = index; column < columns; column += threads) {
    const float value = x[row * columns + column];
    sum += squares ? value * value : value;
  }
  sum = simd_sum(sum);
  if (lane == 0) partial[simdgroup] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (simdgroup == 0) {
    sum = simd_sum(lane < (threads + 31) / 32 ? partial[lane] : 0);
    if (lane == 0) out[row] = sum / columns;
  }
}
