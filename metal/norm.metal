// metal/norm.metal: rms_norm and layer_norm over the last axis, statistics in float32.
//
//   rms_norm    x / sqrt(mean(x^2) + eps) * weight
//   layer_norm  (x - mean) / sqrt(variance + eps) * weight + bias
//
// norm_<op>_<dtype>_row_simdgroup   A simdgroup per row, several rows in a threadgroup. The row is in registers:
//                                   a lane has `chunks` chunks of 4 consecutive elements, 128 elements apart.
// norm_<op>_<dtype>_row_register    A threadgroup per row, otherwise the same.
// norm_<op>_<dtype>_row_loop        A threadgroup per row, which reads it again for each pass.
//
// The variance is that of the centred row. The mean is rounded, and what that leaves of it matters where it is
// large against the deviations: the centred row has a mean `rest` of its own, which is taken from it as well.
#include <metal_stdlib>

#include "params/norm.h"

using namespace metal;

constant uint weight_type [[function_constant(NORM_WEIGHT)]];
constant uint bias_type [[function_constant(NORM_BIAS)]];
constant uint chunks [[function_constant(NORM_CHUNKS)]];
constant bool strided [[function_constant(NORM_STRIDED)]];
constant bool has_weight = weight_type != NORM_NONE;
constant bool has_bias = bias_type != NORM_NONE;

constant constexpr uint kVector = NORM_VECTOR;
constant constexpr uint kSimd = 32;

/// Element `index` of a weight or bias of any floating dtype. The branches are gone once constants are known.
float element(device const uchar* data, uint type, ulong index) {
  if (type == NORM_FLOAT32) return reinterpret_cast<device const float*>(data)[index];
  if (type == NORM_FLOAT16) return float(reinterpret_cast<device const half*>(data)[index]);
  return float(reinterpret_cast<device const bfloat*>(data)[index]);
}

float weighted(float value, device const uchar* weight, device const uchar* bias, ulong index) {
  if (has_weight) value *= element(weight, weight_type, index);
  if (has_bias) value += element(bias, bias_type, index);
  return value;
}

/// Where a row of x begins.
long row_start(constant NormParams& params, ulong row) {
  if (!strided) return long(row * params.size);
  long at = 0;
  for (uint axis = 0; axis < params.axes; ++axis) {
    at += long(row % params.shape[axis]) * params.strides[axis];
    row /= params.shape[axis];
  }
  return at;
}

/// The threads that share a row.
struct Team {
  uint index;       // of a thread of the team
  uint threads;     // a multiple of 32
  uint lane;
  uint simdgroup;   // of the team
};

/// Sums over a simdgroup.
struct OfSimdgroup {
  Team team;
  float sum(float value) const { return simd_sum(value); }
  float2 sums(float2 value) const { return float2(simd_sum(value.x), simd_sum(value.y)); }
};

/// Sums over a threadgroup. Each may be taken once: nothing waits before the memory is used again.
struct OfThreadgroup {
  Team team;
  threadgroup float* first;
  threadgroup float2* second;

  float sum(float value) const {
    value = simd_sum(value);
    if (team.lane == 0) first[team.simdgroup] = value;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return simd_sum(team.lane * kSimd < team.threads ? first[team.lane] : 0);
  }
  float2 sums(float2 value) const {
    value = float2(simd_sum(value.x), simd_sum(value.y));
    if (team.lane == 0) second[team.simdgroup] = value;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    value = team.lane * kSimd < team.threads ? second[team.lane] : float2(0);
    return float2(simd_sum(value.x), simd_sum(value.y));
  }
};

