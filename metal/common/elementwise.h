// metal/common/elementwise.h: operators of elementwise kernels, and how many elements a thread takes.
#pragma once

#include <metal_stdlib>

#include "common/bfloat.h"
#include "params/elementwise.h"

using namespace metal;

/// Before a loop over a thread's elements.
#define UNROLL _Pragma("clang loop unroll(full)")

constant bool one_element [[function_constant(ELEMENTWISE_ONE)]];

/// Elements of a thread that has several: 16 bytes of the widest type, what one load of an Apple GPU moves at
/// most.
template <typename T, typename U = T>
constexpr constant uint elements_per_thread = 16 / (sizeof(T) > sizeof(U) ? sizeof(T) : sizeof(U));

// Signed integers by way of unsigned ones, which wrap.

struct Add {
  template <typename T>
  T operator()(T a, T b) const {
    return a + b;
  }
  int operator()(int a, int b) const { return int(uint(a) + uint(b)); }
  long operator()(long a, long b) const { return long(ulong(a) + ulong(b)); }
  bool operator()(bool a, bool b) const { return a || b; }
};

struct Subtract {
  template <typename T>
  T operator()(T a, T b) const {
    return a - b;
  }
  int operator()(int a, int b) const { return int(uint(a) - uint(b)); }
  long operator()(long a, long b) const { return long(ulong(a) - ulong(b)); }
  // As MLX: modulo 2.
  bool operator()(bool a, bool b) const { return a != b; }
};

struct Multiply {
  template <typename T>
  T operator()(T a, T b) const {
    return a * b;
  }
  int operator()(int a, int b) const { return int(uint(a) * uint(b)); }
  long operator()(long a, long b) const { return long(ulong(a) * ulong(b)); }
  bool operator()(bool a, bool b) const { return a && b; }
};

struct Divide {
  float operator()(float a, float b) const { return precise::divide(a, b); }
  half operator()(half a, half b) const { return half(precise::divide(float(a), float(b))); }
  BFloat16 operator()(BFloat16 a, BFloat16 b) const { return BFloat16(precise::divide(float(a), float(b))); }
};
