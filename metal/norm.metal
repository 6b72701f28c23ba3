// metal/norm.metal: rms_norm and layer_norm over the last axis, statistics in float32.
//
//   rms_norm    x / sqrt(mean(x^2) + eps) * weight
//   layer_norm  (x - mean) / sqrt(variance + eps) * weight + bias
//
// A thread takes chunks of 4 consecutive elements; the chunks of a team, its threads side by side, are a
// span.
//
// norm_<op>_<dtype>_row_lanes      4, 8, 16 or 32 lanes have a row in registers, one span, and 4 such rows.
// norm_<op>_<dtype>_row_simdgroup  A simdgroup has a row in registers, `chunks` spans of it.
// norm_<op>_<dtype>_row_register   A threadgroup has a row in registers, up to 4 spans.
// norm_<op>_<dtype>_row_loop       A threadgroup per row, which reads it again for each pass.
// norm_<op>_<dtype>_row_split_*    Many threadgroups per row, each with a part of 4 spans in registers: first
//                                  `statistics` of each part, `combine` them for each row (a threadgroup
//                                  each), then `apply` them. grid (parts, rows).
//
// The variance is that of the centred row. Rounding the mean leaves something, which matters where it is
// large against the deviations: the centred row has a mean `rest` of its own, which is taken from it as well.
#include <metal_stdlib>

#include "common/reduction.h"
#include "norm/chunks.h"
#include "norm/teams.h"
#include "params/norm.h"

using namespace metal;

constant uint row_lanes [[function_constant(NORM_LANES)]];
constant uint chunks [[function_constant(NORM_CHUNKS)]];

// -- A row, or a part of one, in the registers of a team: `used` spans, kChunks at most -----------

/// What a row or part has in common. Its numbers are left as v, from which `mean` is taken and `rest` is not
/// yet.
struct Statistics {
  float mean;
  float rest;
  float squares;  // sum over v
};

template <typename T, bool kCentred, uint kChunks, typename Team>
Statistics in_registers(device const T* x, uint size, uint used, Team team, thread float* v) {
  const uint span = team.threads * kVector;
  const uint mine = team.index * kVector;
  float total = 0;
#pragma unroll
  for (uint c = 0; c < kChunks; ++c) {
    if (c >= used) continue;
    thread float* const chunk = v + c * kVector;
    load(x, c * span + mine, size, (c + 1) * span <= size, chunk);
    total += kCentred ? sum(chunk) : sum_of_squares(chunk);
  }
  total = team.sum(total);
  if (!kCentred) return Statistics{0, 0, total};
  const float count = float(size);
  const float mean = precise::divide(total, count);
  float2 moments = 0;
#pragma unroll
  for (uint c = 0; c < kChunks; ++c) {
    if (c >= used) continue;
    thread float* const chunk = v + c * kVector;
    subtract(chunk, mean, c * span + mine, size, (c + 1) * span <= size);
    moments += float2(sum(chunk), sum_of_squares(chunk));
  }
  moments = team.sums(moments);
  return Statistics{mean, precise::divide(moments.x, count), moments.y};
}

/// The row from memory into registers, and the result to memory.
template <typename T, bool kCentred, uint kChunks, typename Team>
void norm_in_registers(device const T* x, device const uchar* weight, device const uchar* bias, device T* out,
                       uint size, float eps, uint used, Team team) {
  float v[kChunks * kVector];
  const Statistics found = in_registers<T, kCentred, kChunks>(x, size, used, team, v);
  const float2 scale = scale_of(found.squares, float(size), found.rest, eps);
  const uint span = team.threads * kVector;
  const uint mine = team.index * kVector;
#pragma unroll
  for (uint c = 0; c < kChunks; ++c) {
    if (c >= used) continue;
    store(out, c * span + mine, size, (c + 1) * span <= size, v + c * kVector, found.rest, scale, weight,
          bias);
  }
}

