// metal/common/strided.h: from a place in the grid to the operands' elements, for kernels with StridedParams.
#pragma once

#include <metal_stdlib>

#include "params/strided.h"

using namespace metal;

constant bool strided_wide [[function_constant(STRIDED_WIDE)]];

/// The elements of each operand that belong to one thread: `count` along axis 0, from `at`.
template <uint K, typename Index>
struct Stretch {
  Index at[K];
  Index step[K];
  uint count;
};

/// The stretch of thread `index`, of `n` elements but for the axis's end. Index is int, or long with
/// strided_wide.
template <uint K, typename Index, uint n>
Stretch<K, Index> stretch(constant StridedParams<K>& params, uint3 index) {
  Stretch<K, Index> result;
  const uint first = index.x * n;
  result.count = min(n, params.shape[0] - first);
  for (uint k = 0; k < K; ++k) {
    result.step[k] = Index(params.strides[0][k]);
    result.at[k] = Index(first) * result.step[k] + Index(index.y) * Index(params.strides[1][k]);
  }
  uint rest = index.z;
  for (uint axis = 2; axis < params.axes; ++axis) {
    const uint position = rest % params.shape[axis];
    rest /= params.shape[axis];
    for (uint k = 0; k < K; ++k) result.at[k] += Index(position) * Index(params.strides[axis][k]);
  }
  return result;
}

/// Where element `i` of a stretch is, by the INNER_... kind of the operand.
template <typename Index>
Index element(Index at, Index step, uint kind, uint i) {
  return kind == INNER_ONE ? at : kind == INNER_UNIT ? at + Index(i) : at + Index(i) * step;
}
