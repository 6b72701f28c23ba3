// metal/norm/chunks.h: chunks of 4 elements between memory and registers. `whole` is said of a span that lies
// within the row; it is the same for all threads of a team.
#pragma once

#include <metal_stdlib>

#include "common/bfloat.h"
#include "params/norm.h"

using namespace metal;

constant uint weight_type [[function_constant(NORM_WEIGHT)]];
constant uint bias_type [[function_constant(NORM_BIAS)]];
constant bool strided [[function_constant(NORM_STRIDED)]];
constant bool has_weight = weight_type != NORM_NONE;
constant bool has_bias = bias_type != NORM_NONE;

constant constexpr uint kVector = NORM_VECTOR;

/// Where a row of x begins.
long row_start(constant NormParams& params, ulong row) {
  if (!strided) return long(row * params.size);
  // Rows that are walked by strides are fewer than 2^32.
  uint index = uint(row);
  long at = 0;
  for (uint axis = 0; axis < params.axes; ++axis) {
    at += long(index % params.shape[axis]) * params.strides[axis];
    index /= params.shape[axis];
  }
  return at;
}

/// Element `index` of a weight or bias of any floating dtype. The branches are gone once constants are known.
float element(device const uchar* data, uint type, ulong index) {
  if (type == NORM_FLOAT32) return reinterpret_cast<device const float*>(data)[index];
  if (type == NORM_FLOAT16) return float(reinterpret_cast<device const half*>(data)[index]);
  return float(reinterpret_cast<device const BFloat16*>(data)[index]);
}

/// A chunk, with 0 for what is beyond the end.
template <typename T>
void load(device const T* x, ulong at, ulong size, bool whole, thread float* v) {
  if (whole) {
#pragma unroll
    for (uint j = 0; j < kVector; ++j) v[j] = float(x[at + j]);
  } else {
#pragma unroll
    for (uint j = 0; j < kVector; ++j) v[j] = at + j < size ? float(x[at + j]) : 0;
  }
}

/// Takes the mean from what lies within the row.
void subtract(thread float* v, float mean, ulong at, ulong size, bool whole) {
  if (whole) {
#pragma unroll
    for (uint j = 0; j < kVector; ++j) v[j] -= mean;
  } else {
#pragma unroll
    for (uint j = 0; j < kVector; ++j) v[j] = at + j < size ? v[j] - mean : 0;
  }
}

float sum(thread const float* v) {
  return (v[0] + v[1]) + (v[2] + v[3]);
}

float sum_of_squares(thread const float* v) {
  return (v[0] * v[0] + v[1] * v[1]) + (v[2] * v[2] + v[3] * v[3]);
}

/// 1 / sqrt(squares / count - rest^2 + eps) as a sum of two floats, neither of them negative: a factor that
/// is exact to all of float32's bits leaves one rounding less in each result. rest is the mean of what was
/// squared.
float2 scale_of(float squares, float count, float rest, float eps) {
  const float mean = precise::divide(squares, count);
  float variance = fma(-rest, rest, mean);
  variance = variance < 0 ? 0 : variance;  // NaN stays
  const float total = variance + eps;
  const float kept = total - variance;
  const float lost =
      (variance - (total - kept)) + (eps - kept) + precise::divide(fma(-mean, count, squares), count);
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

/// The scale's low part counts in float32 alone.
template <typename T>
T result(float value, float2 scale, device const uchar* weight, device const uchar* bias, ulong at) {
  value = sizeof(T) == 4 ? fma(value, scale.x, value * scale.y) : value * scale.x;
  if (has_weight) value *= element(weight, weight_type, at);
  if (has_bias) value += element(bias, bias_type, at);
  return T(value);
}

template <typename T>
void store(device T* out, ulong at, ulong size, bool whole, thread const float* v, float rest, float2 scale,
           device const uchar* weight, device const uchar* bias) {
  if (whole) {
#pragma unroll
    for (uint j = 0; j < kVector; ++j) out[at + j] = result<T>(v[j] - rest, scale, weight, bias, at + j);
  } else {
#pragma unroll
    for (uint j = 0; j < kVector; ++j) {
      if (at + j < size) out[at + j] = result<T>(v[j] - rest, scale, weight, bias, at + j);
    }
  }
}
