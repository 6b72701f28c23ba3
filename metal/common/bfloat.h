// metal/common/bfloat.h: bfloat16 elements, as Metal's own type and, for GPUs and compilers that have none,
// as a class that gives the same bits. Kernels say BFloat16, never `bfloat`.
//
// Metal has the type from 3.1 on, on GPUs of the families Metal3 and Apple6; a virtual Mac's is of neither. A
// compiler does not know the GPU, so the host says ISOMETAL_NO_BFLOAT.
#pragma once

#include <metal_stdlib>

using namespace metal;

#if !defined(__HAVE_BFLOAT__) && !defined(ISOMETAL_NO_BFLOAT)
#define ISOMETAL_NO_BFLOAT
#endif

/// How elements move together: in vectors of `Type`.
template <typename T>
struct Moved {
  using Type = T;
  static T stored(T x) { return x; }
  static T restored(T x) { return x; }
};

/// The elements of matrices whose product is that of matrices of T.
template <typename T>
struct Multiplied {
  using Type = T;
};

#ifndef ISOMETAL_NO_BFLOAT

using BFloat16 = bfloat;

inline ushort bits_of(BFloat16 x) {
  return as_type<ushort>(x);
}
inline BFloat16 bfloat16_of_bits(ushort bits) {
  return as_type<BFloat16>(bits);
}

#else

/// The upper half of a float32. Operations are those of float32, each result rounded to nearest even.
struct BFloat16 {
  ushort bits;

  BFloat16() = default;
  explicit BFloat16(float x) {
    const uint whole = as_type<uint>(x);
    const bool is_nan = (whole & 0x7FFFFFFF) > 0x7F800000;
    bits = ushort((is_nan ? whole | 0x400000 : whole + 0x7FFF + (whole >> 16 & 1)) >> 16);
  }
  explicit operator float() const { return as_type<float>(uint(bits) << 16); }
  explicit operator float() const device { return as_type<float>(uint(bits) << 16); }
};

inline ushort bits_of(BFloat16 x) {
  return x.bits;
}
inline BFloat16 bfloat16_of_bits(ushort bits) {
  BFloat16 result;
  result.bits = bits;
  return result;
}

inline BFloat16 operator+(BFloat16 a, BFloat16 b) {
  return BFloat16(float(a) + float(b));
}
inline BFloat16 operator-(BFloat16 a, BFloat16 b) {
  return BFloat16(float(a) - float(b));
}
inline BFloat16 operator*(BFloat16 a, BFloat16 b) {
  return BFloat16(float(a) * float(b));
}
inline BFloat16 operator-(BFloat16 a) {
  return bfloat16_of_bits(a.bits ^ 0x8000);
}

namespace metal {
template <>
struct numeric_limits<BFloat16> {
  static BFloat16 max() { return bfloat16_of_bits(0x7F7F); }
};
}  // namespace metal

template <>
struct Moved<BFloat16> {
  using Type = ushort;
  static ushort stored(BFloat16 x) { return x.bits; }
  static BFloat16 restored(ushort bits) { return bfloat16_of_bits(bits); }
};

/// Products of two of them are exact in float32.
template <>
struct Multiplied<BFloat16> {
  using Type = float;
};

#endif