/// 1 / sqrt(squares / count - rest^2 + eps) as a sum of two floats, neither of them negative: a factor that is
/// exact to all of float32's bits leaves one rounding less in each result. rest is the mean of what was squared.
float2 scale_of(float squares, float count, float rest, float eps) {
  const float mean = precise::divide(squares, count);
  float variance = fma(-rest, rest, mean);
  variance = variance < 0 ? 0 : variance;  // NaN stays
  const float total = variance + eps;
  const float kept = total - variance;
  const float lost = (variance - (total - kept)) + (eps - kept) + precise::divide(fma(-mean, count, squares), count);
  const float high = precise::rsqrt(total);
  // A step of Newton's method, with a residual of twice the bits.
  const float product = total * high;
  const float residual = fma(-product, high, 1) - (fma(total, high, -product) + lost * high) * high;
  const float low = 0.5f * high * residual;
  if (!isfinite(low)) return float2(high, 0);
  if (low >= 0) return float2(high, low);
  const float below = as_type<float>(as_type<uint>(high) - 1);
  return float2(below, (high - below) + low);
}

/// value * scale. The low part counts in float32 alone.
template <typename T>
float scaled(float value, float2 scale) {
  return sizeof(T) == 4 ? fma(value, scale.x, value * scale.y) : value * scale.x;
}

float sum4(thread const float* v) { return (v[0] + v[1]) + (v[2] + v[3]); }

/// One row in the registers of a team.
template <typename T, bool kCentred, typename Sums>
void in_registers(device const T* x, device const uchar* weight, device const uchar* bias, device T* out,
                  uint size, float eps, Sums sums) {
  const uint span = sums.team.threads * kVector;
  const uint mine = sums.team.index * kVector;
  float v[NORM_MAX_CHUNKS * kVector];
  float total = 0;
#pragma unroll
  for (uint c = 0; c < NORM_MAX_CHUNKS; ++c) {
    if (c >= chunks) continue;
    thread float* const part = v + c * kVector;
    const uint at = c * span + mine;
    if ((c + 1) * span <= size) {
#pragma unroll
      for (uint j = 0; j < kVector; ++j) part[j] = float(x[at + j]);
    } else {
#pragma unroll
      for (uint j = 0; j < kVector; ++j) part[j] = at + j < size ? float(x[at + j]) : 0;
    }
    if (kCentred) {
      total += sum4(part);
    } else {
      total += (part[0] * part[0] + part[1] * part[1]) + (part[2] * part[2] + part[3] * part[3]);
    }
  }
  const float count = float(size);
  float rest = 0;
  float squares;
  if (kCentred) {
    const float mean = precise::divide(sums.sum(total), count);
    float2 moments = 0;
#pragma unroll
    for (uint c = 0; c < NORM_MAX_CHUNKS; ++c) {
      if (c >= chunks) continue;
      thread float* const part = v + c * kVector;
      const uint at = c * span + mine;
      if ((c + 1) * span <= size) {
#pragma unroll
        for (uint j = 0; j < kVector; ++j) part[j] -= mean;
      } else {
#pragma unroll
        for (uint j = 0; j < kVector; ++j) part[j] = at + j < size ? part[j] - mean : 0;
      }
      moments.x += sum4(part);
      moments.y += (part[0] * part[0] + part[1] * part[1]) + (part[2] * part[2] + part[3] * part[3]);
    }
    moments = sums.sums(moments);
    rest = precise::divide(moments.x, count);
    squares = moments.y;
  } else {
    squares = sums.sum(total);
  }
  const float2 scale = scale_of(squares, count, rest, eps);
#pragma unroll
  for (uint c = 0; c < NORM_MAX_CHUNKS; ++c) {
    if (c >= chunks) continue;
    thread const float* const part = v + c * kVector;
    const uint at = c * span + mine;
    if ((c + 1) * span <= size) {
#pragma unroll
      for (uint j = 0; j < kVector; ++j) out[at + j] = T(weighted(scaled<T>(part[j] - rest, scale), weight, bias, at + j));
    } else {
#pragma unroll
      for (uint j = 0; j < kVector; ++j) {
        if (at + j < size) out[at + j] = T(weighted(scaled<T>(part[j] - rest, scale), weight, bias, at + j));
      }
    }
  }
}

