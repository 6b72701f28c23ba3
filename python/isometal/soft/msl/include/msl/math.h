// isometal: msl/math.h
// <metal_math> and <metal_common>: functions of floating-point values. Each is an AIR function under its
// Metal name.
//
// A plain call means `fast_` for float when the source is compiled with fast math; precise:: and fast:: say
// which, and know float only. half has one kind. bfloat converts to float, as in Metal.
#pragma once

#if MSL_FAST_MATH
#define MSL_MAYBE_FAST "fast_"
#else
#define MSL_MAYBE_FAST ""
#endif

// Declarations of functions of one, two and three values. `args` is (name in Metal, name in AIR).
#define MSL_MATH_1(args, T, suffix) MSL_DECLARE(MSL_MATH_1_, MSL_LIST args, T, suffix)
#define MSL_MATH_1_(name, air, T, suffix) T name(T x) __asm("air." air "." suffix) MSL_PURE;
#define MSL_MATH_2(args, T, suffix) MSL_DECLARE(MSL_MATH_2_, MSL_LIST args, T, suffix)
#define MSL_MATH_2_(name, air, T, suffix) T name(T x, T y) __asm("air." air "." suffix) MSL_PURE;
#define MSL_MATH_3(args, T, suffix) MSL_DECLARE(MSL_MATH_3_, MSL_LIST args, T, suffix)
#define MSL_MATH_3_(name, air, T, suffix) T name(T x, T y, T z) __asm("air." air "." suffix) MSL_PURE;

// A function in its three namespaces.
#define MSL_MATH(ARITY, name, air)             \
  MSL_FLOAT(ARITY, (name, MSL_MAYBE_FAST air)) \
  MSL_HALF(ARITY, (name, air))                 \
  namespace precise {                          \
  MSL_FLOAT(ARITY, (name, air))                \
  }                                            \
  namespace fast {                             \
  MSL_FLOAT(ARITY, (name, "fast_" air))        \
  }

