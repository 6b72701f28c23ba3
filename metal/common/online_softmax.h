// metal/common/online_softmax.h: sums of exponentials relative to a maximum that is not known yet. F is
// float, or float4 for four sums side by side.
#pragma once

#include <metal_stdlib>

using namespace metal;

/// 2^n for the n in the low bits of 1.5 * 2^23 + n; the other bits are shifted out.
inline float power_of_two(float shifted) {
  return as_type<float>((as_type<uint>(shifted) << 23) + (127u << 23));
}
inline float4 power_of_two(float4 shifted) {
  return as_type<float4>((as_type<uint4>(shifted) << 23) + (127u << 23));
}

/// e^x of numbers that are not positive, to 1 ulp; results below 2^-126 are 0. Of fused products and selects
/// alone, which every device vectorises.
///
/// x = n ln 2 + r with |r| <= ln(2) / 2, and e^r = 1 + r + r^2 q(r), q the minimax fit of the relative error
/// (3.2e-9).
template <typename F>
F exp_nonpositive(F x) {
  // Adding 1.5 * 2^23 rounds to an integer, which is then in the sum's low bits.
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
  const F p = 1.0f + fma(r * r, q, r);
  // NaN is not below anything.
  return select(p * power_of_two(shifted), F(0), x < -87.3365f);
}

/// Plain comparisons: NaN in b is ignored.
template <typename F>
F greater(F a, F b) {
  return select(a, b, b > a);
}

/// What is subtracted from elements of which `most` is the greatest so far: elements of -inf have an
/// exponential of 0.
template <typename F>
F shift(F most) {
  return select(most, F(0), most == -INFINITY);
}

/// The greatest element and the sum of exponentials relative to it.
template <typename F>
struct Online {
  F most;
  F sum;

  static Online none() { return {F(-INFINITY), F(0)}; }
  /// Relative to another maximum, at least this one's.
  F sum_at(F maximum) const { return sum * exp_nonpositive(most - shift(maximum)); }
};

template <typename F>
Online<F> joined(Online<F> a, Online<F> b) {
  const F most = greater(a.most, b.most);
  return {most, a.sum_at(most) + b.sum_at(most)};
}