template <typename T, bool kCentred>
[[kernel, max_total_threads_per_threadgroup(NORM_MAX_SIMDGROUPS * 32)]] void norm_row_simdgroup(
    device const T* x [[buffer(0)]], device const uchar* weight [[buffer(1), function_constant(has_weight)]],
    device const uchar* bias [[buffer(2), function_constant(has_bias)]], device T* out [[buffer(3)]],
    constant NormParams& params [[buffer(4)]], uint3 group [[threadgroup_position_in_grid]],
    uint3 groups [[threadgroups_per_grid]], uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]], uint simdgroups [[simdgroups_per_threadgroup]]) {
  const ulong row = (group.x + ulong(group.y) * groups.x) * simdgroups + simdgroup;
  if (row >= params.rows) return;
  norm_in_registers<T, kCentred, NORM_MAX_CHUNKS>(x + row_start(params, row), weight, bias,
                                                  out + row * params.size, uint(params.size), params.eps,
                                                  chunks, Simdgroup{lane, simd_width});
}

template <typename T, bool kCentred>
[[kernel, max_total_threads_per_threadgroup(NORM_MAX_THREADS)]] void norm_row_register(
    device const T* x [[buffer(0)]], device const uchar* weight [[buffer(1), function_constant(has_weight)]],
    device const uchar* bias [[buffer(2), function_constant(has_bias)]], device T* out [[buffer(3)]],
    constant NormParams& params [[buffer(4)]], uint3 group [[threadgroup_position_in_grid]],
    uint3 groups [[threadgroups_per_grid]], uint index [[thread_index_in_threadgroup]],
    uint3 threads [[threads_per_threadgroup]], uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float first[max_simdgroups];
  threadgroup float2 second[max_simdgroups];
  const ulong row = group.x + ulong(group.y) * groups.x;
  if (row >= params.rows) return;
  norm_in_registers<T, kCentred, NORM_GROUP_CHUNKS>(
      x + row_start(params, row), weight, bias, out + row * params.size, uint(params.size), params.eps,
      NORM_GROUP_CHUNKS, Group{index, threads.x, lane, simdgroup, first, second});
}

// -- Rows of one span, several at once ------------------------------------------------------------

static_assert(NORM_LANE_ROWS == 4, "rows are dealt to quarters of row_lanes lanes");

/// Each of four numbers, one of each row, summed over row_lanes neighbours. A quarter of those gets the sum
/// of one row, so that what follows from it is calculated once; `of_row` is the way back. Numbers that a lane
/// need not go on with go to the lane that does. Those of a quarter have the same bits: addition commutes.
float sum_of_quarter(thread const float* v, uint lane) {
  const bool second_half = (lane & (row_lanes / 2)) != 0;
  float a = second_half ? v[2] : v[0];
  float b = second_half ? v[3] : v[1];
  a += simd_shuffle_xor(second_half ? v[0] : v[2], ushort(row_lanes / 2));
  b += simd_shuffle_xor(second_half ? v[1] : v[3], ushort(row_lanes / 2));
  const bool odd = (lane & (row_lanes / 4)) != 0;
  float sum = odd ? b : a;
  sum += simd_shuffle_xor(odd ? a : b, ushort(row_lanes / 4));
#pragma unroll
  for (uint mask = simd_width / 8; mask > 0; mask /= 2) {
    if (8 * mask <= row_lanes) sum += simd_shuffle_xor(sum, ushort(mask));
  }
  return sum;
}

/// What the quarter of row `r` has.
float of_row(float value, uint r, uint lane) {
  return simd_shuffle(value, ushort(lane / row_lanes * row_lanes + r * (row_lanes / 4)));
}

