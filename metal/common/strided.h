// metal/common/strided.h: from a place in the grid to the operands' elements, for kernels with StridedParams.
#pragma once

#include <metal_stdlib>

#include "common/elementwise.h"
#include "params/elementwise.h"

using namespace metal;

constant bool strided_wide [[function_constant(ELEMENTWISE_WIDE)]];
constant uint strided_axes [[function_constant(ELEMENTWISE_AXES)]];

/// How operands lie along axis 0. Only as many as a family has operands are asked for.
constant uint inner_0 [[function_constant(ELEMENTWISE_INNER + 0)]];
constant uint inner_1 [[function_constant(ELEMENTWISE_INNER + 1)]];
constant uint inner_2 [[function_constant(ELEMENTWISE_INNER + 2)]];

/// Where element `i` of axis 0 is, from the axis's first.
template <uint k, typename Index>
Index along(uint i, Index step) {
  const uint kind = k == 0 ? inner_0 : k == 1 ? inner_1 : inner_2;
  return kind == INNER_ONE ? Index(0) : kind == INNER_UNIT ? Index(i) : Index(i) * step;
}

/// What belongs to one thread: `count` elements along axis 0 from `first` on, and for each operand where axis
/// 0 begins and its stride.
template <uint K, typename Index>
struct Stretch {
  Index at[K];
  Index step[K];
  uint first;
  uint count;
};

/// The stretch of thread `index`, of `n` elements but for the axis's end. Index is int, or long with
/// strided_wide.
template <uint K, typename Index, uint n>
Stretch<K, Index> stretch(constant StridedParams<K>& params, uint3 index) {
  Stretch<K, Index> result;
  result.first = one_element ? index.x : index.x * n;
  result.count = one_element ? 1 : min(n, params.shape[0] - result.first);
  for (uint k = 0; k < K; ++k) {
    result.step[k] = Index(params.strides[0][k]);
    result.at[k] = strided_axes > 1 ? Index(index.y) * Index(params.strides[1][k]) : 0;
  }
  uint rest = index.z;
  UNROLL
  for (uint axis = 2; axis < strided_axes; ++axis) {
    const uint position = rest % params.shape[axis];
    rest /= params.shape[axis];
    for (uint k = 0; k < K; ++k) result.at[k] += Index(position) * Index(params.strides[axis][k]);
  }
  return result;
}