/// What a pass over a row adds up.
struct Plain {
  float operator()(float value) const { return value; }
};
struct Squares {
  float operator()(float value) const { return value * value; }
};
struct Moments {
  float mean;
  float2 operator()(float value) const {
    value -= mean;
    return float2(value, value * value);
  }
};

/// The sum of term(x) over a team's part of a row. A step is NORM_LOOP_CHUNKS chunks, and partial sums of 64 steps
/// each keep rounding small where the row is long.
template <typename Sum, typename T, typename Term>
Sum over_row(device const T* x, ulong size, Team team, Term term) {
  const uint span = team.threads * kVector;
  const ulong steps = size / (span * NORM_LOOP_CHUNKS);
  const uint mine = team.index * kVector;
  Sum total = 0, part = 0;
  for (ulong step = 0; step < steps; ++step) {
    device const T* at = x + step * (span * NORM_LOOP_CHUNKS) + mine;
#pragma unroll
    for (uint c = 0; c < NORM_LOOP_CHUNKS; ++c, at += span)
      part += (term(float(at[0])) + term(float(at[1]))) + (term(float(at[2])) + term(float(at[3])));
    if (step % 64 == 63) {
      total += part;
      part = 0;
    }
    simdgroup_barrier(mem_flags::mem_none);
  }
#pragma unroll
  for (uint c = 0; c < NORM_LOOP_CHUNKS; ++c) {
    const ulong start = (steps * NORM_LOOP_CHUNKS + c) * span;
    device const T* const at = x + start + mine;
    if (start + span <= size) {
      part += (term(float(at[0])) + term(float(at[1]))) + (term(float(at[2])) + term(float(at[3])));
    } else {
#pragma unroll
      for (uint j = 0; j < kVector; ++j) {
        if (start + mine + j < size) part += term(float(at[j]));
      }
    }
  }
  return total + part;
}