template <typename T, bool kCentred>
[[kernel, max_total_threads_per_threadgroup(NORM_MAX_SIMDGROUPS * 32)]] void norm_row_lanes(
    device const T* x [[buffer(0)]], device const uchar* weight [[buffer(1), function_constant(has_weight)]],
    device const uchar* bias [[buffer(2), function_constant(has_bias)]], device T* out [[buffer(3)]],
    constant NormParams& params [[buffer(4)]], uint3 group [[threadgroup_position_in_grid]],
    uint3 groups [[threadgroups_per_grid]], uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]], uint simdgroups [[simdgroups_per_threadgroup]]) {
  constexpr uint kRows = NORM_LANE_ROWS;
  // Rows side by side in a simdgroup, so that what it reads at once lies together.
  const uint across = simd_width / row_lanes;
  const ulong begin = ((group.x + ulong(group.y) * groups.x) * simdgroups + simdgroup) * (kRows * across);
  const uint at = lane % row_lanes * kVector;
  const bool whole = begin + kRows * across <= params.rows && params.size == row_lanes * kVector;
  const float count = float(params.size);
  uint size[kRows];     // 0 for a row that does not exist
  ulong out_of[kRows];  // where the chunk is stored
  float v[kRows * kVector], total[2 * kRows];
#pragma unroll
  for (uint r = 0; r < kRows; ++r) {
    const ulong row = begin + r * across + lane / row_lanes;
    size[r] = row < params.rows ? uint(params.size) : 0;
    // Rows without gaps are one run for all lanes, and the software device sees that.
    out_of[r] = whole ? (begin + r * across) * params.size + lane * kVector : row * params.size + at;
    const long from = whole && !strided ? long(out_of[r]) : (size[r] > 0 ? row_start(params, row) : 0) + at;
    load(x + from - at, at, size[r], whole, v + r * kVector);
    total[r] = kCentred ? sum(v + r * kVector) : sum_of_squares(v + r * kVector);
  }
  const float sum_or_squares = sum_of_quarter(total, lane);
  float squares = sum_or_squares, rest = 0;
  if (kCentred) {
    const float mean = precise::divide(sum_or_squares, count);
#pragma unroll
    for (uint r = 0; r < kRows; ++r) {
      subtract(v + r * kVector, of_row(mean, r, lane), at, size[r], whole);
      total[r] = sum_of_squares(v + r * kVector);
      total[kRows + r] = sum(v + r * kVector);
    }
    squares = sum_of_quarter(total, lane);
    rest = precise::divide(sum_of_quarter(total + kRows, lane), count);
  }
  const float2 scale = scale_of(squares, count, rest, params.eps);
#pragma unroll
  for (uint r = 0; r < kRows; ++r) {
    const float2 scale_of_row(of_row(scale.x, r, lane), sizeof(T) == 4 ? of_row(scale.y, r, lane) : 0);
    store(out + out_of[r] - at, at, size[r], whole, v + r * kVector, kCentred ? of_row(rest, r, lane) : 0,
          scale_of_row, weight, bias);
  }
}

// -- A row that is read again for each pass -------------------------------------------------------

/// Sum over a team's part of a row: of v, or of v - mean and its square.
struct Plain {
  static float of(thread const float* v) { return sum(v); }
};
struct Squares {
  static float of(thread const float* v) { return sum_of_squares(v); }
};
struct Moments {
  static float2 of(thread const float* v) { return float2(sum(v), sum_of_squares(v)); }
};

/// A step is NORM_GROUP_CHUNKS spans. Partial sums of 64 steps each keep rounding small where the row is
/// long.
template <typename Term, typename Total, typename T>
Total over_row(device const T* x, ulong size, float mean, uint index, uint threads) {
  const uint span = threads * kVector;
  const uint mine = index * kVector;
  const ulong steps = size / (span * NORM_GROUP_CHUNKS);
  float v[kVector];
  Total total = 0, part = 0;
  ulong start = 0;
  for (ulong step = 0; step < steps; ++step) {
#pragma unroll
    for (uint c = 0; c < NORM_GROUP_CHUNKS; ++c, start += span) {
      load(x, start + mine, size, true, v);
      subtract(v, mean, start + mine, size, true);
      part += Term::of(v);
    }
    if (step % 64 == 63) {
      total += part;
      part = 0;
    }
    // Nothing waits on an Apple GPU. The software device goes on with all lanes, as vectors.
    simdgroup_barrier(mem_flags::mem_none);
  }
#pragma unroll
  for (uint c = 0; c < NORM_GROUP_CHUNKS; ++c, start += span) {
    const bool whole = start + span <= size;
    load(x, start + mine, size, whole, v);
    subtract(v, mean, start + mine, size, whole);
    part += Term::of(v);
  }
  return total + part;
}

