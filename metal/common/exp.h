// metal/common/exp.h: the exponential function in float32, to 1 ulp. Metal promises 4 for its own, and on the
// software device that one is computed in doubles; this one is of the operations that every device
// vectorises.
#pragma once

#include <metal_stdlib>

using namespace metal;

/// e^x = 2^n `power`, `shifted` being 1.5 * 2^23 + n: n is in its low bits.
template <typename F>
struct SplitExp {
  F shifted;
  F power;
};

/// F is float or a vector of it. x = n ln 2 + r with |r| <= ln(2) / 2, and e^r = 1 + r + r^2 q(r), q our
/// minimax fit of the relative error (3.2e-9).
template <typename F>
SplitExp<F> split_exp(F x) {
  // Adding 1.5 * 2^23 rounds to an integer.
  constexpr float round = 12582912.0f;
  const F shifted = fma(x, F(1.44269504088896341f), F(round));
  const F n = shifted - round;
  // ln 2 in two parts; n times the first is exact.
  const F r = fma(n, F(-1.42860676533018684e-6f), fma(n, F(-0.693145751953125f), x));
  F q = F(0.001381982583552599f);
  q = fma(q, r, F(0.008368686772882938f));
  q = fma(q, r, F(0.041668277233839035f));
  q = fma(q, r, F(0.1666652113199234f));
  q = fma(q, r, F(0.4999999403953552f));
  return {shifted, 1.0f + fma(r * r, q, r)};
}

/// e^x. Infinities and NaN as they should be; a result that is a denormal may be one or 0, as the device has
/// it.
inline float exp_float32(float x) {
  // Beyond these the result is 0 or infinite anyway. Selects, since fmin would lose a NaN.
  x = x > 100.0f ? 100.0f : x;
  x = x < -110.0f ? -110.0f : x;
  const SplitExp<float> parts = split_exp(x);
  const int exponent = as_type<int>(parts.shifted) - as_type<int>(12582912.0f);
  // 2^n in two factors, since it may lie outside of float32's range where the product does not.
  const int half_exponent = exponent >> 1;
  return parts.power * as_type<float>((half_exponent + 127) << 23) *
         as_type<float>((exponent - half_exponent + 127) << 23);
}
