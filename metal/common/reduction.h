// metal/common/reduction.h: sums and maxima over the lanes of a simdgroup and the threads of a threadgroup.
// Every order of additions is fixed, so that results repeat bit for bit.
//
// Threadgroups are whole simdgroups (of 32), and all their threads call these functions together.
#pragma once

#include <metal_stdlib>

using namespace metal;

constexpr constant uint simd_width = 32;
/// Simdgroups of the largest threadgroup.
constexpr constant uint max_simdgroups = 32;

/// The value of the lane whose number differs in the bits of `mask`.
template <typename T>
T from_lane_xor(T value, ushort mask) {
  return simd_shuffle_xor(value, mask);
}
// Metal has no simdgroup functions for 64 bits.
inline ulong from_lane_xor(ulong value, ushort mask) {
  return as_type<ulong>(simd_shuffle_xor(as_type<uint2>(value), mask));
}
inline long from_lane_xor(long value, ushort mask) {
  return as_type<long>(simd_shuffle_xor(as_type<uint2>(value), mask));
}

/// An operation is a class with a neutral element, a combination of two scalars or vectors, and `across`,
/// which is the combination over all lanes of a simdgroup, in each of them.
struct Sum {
  template <typename T>
  static constexpr T neutral() {
    return T(0);
  }

  template <typename T>
  T operator()(T a, T b) const {
    return a + b;
  }

  static float across(float value) { return simd_sum(value); }
  static uint across(uint value) { return simd_sum(value); }
  static ulong across(ulong value) {
    for (ushort mask = simd_width / 2; mask > 0; mask /= 2) value += from_lane_xor(value, mask);
    return value;
  }
};

/// Of a number and NaN the number.
struct Max {
  template <typename T>
  static constexpr T neutral() {
    return is_floating_point_v<T> ? T(-INFINITY) : numeric_limits<T>::lowest();
  }

  template <typename T>
  T operator()(T a, T b) const {
    return max(a, b);
  }

  static float across(float value) { return simd_max(value); }
  static int across(int value) { return simd_max(value); }
  static uint across(uint value) { return simd_max(value); }
  static long across(long value) {
    for (ushort mask = simd_width / 2; mask > 0; mask /= 2) value = max(value, from_lane_xor(value, mask));
    return value;
  }
};

/// The four elements of a vector as one.
template <typename Op, typename T>
T combined(vec<T, 4> value) {
  const Op op;
  return op(op(value.x, value.y), op(value.z, value.w));
}

/// Over runs of `lanes` neighbours, a power of two up to 32; in each of them.
template <typename Op, typename T>
T across_lanes(T value, uint lanes) {
  if (lanes == simd_width) return Op::across(value);
  const Op op;
  for (uint mask = lanes / 2; mask > 0; mask /= 2) value = op(value, from_lane_xor(value, ushort(mask)));
  return value;
}

/// Over all threads of a threadgroup; in each of them. `scratch` has max_simdgroups elements, and may be used
/// again only behind a barrier (or alternate between two).
template <typename Op, typename T>
T across_threadgroup(T value, threadgroup T* scratch, uint simdgroup, uint lane, uint simdgroups) {
  value = Op::across(value);
  if (simdgroups == 1) return value;
  if (lane == 0) scratch[simdgroup] = value;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return Op::across(lane < simdgroups ? scratch[lane] : Op::template neutral<T>());
}
