// metal/norm/teams.h: the threads that share a row.
#pragma once

#include <metal_stdlib>

#include "common/reduction.h"

using namespace metal;

struct Simdgroup {
  uint index;  // of this thread
  uint threads;

  float sum(float value) const { return simd_sum(value); }
  float2 sums(float2 value) const { return float2(simd_sum(value.x), simd_sum(value.y)); }
};

/// A threadgroup. Each of its sums may be taken once: nothing waits before the memory is used again.
struct Group {
  uint index;
  uint threads;
  uint lane;
  uint simdgroup;
  threadgroup float* first;
  threadgroup float2* second;

  float sum(float value) const {
    return across_threadgroup<Sum>(value, first, simdgroup, lane, threads / simd_width);
  }
  float2 sums(float2 value) const {
    value = float2(simd_sum(value.x), simd_sum(value.y));
    if (threads == simd_width) return value;
    if (lane == 0) second[simdgroup] = value;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    value = lane < threads / simd_width ? second[lane] : 0;
    return float2(simd_sum(value.x), simd_sum(value.y));
  }
};