template <typename T, bool kCentred>
[[kernel, max_total_threads_per_threadgroup(NORM_MAX_THREADS)]] void norm_row_loop(
    device const T* x [[buffer(0)]], device const uchar* weight [[buffer(1), function_constant(has_weight)]],
    device const uchar* bias [[buffer(2), function_constant(has_bias)]], device T* out [[buffer(3)]],
    constant NormParams& params [[buffer(4)]], uint3 group [[threadgroup_position_in_grid]],
    uint3 groups [[threadgroups_per_grid]], uint index [[thread_index_in_threadgroup]],
    uint3 threads [[threads_per_threadgroup]], uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float first[max_simdgroups];
  threadgroup float2 second[max_simdgroups];
  const ulong row = group.x + ulong(group.y) * groups.x;
  if (row >= params.rows) return;
  const Group team{index, threads.x, lane, simdgroup, first, second};
  const ulong size = params.size;
  x += row_start(params, row);
  out += row * size;
  const float count = float(size);
  float mean = 0, rest = 0, squares;
  if (kCentred) {
    mean = precise::divide(team.sum(over_row<Plain, float>(x, size, 0, index, threads.x)), count);
    const float2 moments = team.sums(over_row<Moments, float2>(x, size, mean, index, threads.x));
    rest = precise::divide(moments.x, count);
    squares = moments.y;
  } else {
    squares = team.sum(over_row<Squares, float>(x, size, 0, index, threads.x));
  }
  const float2 scale = scale_of(squares, count, rest, params.eps);
  const uint span = threads.x * kVector;
  const uint mine = index * kVector;
  const ulong steps = size / (span * NORM_GROUP_CHUNKS);
  float v[kVector];
  ulong start = 0;
  for (ulong step = 0; step < steps; ++step) {
#pragma unroll
    for (uint c = 0; c < NORM_GROUP_CHUNKS; ++c, start += span) {
      load(x, start + mine, size, true, v);
      subtract(v, mean, start + mine, size, true);
      store(out, start + mine, size, true, v, rest, scale, weight, bias);
    }
    simdgroup_barrier(mem_flags::mem_none);
  }
#pragma unroll
  for (uint c = 0; c < NORM_GROUP_CHUNKS; ++c, start += span) {
    const bool whole = start + span <= size;
    load(x, start + mine, size, whole, v);
    subtract(v, mean, start + mine, size, whole);
    store(out, start + mine, size, whole, v, rest, scale, weight, bias);
  }
}

// -- A row for many threadgroups ------------------------------------------------------------------