namespace metal {

#define MSL_UNARY(name) MSL_MATH(MSL_MATH_1, name, #name)
MSL_UNARY(acos)
MSL_UNARY(acosh)
MSL_UNARY(asin)
MSL_UNARY(asinh)
MSL_UNARY(atan)
MSL_UNARY(atanh)
MSL_UNARY(ceil)
MSL_UNARY(cos)
MSL_UNARY(cosh)
MSL_UNARY(cospi)
MSL_UNARY(exp)
MSL_UNARY(exp10)
MSL_UNARY(exp2)
MSL_UNARY(fabs)
MSL_UNARY(floor)
MSL_UNARY(fract)
MSL_UNARY(log)
MSL_UNARY(log10)
MSL_UNARY(log2)
MSL_UNARY(rint)
MSL_UNARY(round)
MSL_UNARY(rsqrt)
MSL_UNARY(saturate)
MSL_UNARY(sign)
MSL_UNARY(sin)
MSL_UNARY(sinh)
MSL_UNARY(sinpi)
MSL_UNARY(sqrt)
MSL_UNARY(tan)
MSL_UNARY(tanh)
MSL_UNARY(tanpi)
MSL_UNARY(trunc)
#undef MSL_UNARY
MSL_MATH(MSL_MATH_1, abs, "fabs")

#define MSL_BINARY(name) MSL_MATH(MSL_MATH_2, name, #name)
MSL_BINARY(atan2)
MSL_BINARY(divide)
MSL_BINARY(fdim)
MSL_BINARY(fmax)
MSL_BINARY(fmin)
MSL_BINARY(fmod)
MSL_BINARY(pow)
MSL_BINARY(powr)
MSL_BINARY(step)
#undef MSL_BINARY
MSL_MATH(MSL_MATH_2, max, "fmax")
MSL_MATH(MSL_MATH_2, min, "fmin")

#define MSL_TERNARY(name) MSL_MATH(MSL_MATH_3, name, #name)
MSL_TERNARY(clamp)
MSL_TERNARY(fmax3)
MSL_TERNARY(fmedian3)
MSL_TERNARY(fmin3)
MSL_TERNARY(mix)
MSL_TERNARY(smoothstep)
#undef MSL_TERNARY
MSL_MATH(MSL_MATH_3, max3, "fmax3")
MSL_MATH(MSL_MATH_3, median3, "fmedian3")
MSL_MATH(MSL_MATH_3, min3, "fmin3")

// These have one kind only.
MSL_FLOATS(MSL_MATH_2, (copysign, "copysign"))
MSL_FLOATS(MSL_MATH_2, (nextafter, "nextafter"))
MSL_FLOATS(MSL_MATH_3, (fma, "fma"))

// Functions with an exponent: as many ints as the vector has elements.
#define MSL_EXPONENTS(prefix, T, I, suffix)                                                  \
  T ldexp(T x, I k) __asm("air." prefix "ldexp." suffix) MSL_PURE;                           \
  I ilogb(T x) __asm("air." prefix "ilogb." suffix) MSL_PURE;                                \
  T __air_frexp(T x, __private I* exponent) __asm("air." prefix "frexp." suffix) MSL_WRITES; \
  T __air_modf(T x, __private T* integral) __asm("air." prefix "modf." suffix) MSL_WRITES;   \
  T __air_sincos(T x, __private T* cosine) __asm("air." prefix "sincos." suffix) MSL_WRITES; \
  MSL_FUNC T frexp(T x, __private I& exponent) {                                             \
    return __air_frexp(x, &exponent);                                                        \
  }                                                                                          \
  MSL_FUNC T modf(T x, __private T& integral) {                                              \
    return __air_modf(x, &integral);                                                         \
  }                                                                                          \
  MSL_FUNC T sincos(T x, __private T& cosine) {                                              \
    return __air_sincos(x, &cosine);                                                         \
  }
#define MSL_FLOAT_EXPONENTS(prefix)            \
  MSL_EXPONENTS(prefix, float, int, "f32")     \
  MSL_EXPONENTS(prefix, float2, int2, "v2f32") \
  MSL_EXPONENTS(prefix, float3, int3, "v3f32") \
  MSL_EXPONENTS(prefix, float4, int4, "v4f32")
MSL_FLOAT_EXPONENTS(MSL_MAYBE_FAST)
MSL_EXPONENTS("", half, int, "f16")
MSL_EXPONENTS("", half2, int2, "v2f16")
MSL_EXPONENTS("", half3, int3, "v3f16")
MSL_EXPONENTS("", half4, int4, "v4f16")
namespace precise {
MSL_FLOAT_EXPONENTS("")
}
namespace fast {
MSL_FLOAT_EXPONENTS("fast_")
}
#undef MSL_EXPONENTS
#undef MSL_FLOAT_EXPONENTS

// The functions that integers have too would be ambiguous for bfloat: it goes the way to float here.
#define MSL_BFLOAT                                              \
  template <class T, class = enable_if_t<is_same_v<T, bfloat>>> \
  MSL_FUNC float
MSL_BFLOAT abs(T x) {
  return abs(float(x));
}
MSL_BFLOAT max(T x, T y) {
  return max(float(x), float(y));
}
MSL_BFLOAT min(T x, T y) {
  return min(float(x), float(y));
}
MSL_BFLOAT max3(T x, T y, T z) {
  return max3(float(x), float(y), float(z));
}
MSL_BFLOAT min3(T x, T y, T z) {
  return min3(float(x), float(y), float(z));
}
MSL_BFLOAT median3(T x, T y, T z) {
  return median3(float(x), float(y), float(z));
}
MSL_BFLOAT clamp(T x, T low, T high) {
  return clamp(float(x), float(low), float(high));
}
#undef MSL_BFLOAT

}  // namespace metal

#undef MSL_MATH
#undef MSL_MATH_1
#undef MSL_MATH_1_
#undef MSL_MATH_2
#undef MSL_MATH_2_
#undef MSL_MATH_3
#undef MSL_MATH_3_
