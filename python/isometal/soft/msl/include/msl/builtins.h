// isometal: msl/builtins.h
// The functions of Metal's compiler that source uses directly, MLX's bf16_math.h above all: __metal_exp(x,
// mode) and so on.
#pragma once

// Modes of mathematics, the last argument of most __metal_ functions.
#define __METAL_PRECISE_MATH__ 0
#define __METAL_FAST_MATH__ 1
#if MSL_FAST_MATH
#define __METAL_MAYBE_FAST_MATH__ __METAL_FAST_MATH__
#else
#define __METAL_MAYBE_FAST_MATH__ __METAL_PRECISE_MATH__
#endif

#define MSL_BUILTIN_1(name)                                                              \
  MSL_FUNC float __metal_##name(float x, int mode) {                                     \
    return mode == __METAL_FAST_MATH__ ? metal::fast::name(x) : metal::precise::name(x); \
  }
MSL_BUILTIN_1(acos)
MSL_BUILTIN_1(acosh)
MSL_BUILTIN_1(asin)
MSL_BUILTIN_1(asinh)
MSL_BUILTIN_1(atan)
MSL_BUILTIN_1(atanh)
MSL_BUILTIN_1(ceil)
MSL_BUILTIN_1(cos)
MSL_BUILTIN_1(cosh)
MSL_BUILTIN_1(cospi)
MSL_BUILTIN_1(exp)
MSL_BUILTIN_1(exp10)
MSL_BUILTIN_1(exp2)
MSL_BUILTIN_1(fabs)
MSL_BUILTIN_1(floor)
MSL_BUILTIN_1(fract)
MSL_BUILTIN_1(log)
MSL_BUILTIN_1(log10)
MSL_BUILTIN_1(log2)
MSL_BUILTIN_1(rint)
MSL_BUILTIN_1(round)
MSL_BUILTIN_1(rsqrt)
MSL_BUILTIN_1(sin)
MSL_BUILTIN_1(sinh)
MSL_BUILTIN_1(sinpi)
MSL_BUILTIN_1(sqrt)
MSL_BUILTIN_1(tan)
MSL_BUILTIN_1(tanh)
MSL_BUILTIN_1(tanpi)
MSL_BUILTIN_1(trunc)
#undef MSL_BUILTIN_1

#define MSL_BUILTIN_2(name)                                                                    \
  MSL_FUNC float __metal_##name(float x, float y, int mode) {                                  \
    return mode == __METAL_FAST_MATH__ ? metal::fast::name(x, y) : metal::precise::name(x, y); \
  }
MSL_BUILTIN_2(atan2)
MSL_BUILTIN_2(divide)
MSL_BUILTIN_2(fmax)
MSL_BUILTIN_2(fmin)
MSL_BUILTIN_2(fmod)
MSL_BUILTIN_2(pow)
MSL_BUILTIN_2(powr)
#undef MSL_BUILTIN_2

#define MSL_BUILTIN_3(name)                                                                          \
  MSL_FUNC float __metal_##name(float x, float y, float z, int mode) {                               \
    return mode == __METAL_FAST_MATH__ ? metal::fast::name(x, y, z) : metal::precise::name(x, y, z); \
  }
MSL_BUILTIN_3(fmax3)
MSL_BUILTIN_3(fmedian3)
MSL_BUILTIN_3(fmin3)
#undef MSL_BUILTIN_3

// One kind only, or an exponent beside the number.
MSL_FUNC float __metal_fma(float x, float y, float z) {
  return metal::fma(x, y, z);
}
MSL_FUNC float __metal_nextafter(float x, float y) {
  return metal::nextafter(x, y);
}
MSL_FUNC float __metal_frexp(float x, __private int* exponent) {
  return metal::precise::frexp(x, *exponent);
}
MSL_FUNC float __metal_ldexp(float x, int exponent, int mode) {
  return mode == __METAL_FAST_MATH__ ? metal::fast::ldexp(x, exponent) : metal::precise::ldexp(x, exponent);
}

MSL_FUNC ushort __metal_get_simdgroup_size(ushort) {
  return __air_get_simdgroup_size();
}

#define MSL_BUILTIN_LANES_1(name)       \
  template <class T>                    \
  MSL_FUNC T __metal_simd_##name(T x) { \
    return metal::simd_##name(x);       \
  }
MSL_BUILTIN_LANES_1(broadcast_first)
MSL_BUILTIN_LANES_1(max)
MSL_BUILTIN_LANES_1(min)
MSL_BUILTIN_LANES_1(product)
MSL_BUILTIN_LANES_1(sum)
MSL_BUILTIN_LANES_1(xor)
MSL_BUILTIN_LANES_1(prefix_exclusive_product)
MSL_BUILTIN_LANES_1(prefix_exclusive_sum)
MSL_BUILTIN_LANES_1(prefix_inclusive_product)
MSL_BUILTIN_LANES_1(prefix_inclusive_sum)
#undef MSL_BUILTIN_LANES_1
// MLX mentions, though it never calls, an exclusive or of floats: of their bits.
MSL_FUNC float __metal_simd_xor(float x) {
  return as_type<float>(metal::simd_xor(as_type<uint>(x)));
}

#define MSL_BUILTIN_LANES_2(name)                    \
  template <class T>                                 \
  MSL_FUNC T __metal_simd_##name(T x, ushort lane) { \
    return metal::simd_##name(x, lane);              \
  }
MSL_BUILTIN_LANES_2(broadcast)
MSL_BUILTIN_LANES_2(shuffle)
MSL_BUILTIN_LANES_2(shuffle_down)
MSL_BUILTIN_LANES_2(shuffle_rotate_down)
MSL_BUILTIN_LANES_2(shuffle_rotate_up)
MSL_BUILTIN_LANES_2(shuffle_up)
MSL_BUILTIN_LANES_2(shuffle_xor)
#undef MSL_BUILTIN_LANES_2

template <class T>
MSL_FUNC T __metal_simd_shuffle_and_fill_down(T x, T fill, ushort delta, ushort modulo) {
  return metal::simd_shuffle_and_fill_down(x, fill, delta, modulo);
}
template <class T>
MSL_FUNC T __metal_simd_shuffle_and_fill_up(T x, T fill, ushort delta, ushort modulo) {
  return metal::simd_shuffle_and_fill_up(x, fill, delta, modulo);
}
