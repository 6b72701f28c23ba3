// isometal: msl/integer.h
// <metal_integer>: functions of integers. Each is an AIR function under its Metal name.
#pragma once

// `args` is (name in Metal, name in AIR).
#define MSL_INTEGER_1(args, T, suffix) MSL_DECLARE(MSL_INTEGER_1_, MSL_LIST args, T, suffix)
#define MSL_INTEGER_1_(name, air, T, suffix) T name(T x) __asm("air." air "." suffix) MSL_PURE;
#define MSL_INTEGER_2(args, T, suffix) MSL_DECLARE(MSL_INTEGER_2_, MSL_LIST args, T, suffix)
#define MSL_INTEGER_2_(name, air, T, suffix) T name(T x, T y) __asm("air." air "." suffix) MSL_PURE;
#define MSL_INTEGER_3(args, T, suffix) MSL_DECLARE(MSL_INTEGER_3_, MSL_LIST args, T, suffix)
#define MSL_INTEGER_3_(name, air, T, suffix) T name(T x, T y, T z) __asm("air." air "." suffix) MSL_PURE;
// The zeros before or after a number's first one; of zero, as many as the type has bits.
#define MSL_INTEGER_ZEROS(args, T, suffix) MSL_DECLARE(MSL_INTEGER_ZEROS_, MSL_LIST args, T, suffix)
#define MSL_INTEGER_ZEROS_(name, air, T, suffix)                                     \
  T __air_##name(T x, bool zero_is_undefined) __asm("air." air "." suffix) MSL_PURE; \
  MSL_FUNC T name(T x) {                                                             \
    return __air_##name(x, false);                                                   \
  }
// A field of `bits` bits that begins at bit `offset`.
#define MSL_INTEGER_BITS(args, T, suffix)                                                 \
  T extract_bits(T x, uint offset, uint bits) __asm("air.extract_bits." suffix) MSL_PURE; \
  T insert_bits(T base, T insert, uint offset, uint bits) __asm("air.insert_bits." suffix) MSL_PURE;
// |x - y| is unsigned.
#define MSL_INTEGER_ABSDIFF(args, T, suffix) \
  make_unsigned_t<T> absdiff(T x, T y) __asm("air.abs_diff." suffix) MSL_PURE;
#define MSL_INTEGER_ABS(args, T, suffix) T abs(T x) __asm("air.abs." suffix) MSL_PURE;

namespace metal {

MSL_INTEGERS(MSL_INTEGER_ABS, ())
MSL_INTEGERS(MSL_INTEGER_ABSDIFF, ())
MSL_INTEGERS(MSL_INTEGER_2, (addsat, "add_sat"))
MSL_INTEGERS(MSL_INTEGER_3, (clamp, "clamp"))
MSL_INTEGERS(MSL_INTEGER_BITS, ())
MSL_INTEGERS(MSL_INTEGER_2, (hadd, "hadd"))
MSL_INTEGERS(MSL_INTEGER_3, (madhi, "mad_hi"))
MSL_INTEGERS(MSL_INTEGER_3, (madsat, "mad_sat"))
MSL_INTEGERS(MSL_INTEGER_2, (max, "max"))
MSL_INTEGERS(MSL_INTEGER_3, (max3, "max3"))
MSL_INTEGERS(MSL_INTEGER_3, (median3, "median3"))
MSL_INTEGERS(MSL_INTEGER_2, (min, "min"))
MSL_INTEGERS(MSL_INTEGER_3, (min3, "min3"))
MSL_INTEGERS(MSL_INTEGER_2, (mulhi, "mul_hi"))
MSL_INTEGERS(MSL_INTEGER_2, (rhadd, "rhadd"))
MSL_INTEGERS(MSL_INTEGER_2, (subsat, "sub_sat"))

MSL_SIGNLESS_INTEGERS(MSL_INTEGER_ZEROS, (clz, "clz"))
MSL_SIGNLESS_INTEGERS(MSL_INTEGER_ZEROS, (ctz, "ctz"))
MSL_SIGNLESS_INTEGERS(MSL_INTEGER_1, (popcount, "popcount"))
MSL_SIGNLESS_INTEGERS(MSL_INTEGER_1, (reverse_bits, "reverse_bits"))
MSL_SIGNLESS_INTEGERS(MSL_INTEGER_2, (rotate, "rotate"))

MSL_SIGNED_WIDTHS(MSL_INTEGER_2, (mul24, "mul24"), int, s, i32)
MSL_SIGNED_WIDTHS(MSL_INTEGER_2, (mul24, "mul24"), uint, u, i32)
MSL_SIGNED_WIDTHS(MSL_INTEGER_3, (mad24, "mad24"), int, s, i32)
MSL_SIGNED_WIDTHS(MSL_INTEGER_3, (mad24, "mad24"), uint, u, i32)

}  // namespace metal

#undef MSL_INTEGER_1
#undef MSL_INTEGER_1_
#undef MSL_INTEGER_2
#undef MSL_INTEGER_2_
#undef MSL_INTEGER_3
#undef MSL_INTEGER_3_
#undef MSL_INTEGER_ABS
#undef MSL_INTEGER_ABSDIFF
#undef MSL_INTEGER_BITS
#undef MSL_INTEGER_ZEROS
#undef MSL_INTEGER_ZEROS_
