// metal/common/matrix8x8.h: which elements of a simdgroup's 8x8 matrix a lane has.
#pragma once

#include <metal_stdlib>

using namespace metal;

/// Place of a lane's two elements, which are neighbours in a row: x the column of the first, y the row.
inline uint2 place_of(uint lane) {
  const uint quad = lane / 4;
  return uint2((quad & 2) * 2 + (lane % 2) * 2, (quad & 4) + (lane / 2) % 4);
}

/// A lane's two elements.
template <typename T>
inline thread vec<T, 2>& elements(thread simdgroup_matrix<T, 8, 8>& matrix) {
  return reinterpret_cast<thread vec<T, 2>&>(matrix.thread_elements());
}
