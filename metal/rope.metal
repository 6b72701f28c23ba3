// metal/rope.metal: rotary position embedding. Pair i of a row at position p is turned by p * scale *
// base^(-2 i / dims), or p * scale / freqs[i].
//
// rope_<dtype>   A thread turns `vector` neighbouring pairs at one position, for several heads, which share
//                sine and cosine. grid (columns of pairs, positions, groups of heads * other axes). Columns
//                behind those of the pairs copy what is not turned.
//
// Angles are exact to 2^-64 turns for each position, in fixed point: a position is a whole number, so that
// its product with turns per position may wrap around, which is the reduction to one turn. Of the product,
// what is left beyond a multiple of a quarter turn goes into sine and cosine as a sum of two floats.
#include <metal_stdlib>

#include "common/bfloat.h"
#include "params/rope.h"

using namespace metal;

constant bool traditional [[function_constant(ROPE_TRADITIONAL)]];
constant bool has_freqs [[function_constant(ROPE_FREQS)]];
constant bool has_offsets [[function_constant(ROPE_OFFSETS)]];
constant bool has_rest [[function_constant(ROPE_REST)]];
constant bool strided [[function_constant(ROPE_STRIDED)]];
constant uint vector [[function_constant(ROPE_VECTOR)]];

/// A number modulo 1 in units of 2^-64, exact but for what is smaller than that.
ulong fixed_point(float value) {
  const uint bits = as_type<uint>(value);
  const uint mantissa = (bits & 0x7FFFFF) | 0x800000;
  const int shift = int(bits >> 23 & 0xFF) - (127 + 23) + 64;
  const ulong magnitude = shift >= 64  ? 0
                          : shift >= 0 ? ulong(mantissa) << shift
                                       : mantissa >> min(-shift, 31);
  return value < 0 ? -magnitude : magnitude;
}

/// Turns per position of a wavelength, by long division: each remainder of a correctly rounded quotient is a
/// float. An infinite wavelength does not turn. `valid` is 0, or NaN where there is no angle.
ulong turns_of(float wavelength, constant float* numerator, thread float& valid) {
  const float q0 = precise::divide(numerator[0], wavelength);
  const float e0 = fma(-q0, wavelength, numerator[0]);
  const float sum = e0 + numerator[1];
  const float part = sum - e0;
  const float error = (e0 - (sum - part)) + (numerator[1] - part);
  const float q1 = precise::divide(sum, wavelength);
  const float e1 = fma(-q1, wavelength, sum) + (error + numerator[2]);
  const float q2 = precise::divide(e1, wavelength);
  valid = isfinite(q0) ? 0 : NAN;
  return isinf(wavelength) ? 0 : fixed_point(q0) + fixed_point(q1) + fixed_point(q2);
}

/// Cosine and sine of a number of turns in units of 2^-64.
float2 turned(ulong turns) {
  const uint quarter = uint((turns + (1ul << 61)) >> 62);
  const long rest = long(turns - (ulong(quarter) << 62));  // an eighth of a turn at most
  // Exact as a sum: 24 bits, and the 32 behind them.
  const float high = float(int(rest >> 32) & ~63) * 0x1p-32f;
  const float low = float(uint(rest >> 6)) * 0x1p-58f;
  // Radians a + b. 2 pi in two floats.
  const float pi0 = 6.28318548f, pi1 = -1.74845553e-7f;
  const float product = high * pi0;
  const float error = fma(high, pi0, -product) + fma(high, pi1, low * pi0);
  const float a = product + error;
  const float b = error - (a - product);
  // Minimax polynomials for |a| <= pi / 4: sine to 2^-32.6, cosine to 2^-33.1.
  const float z = a * a;
  const float z_error = fma(a, a, -z);
  const float s = fma(fma(fma(2.8375423e-6f, z, -1.9853513e-4f), z, 8.33338e-3f), z, -0.16666667f);
  const float sine = a + fma(a * z, s, fma(-0.5f * z, b, b));
  const float c = fma(fma(2.4430663e-5f, z, -1.3887301e-3f), z, 4.1666646e-2f);
  const float half_z = 0.5f * z;
  const float one = 1 - half_z;
  const float cosine = one + (((1 - one) - half_z) + fma(z * z, c, fma(-0.5f, z_error, -a * b)));
  const float2 swapped = quarter & 1 ? float2(sine, cosine) : float2(cosine, sine);
  return float2((quarter + 1) & 2 ? -swapped.x : swapped.x, quarter & 2 ? -swapped.y : swapped.y);
}

template <typename T>
[[kernel]] void rope(device const T* x [[buffer(0)]],
                     device const float* freqs [[buffer(1), function_constant(has_freqs)]],
                     device const int* offsets [[buffer(2), function_constant(has_offsets)]],
                     device T* out [[buffer(3)]], constant RopeParams& params [[buffer(4)]],
                     uint3 index [[thread_position_in_grid]]) {
  const uint group = index.z % params.head_groups;
  const uint other = index.z / params.head_groups;
  const uint first = group * params.heads_per_thread;
  const uint count = min(params.heads_per_thread, params.heads - first);
  x += first * params.head_stride + index.y * params.position_stride;
  uint rest = other;
  for (uint axis = 0; axis < params.axes; ++axis) {
    x += (rest % params.shape[axis]) * params.strides[axis];
    rest /= params.shape[axis];
  }
  const long step = strided ? params.feature_stride : 1;
  const ulong out_step = ulong(params.positions) * params.features;
  out += (ulong(other) * params.heads + first) * out_step + ulong(index.y) * params.features;

  if (has_rest && index.x >= params.columns) {
    const uint begin = 2 * params.half_dims + (index.x - params.columns) * 2 * vector;
    const uint end = min(begin + 2 * vector, params.features);
    for (uint head = 0; head < count; ++head, x += params.head_stride, out += out_step) {
      for (uint i = begin; i < end; ++i) out[i] = x[i * step];
    }
    return;
  }

  const long position =
      long(index.y) + (has_offsets ? long(offsets[other / params.axes_per_batch]) : params.offset);
  const uint pair = index.x * vector;
  float2 turn[ROPE_MAX_VECTOR];
#pragma unroll
  for (uint i = 0; i < ROPE_MAX_VECTOR; ++i) {
    if (i >= vector) continue;
    if (has_freqs) {
      float valid;
      const ulong turns = turns_of(freqs[params.first_pair + pair + i], params.turns_of_wavelength, valid);
      turn[i] = turned(ulong(position) * turns) + valid;
    } else {
      turn[i] = turned(ulong(position) * params.turns[pair + i]);
    }
  }
  const uint at = params.first_pair + pair;
  const uint a = traditional ? 2 * at : at;
  const uint b = traditional ? a + 1 : a + params.half_dims;
  const uint next = traditional ? 2 : 1;
  for (uint head = 0; head < count; ++head, x += params.head_stride, out += out_step) {
#pragma unroll
    for (uint i = 0; i < ROPE_MAX_VECTOR; ++i) {
      if (i >= vector) continue;
      const float x1 = float(x[(a + i * next) * step]);
      const float x2 = float(x[(b + i * next) * step]);
      out[a + i * next] = T(fma(x1, turn[i].x, -(x2 * turn[i].y)));
      out[b + i * next] = T(fma(x1, turn[i].y, x2 * turn[i].x));
    }
  }
}

#define INSTANTIATE(dtype, type) \
  template [[host_name("rope_" #dtype)]] [[kernel]] decltype(rope<type>) rope<type>;

INSTANTIATE(float32, float)
INSTANTIATE(float16, half)
INSTANTIATE(bfloat16, BFloat16)
