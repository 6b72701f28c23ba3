// metal/common/packed.h: two and four neighbours in memory as one load or store, at any element's address.
#pragma once

#include <metal_stdlib>

#include "common/bfloat.h"

using namespace metal;

template <typename T>
struct PackedOf;
template <>
struct PackedOf<float> {
  using two = packed_float2;
  using four = packed_float4;
};
template <>
struct PackedOf<half> {
  using two = packed_half2;
  using four = packed_half4;
};
template <>
struct PackedOf<Moved<BFloat16>::Type> {
#ifndef ISOMETAL_NO_BFLOAT
  using two = packed_bfloat2;
  using four = packed_bfloat4;
#else
  using two = packed_ushort2;
  using four = packed_ushort4;
#endif
};

template <typename T>
using packed2 = typename PackedOf<typename Moved<T>::Type>::two;
template <typename T>
using packed4 = typename PackedOf<typename Moved<T>::Type>::four;

/// Neighbours as numbers of type F.
template <typename F, typename T>
inline vec<F, 2> load2(device const T* from) {
  return vec<F, 2>(vec<T, 2>(*(device const packed2<T>*)from));
}
template <typename F, typename T>
inline vec<F, 4> load4(device const T* from) {
  return vec<F, 4>(vec<T, 4>(*(device const packed4<T>*)from));
}
template <typename T>
inline void store2(device T* to, float2 x) {
  *(device packed2<T>*)to = vec<T, 2>(x);
}

#ifdef ISOMETAL_NO_BFLOAT
template <typename F>
inline float2 load2(device const BFloat16* from) {
  return as_type<float2>(uint2(ushort2(*(device const packed_ushort2*)from)) << 16);
}
template <typename F>
inline float4 load4(device const BFloat16* from) {
  return as_type<float4>(uint4(ushort4(*(device const packed_ushort4*)from)) << 16);
}
inline void store2(device BFloat16* to, float2 x) {
  *(device packed_ushort2*)to = ushort2(BFloat16(x.x).bits, BFloat16(x.y).bits);
}
#endif
