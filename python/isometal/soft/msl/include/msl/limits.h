// isometal: msl/limits.h
// <metal_limits>: numeric_limits of every arithmetic type.
#pragma once

namespace metal {

enum float_round_style {
  round_indeterminate = -1,
  round_toward_zero = 0,
  round_to_nearest = 1,
  round_toward_infinity = 2,
  round_toward_neg_infinity = 3
};
enum float_denorm_style { denorm_indeterminate = -1, denorm_absent = 0, denorm_present = 1 };

#define MSL_LIMIT(T, name, value) static constexpr __constant T name = value;
#define MSL_LIMIT_FUNCTION(T, name, value) \
  MSL_FUNC static constexpr T name() {     \
    return value;                          \
  }

// What all types have, with the values of the integers; those of floating point hide some of them.
template <class T>
struct __msl_integer_limits {
  MSL_LIMIT(bool, is_specialized, true)
  MSL_LIMIT(bool, is_integer, true)
  MSL_LIMIT(bool, is_exact, true)
  MSL_LIMIT(bool, is_bounded, true)
  MSL_LIMIT(bool, is_signed, T(-1) < T(0))
  MSL_LIMIT(bool, is_modulo, !is_signed)
  MSL_LIMIT(bool, is_iec559, false)
  MSL_LIMIT(bool, has_infinity, false)
  MSL_LIMIT(bool, has_quiet_NaN, false)
  MSL_LIMIT(bool, has_signaling_NaN, false)
  MSL_LIMIT(bool, has_denorm_loss, false)
  MSL_LIMIT(float_denorm_style, has_denorm, denorm_absent)
  MSL_LIMIT(bool, traps, false)
  MSL_LIMIT(bool, tinyness_before, false)
  MSL_LIMIT(float_round_style, round_style, round_toward_zero)
  MSL_LIMIT(int, radix, 2)
  MSL_LIMIT(int, digits, int(sizeof(T) * 8) - (is_signed ? 1 : 0))
  MSL_LIMIT(int, digits10, digits * 301 / 1000)
  MSL_LIMIT(int, max_digits10, 0)
  MSL_LIMIT(int, min_exponent, 0)
  MSL_LIMIT(int, min_exponent10, 0)
  MSL_LIMIT(int, max_exponent, 0)
  MSL_LIMIT(int, max_exponent10, 0)
  MSL_LIMIT_FUNCTION(T, max, is_signed ? T((ulong(1) << (sizeof(T) * 8 - 1)) - 1) : T(~T(0)))
  MSL_LIMIT_FUNCTION(T, min, is_signed ? T(~max()) : T(0))
  MSL_LIMIT_FUNCTION(T, lowest, min())
  MSL_LIMIT_FUNCTION(T, epsilon, T(0))
  MSL_LIMIT_FUNCTION(T, round_error, T(0))
  MSL_LIMIT_FUNCTION(T, infinity, T(0))
  MSL_LIMIT_FUNCTION(T, quiet_NaN, T(0))
  MSL_LIMIT_FUNCTION(T, signaling_NaN, T(0))
  MSL_LIMIT_FUNCTION(T, denorm_min, T(0))
};

// Types that are not arithmetic: nothing is known of them.
template <class T>
struct numeric_limits {
  MSL_LIMIT(bool, is_specialized, false)
};
template <class T>
struct numeric_limits<const T> : numeric_limits<T> {};

#define MSL_INTEGER_LIMITS(T) \
  template <>                 \
  struct numeric_limits<T> : __msl_integer_limits<T> {};
MSL_INTEGER_LIMITS(char)
MSL_INTEGER_LIMITS(uchar)
MSL_INTEGER_LIMITS(short)
MSL_INTEGER_LIMITS(ushort)
MSL_INTEGER_LIMITS(int)
MSL_INTEGER_LIMITS(uint)
MSL_INTEGER_LIMITS(long)
MSL_INTEGER_LIMITS(ulong)
#undef MSL_INTEGER_LIMITS

template <>
struct numeric_limits<bool> : __msl_integer_limits<bool> {
  MSL_LIMIT(bool, is_modulo, false)
  MSL_LIMIT(int, digits, 1)
  MSL_LIMIT(int, digits10, 0)
  MSL_LIMIT_FUNCTION(bool, max, true)
  MSL_LIMIT_FUNCTION(bool, min, false)
  MSL_LIMIT_FUNCTION(bool, lowest, false)
};

// The patterns of bits are exact, and no literal of half or bfloat is needed.
#define MSL_FLOATING_LIMITS(T, Bits, significant, decimal, round_trip, min_exp, min_exp10, max_exp, \
                            max_exp10, BITS_MAX, BITS_MIN, BITS_EPSILON, BITS_HALF, BITS_INFINITY,  \
                            BITS_QUIET, BITS_SIGNALING)                                             \
  template <>                                                                                       \
  struct numeric_limits<T> : __msl_integer_limits<T> {                                              \
    MSL_LIMIT(bool, is_integer, false)                                                              \
    MSL_LIMIT(bool, is_exact, false)                                                                \
    MSL_LIMIT(bool, is_signed, true)                                                                \
    MSL_LIMIT(bool, is_modulo, false)                                                               \
    MSL_LIMIT(bool, is_iec559, true)                                                                \
    MSL_LIMIT(bool, has_infinity, true)                                                             \
    MSL_LIMIT(bool, has_quiet_NaN, true)                                                            \
    MSL_LIMIT(bool, has_signaling_NaN, true)                                                        \
    MSL_LIMIT(float_round_style, round_style, round_to_nearest)                                     \
    MSL_LIMIT(int, digits, significant)                                                             \
    MSL_LIMIT(int, digits10, decimal)                                                               \
    MSL_LIMIT(int, max_digits10, round_trip)                                                        \
    MSL_LIMIT(int, min_exponent, min_exp)                                                           \
    MSL_LIMIT(int, min_exponent10, min_exp10)                                                       \
    MSL_LIMIT(int, max_exponent, max_exp)                                                           \
    MSL_LIMIT(int, max_exponent10, max_exp10)                                                       \
    MSL_LIMIT_FUNCTION(T, max, as_type<T>(Bits(BITS_MAX)))                                          \
    MSL_LIMIT_FUNCTION(T, min, as_type<T>(Bits(BITS_MIN)))                                          \
    MSL_LIMIT_FUNCTION(T, lowest, -max())                                                           \
    MSL_LIMIT_FUNCTION(T, epsilon, as_type<T>(Bits(BITS_EPSILON)))                                  \
    MSL_LIMIT_FUNCTION(T, round_error, as_type<T>(Bits(BITS_HALF)))                                 \
    MSL_LIMIT_FUNCTION(T, infinity, as_type<T>(Bits(BITS_INFINITY)))                                \
    MSL_LIMIT_FUNCTION(T, quiet_NaN, as_type<T>(Bits(BITS_QUIET)))                                  \
    MSL_LIMIT_FUNCTION(T, signaling_NaN, as_type<T>(Bits(BITS_SIGNALING)))                          \
    MSL_LIMIT_FUNCTION(T, denorm_min, as_type<T>(Bits(1)))                                          \
  };
MSL_FLOATING_LIMITS(float, uint, 24, 6, 9, -125, -37, 128, 38, 0x7f7fffff, 0x00800000, 0x34000000, 0x3f000000,
                    0x7f800000, 0x7fc00000, 0x7fa00000)
MSL_FLOATING_LIMITS(half, ushort, 11, 3, 5, -13, -4, 16, 4, 0x7bff, 0x0400, 0x1400, 0x3800, 0x7c00, 0x7e00,
                    0x7d00)
MSL_FLOATING_LIMITS(bfloat, ushort, 8, 2, 4, -125, -37, 128, 38, 0x7f7f, 0x0080, 0x3c00, 0x3f00, 0x7f80,
                    0x7fc0, 0x7fa0)

#undef MSL_FLOATING_LIMITS
#undef MSL_LIMIT
#undef MSL_LIMIT_FUNCTION

}  // namespace metal