template <typename T, bool kCentred>
[[kernel, max_total_threads_per_threadgroup(NORM_MAX_THREADS)]] void norm_row_loop(
    device const T* x [[buffer(0)]],
    device const uchar* weight [[buffer(1), function_constant(has_weight)]],
    device const uchar* bias [[buffer(2), function_constant(has_bias)]],
    device T* out [[buffer(3)]],
    constant NormParams& params [[buffer(4)]],
    uint3 group [[threadgroup_position_in_grid]],
    uint3 groups [[threadgroups_per_grid]],
    uint thread_index [[thread_index_in_threadgroup]],
    uint3 threads [[threads_per_threadgroup]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float first[kSimd];
  threadgroup float2 second[kSimd];
  const ulong row = group.x + ulong(group.y) * groups.x;
  if (row >= params.rows) return;
  const OfThreadgroup sums{{thread_index, threads.x, lane, simdgroup}, first, second};
  x += row_start(params, row);
  out += row * params.size;
  const float count = float(params.size);
  float mean = 0, rest = 0, squares;
  if (kCentred) {
    mean = precise::divide(sums.sum(over_row<float>(x, params.size, sums.team, Plain())), count);
    const float2 moments = sums.sums(over_row<float2>(x, params.size, sums.team, Moments{mean}));
    rest = precise::divide(moments.x, count);
    squares = moments.y;
  } else {
    squares = sums.sum(over_row<float>(x, params.size, sums.team, Squares()));
  }
  const float2 scale = scale_of(squares, count, rest, params.eps);
  const uint span = threads.x * kVector;
  const uint mine = thread_index * kVector;
  const ulong steps = params.size / (span * NORM_LOOP_CHUNKS);
  for (ulong step = 0; step < steps; ++step) {
    ulong at = step * (span * NORM_LOOP_CHUNKS) + mine;
#pragma unroll
    for (uint c = 0; c < NORM_LOOP_CHUNKS; ++c, at += span) {
#pragma unroll
      for (uint j = 0; j < kVector; ++j)
        out[at + j] = T(weighted(scaled<T>(float(x[at + j]) - mean - rest, scale), weight, bias, at + j));
    }
    simdgroup_barrier(mem_flags::mem_none);
  }
#pragma unroll
  for (uint c = 0; c < NORM_LOOP_CHUNKS; ++c) {
    const ulong start = (steps * NORM_LOOP_CHUNKS + c) * span;
    const ulong at = start + mine;
    if (start + span <= params.size) {
#pragma unroll
      for (uint j = 0; j < kVector; ++j)
        out[at + j] = T(weighted(scaled<T>(float(x[at + j]) - mean - rest, scale), weight, bias, at + j));
    } else {
#pragma unroll
      for (uint j = 0; j < kVector; ++j) {
        if (at + j < params.size)
          out[at + j] = T(weighted(scaled<T>(float(x[at + j]) - mean - rest, scale), weight, bias, at + j));
      }
    }
  }
}

template <typename T, bool kCentred>
[[kernel, max_total_threads_per_threadgroup(NORM_MAX_THREADS)]] void norm_row_simdgroup(
    device const T* x [[buffer(0)]],
    device const uchar* weight [[buffer(1), function_constant(has_weight)]],
    device const uchar* bias [[buffer(2), function_constant(has_bias)]],
    device T* out [[buffer(3)]],
    constant NormParams& params [[buffer(4)]],
    uint3 group [[threadgroup_position_in_grid]],
    uint3 groups [[threadgroups_per_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint simdgroups [[simdgroups_per_threadgroup]]) {
  const ulong row = (group.x + ulong(group.y) * groups.x) * simdgroups + simdgroup;
  if (row >= params.rows) return;
  const OfSimdgroup sums{{lane, kSimd, lane, 0}};
  in_registers<T, kCentred>(x + row_start(params, row), weight, bias, out + row * params.size,
                            uint(params.size), params.eps, sums);
}

template <typename T, bool kCentred>
[[kernel, max_total_threads_per_threadgroup(NORM_MAX_THREADS)]] void norm_row_register(
    device const T* x [[buffer(0)]],
    device const uchar* weight [[buffer(1), function_constant(has_weight)]],
    device const uchar* bias [[buffer(2), function_constant(has_bias)]],
    device T* out [[buffer(3)]],
    constant NormParams& params [[buffer(4)]],
    uint3 group [[threadgroup_position_in_grid]],
    uint3 groups [[threadgroups_per_grid]],
    uint thread_index [[thread_index_in_threadgroup]],
    uint3 threads [[threads_per_threadgroup]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float first[kSimd];
  threadgroup float2 second[kSimd];
  const ulong row = group.x + ulong(group.y) * groups.x;
  if (row >= params.rows) return;
  const OfThreadgroup sums{{thread_index, threads.x, lane, simdgroup}, first, second};
  in_registers<T, kCentred>(x + row_start(params, row), weight, bias, out + row * params.size,
                            uint(params.size), params.eps, sums);
}

#define INSTANTIATE(op, centred, dtype, type)                                                       \
  template [[host_name("norm_" #op "_" #dtype "_row_simdgroup")]] [[kernel]]                        \
  decltype(norm_row_simdgroup<type, centred>) norm_row_simdgroup<type, centred>;                    \
  template [[host_name("norm_" #op "_" #dtype "_row_register")]] [[kernel]]                         \
  decltype(norm_row_register<type, centred>) norm_row_register<type, centred>;                    \
  template [[host_name("norm_" #op "_" #dtype "_row_loop")]] [[kernel]]                             \
  decltype(norm_row_loop<type, centred>) norm_row_loop<type, centred>;

#define INSTANTIATE_ALL(op, centred)            \
  INSTANTIATE(op, centred, float32, float)      \
  INSTANTIATE(op, centred, float16, half)       \
  INSTANTIATE(op, centred, bfloat16, bfloat)

INSTANTIATE_ALL(rms_norm, false)
INSTANTIATE_ALL(layer_norm, true)
