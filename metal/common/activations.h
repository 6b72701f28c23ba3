// metal/common/activations.h: silu and gelu in float32. Each is x times a probability that falls to 0 for
// negative x, so that -inf gives -inf * 0, NaN, as the definitions have it.
#pragma once

#include <metal_stdlib>

#include "common/exp.h"

using namespace metal;

/// max(x, 0) - a y, for a = |x| without its infinity, and with the sign of x. max(x, 0) is a difference, so
/// that -inf becomes NaN.
inline float one_sided(float x, float a, float y) {
  return copysign(fma(-a, y, x - fmin(x, 0.0f)), x);
}

/// x logistic(s), for an s of x's sign: max(x, 0) - |x| logistic(-|s|). Nothing overflows, and for positive x
/// there is one rounding of the result's size, not the three of x / (1 + exp(-s)).
inline float logistic_product(float x, float s) {
  const float e = exp_float32(-fabs(s));
  const float y = precise::divide(e, 1.0f + e);
  return one_sided(x, fmin(fabs(x), FLT_MAX), y);
}

struct Silu {
  float operator()(float x) const { return logistic_product(x, x); }
};

/// x (1 + tanh u) / 2 = x logistic(2u), u = sqrt(2 / pi) (x + 0.044715 x^3). Unlike 1 + tanh, nothing
/// cancels.
struct GeluTanh {
  float operator()(float x) const {
    constexpr float linear = 1.5957691216057308f;  // 2 sqrt(2 / pi)
    constexpr float cubic = linear * 0.044715f;
    return logistic_product(x, x * fma(x * x, cubic, linear));
  }
};

struct GeluFast {
  float operator()(float x) const { return logistic_product(x, 1.702f * x); }
};

/// x Phi(x) = max(x, 0) - |x| Q(|x|), Q the upper tail of the normal distribution. Nothing cancels, so the
/// relative error stays small far into the tail, where 1 + erf(x / sqrt 2) has no digits left.
///
/// Q(a) = exp(-a^2 / 2) t P(t), t = 1 / (1 + 0.3 a): the form of Hastings, "Approximations for Digital
/// Computers" (1955), as in Abramowitz and Stegun 7.1.26 and 26.2.17. Coefficients: our minimax fit of the
/// relative error on 0 <= a <= 14, as in python/isometal/backends/erf.py; exact arithmetic is within 3.5e-9
/// of Q.
struct Gelu {
  float operator()(float x) const {
    const float a = fmin(fabs(x), 15.0f);  // beyond it Q is 0 in float32
    const float t = precise::divide(1.0f, fma(0.3f, a, 1.0f));
    float p = -0.0206128352080028f;
    p = fma(p, t, 0.11237580892059074f);
    p = fma(p, t, -0.22806758276162994f);
    p = fma(p, t, 0.19158178246259677f);
    p = fma(p, t, -0.0792474092267947f);
    p = fma(p, t, 0.09605786463831086f);
    p = fma(p, t, 0.07842556815915533f);
    p = fma(p, t, 0.11022732623624927f);
    p = fma(p, t, 0.11957284095267802f);
    p = fma(p, t, 0.11968663410307737f);
    return one_sided(x, a, p * t * exp_float32(-0.5f * a * a));
  }
};
