// metal/common/online_softmax.h: sums of exponentials relative to a maximum that is not known yet. F is
// float, or float4 for four sums side by side.
#pragma once

#include <metal_stdlib>

#include "common/exp.h"

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
template <typename F>
F exp_nonpositive(F x) {
  const SplitExp<F> parts = split_exp(x);
  // NaN is not below anything.
  return select(parts.power * power_of_two(parts.shifted), F(0), x < -87.3365f);
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
