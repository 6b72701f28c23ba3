// metal/common/packed.h: two and four neighbours in memory as one load or store, at any element's address.
#pragma once

#include <metal_stdlib>

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
struct PackedOf<bfloat> {
  using two = packed_bfloat2;
  using four = packed_bfloat4;
};

template <typename T>
using packed2 = typename PackedOf<T>::two;
template <typename T>
using packed4 = typename PackedOf<T>::four;
