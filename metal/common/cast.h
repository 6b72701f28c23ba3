// metal/common/cast.h: conversions between the seven dtypes, as NumPy and MLX do them on a CPU.
#pragma once

#include <metal_stdlib>

#include "common/bfloat.h"

using namespace metal;

/// Other than 0, of the bits of a floating number, NaN included: as a number a subnormal one may compare as
/// 0, and a compiler may make that comparison of one of its bits.
struct Truth {
  bool operator()(uint bits) const { return (bits << 1) != 0; }
  bool operator()(ushort bits) const { return (bits & 0x7FFF) != 0; }
};

template <typename T>
constexpr constant bool is_real = is_same_v<T, float> || is_same_v<T, half> || is_same_v<T, BFloat16>;

/// Integers wrap; to floating they round to nearest even, by way of float32; floating ones are cut off
/// towards 0.
template <typename To, typename From>
To cast(From x) {
  if constexpr (is_same_v<To, bool>) {
    return x != 0;
  } else if constexpr (is_same_v<To, uint> && is_real<From>) {
    // By way of 64 bits, where negative numbers wrap as in x86's NumPy and MLX.
    return uint(long(float(x)));
  } else if constexpr (is_real<To> || is_real<From>) {
    return To(float(x));
  } else {
    return To(x);
  }
}
