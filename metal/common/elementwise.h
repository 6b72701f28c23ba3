// metal/common/elementwise.h: operators of elementwise kernels, and how many elements a thread takes.
#pragma once

#include <metal_stdlib>

using namespace metal;

/// Elements per thread in flat kernels: 16 bytes, what one load of an Apple GPU moves at most.
template <typename T>
constexpr constant uint elements_per_thread = 16 / sizeof(T);

struct Add {
  template <typename T>
  T operator()(T a, T b) const {
    return a + b;
  }
  bool operator()(bool a, bool b) const { return a || b; }
};

struct Subtract {
  template <typename T>
  T operator()(T a, T b) const {
    return a - b;
  }
  // As MLX: modulo 2.
  bool operator()(bool a, bool b) const { return a != b; }
};

struct Multiply {
  template <typename T>
  T operator()(T a, T b) const {
    return a * b;
  }
  bool operator()(bool a, bool b) const { return a && b; }
};

struct Divide {
  float operator()(float a, float b) const { return precise::divide(a, b); }
  half operator()(half a, half b) const { return half(precise::divide(float(a), float(b))); }
  bfloat operator()(bfloat a, bfloat b) const { return bfloat(precise::divide(float(a), float(b))); }
};