/// Of each part its mean, the rest of it, the sum of squares of what these leave, and its size.
template <typename T, bool kCentred>
[[kernel, max_total_threads_per_threadgroup(NORM_MAX_THREADS)]] void norm_row_split_statistics(
    device const T* x [[buffer(0)]], device float4* statistics [[buffer(1)]],
    constant NormParams& params [[buffer(4)]], uint3 group [[threadgroup_position_in_grid]],
    uint index [[thread_index_in_threadgroup]], uint3 threads [[threads_per_threadgroup]],
    uint lane [[thread_index_in_simdgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float first[max_simdgroups];
  threadgroup float2 second[max_simdgroups];
  const ulong part = ulong(threads.x) * kVector * NORM_GROUP_CHUNKS;
  const ulong start = group.x * part;
  const uint size = uint(min(part, params.size - start));
  float v[NORM_GROUP_CHUNKS * kVector];
  const Statistics found = in_registers<T, kCentred, NORM_GROUP_CHUNKS>(
      x + row_start(params, group.y) + start, size, NORM_GROUP_CHUNKS,
      Group{index, threads.x, lane, simdgroup, first, second}, v);
  if (index == 0) {
    const float count = float(size);
    const float squares = fma(-count * found.rest, found.rest, found.squares);
    statistics[ulong(group.y) * params.parts + group.x] = float4(found.mean, found.rest, squares, count);
  }
}

/// Of each row the mean, the rest, and the scale. The mean is that of the first part.
template <bool kCentred>
[[kernel, max_total_threads_per_threadgroup(NORM_MAX_THREADS)]] void norm_row_split_combine(
    device const float4* statistics [[buffer(0)]], device float4* rows [[buffer(1)]],
    constant NormParams& params [[buffer(4)]], uint3 group [[threadgroup_position_in_grid]],
    uint index [[thread_index_in_threadgroup]], uint3 threads [[threads_per_threadgroup]],
    uint lane [[thread_index_in_simdgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float first[max_simdgroups];
  threadgroup float2 second[max_simdgroups];
  const Group team{index, threads.x, lane, simdgroup, first, second};
  statistics += ulong(group.x) * params.parts;
  const float count = float(params.size);
  const float mean = statistics[0].x;
  float rest = 0;
  if (kCentred) {
    float total = 0;
    for (uint i = index; i < params.parts; i += threads.x)
      total += ((statistics[i].x - mean) + statistics[i].y) * statistics[i].w;
    rest = precise::divide(team.sum(total), count);
  }
  // Within the parts, and of the parts (Chan, Golub, LeVeque 1983).
  float2 squares = 0;
  for (uint i = index; i < params.parts; i += threads.x) {
    const float away = ((statistics[i].x - mean) + statistics[i].y) - rest;
    squares += float2(statistics[i].z, kCentred ? away * away * statistics[i].w : 0);
  }
  squares = team.sums(squares);
  if (index == 0) rows[group.x] = float4(mean, rest, scale_of(squares.x + squares.y, count, 0, params.eps));
}

template <typename T, bool kCentred>
[[kernel, max_total_threads_per_threadgroup(NORM_MAX_THREADS)]] void norm_row_split_apply(
    device const T* x [[buffer(0)]], device const uchar* weight [[buffer(1), function_constant(has_weight)]],
    device const uchar* bias [[buffer(2), function_constant(has_bias)]], device T* out [[buffer(3)]],
    constant NormParams& params [[buffer(4)]], device const float4* rows [[buffer(5)]],
    uint3 group [[threadgroup_position_in_grid]], uint index [[thread_index_in_threadgroup]],
    uint3 threads [[threads_per_threadgroup]]) {
  x += row_start(params, group.y);
  out += group.y * params.size;
  const float4 found = rows[group.y];
  const uint span = threads.x * kVector;
  ulong start = ulong(group.x) * span * NORM_GROUP_CHUNKS;
  float v[kVector];
#pragma unroll
  for (uint c = 0; c < NORM_GROUP_CHUNKS; ++c, start += span) {
    const ulong at = start + index * kVector;
    const bool whole = start + span <= params.size;
    load(x, at, params.size, whole, v);
    if (kCentred) subtract(v, found.x, at, params.size, whole);
    store(out, at, params.size, whole, v, found.y, found.zw, weight, bias);
  }
}

#define INSTANTIATE(op, centred, dtype, type)                                                  \
  template [[host_name("norm_" #op "_" #dtype "_row_lanes")]] [[kernel]]                       \
  decltype(norm_row_lanes<type, centred>) norm_row_lanes<type, centred>;                       \
  template [[host_name("norm_" #op "_" #dtype "_row_simdgroup")]] [[kernel]]                   \
  decltype(norm_row_simdgroup<type, centred>) norm_row_simdgroup<type, centred>;               \
  template [[host_name("norm_" #op "_" #dtype "_row_register")]] [[kernel]]                    \
  decltype(norm_row_register<type, centred>) norm_row_register<type, centred>;                 \
  template [[host_name("norm_" #op "_" #dtype "_row_loop")]] [[kernel]]                        \
  decltype(norm_row_loop<type, centred>) norm_row_loop<type, centred>;                         \
  template [[host_name("norm_" #op "_" #dtype "_row_split_statistics")]] [[kernel]]            \
  decltype(norm_row_split_statistics<type, centred>) norm_row_split_statistics<type, centred>; \
  template [[host_name("norm_" #op "_" #dtype "_row_split_apply")]] [[kernel]]                 \
  decltype(norm_row_split_apply<type, centred>) norm_row_split_apply<type, centred>;

#define INSTANTIATE_ALL(op, centred)                                  \
  INSTANTIATE(op, centred, float32, float)                            \
  INSTANTIATE(op, centred, float16, half)                             \
  INSTANTIATE(op, centred, bfloat16, BFloat16)                        \
  template [[host_name("norm_" #op "_row_split_combine")]] [[kernel]] \
  decltype(norm_row_split_combine<centred>) norm_row_split_combine<centred>;

INSTANTIATE_ALL(rms_norm, false)
INSTANTIATE_ALL(layer_norm, true)
