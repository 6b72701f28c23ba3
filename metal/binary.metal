// metal/binary.metal: out = op(a, b) for add, subtract, multiply, divide.
//
// binary_<op>_<dtype>_flat      Every operand is contiguous, or one element for all (function constants).
//                               A thread takes elements_per_thread consecutive elements; threadgroups of 256.
// binary_<op>_<dtype>_strided   Any strides, 0 and negative ones included: a thread per element of out, which
//                               is contiguous. grid (axis 0, axis 1, the other axes as one).
#include <metal_stdlib>

#include "common/elementwise.h"
#include "params/binary.h"

using namespace metal;

constant bool a_scalar [[function_constant(BINARY_A_SCALAR)]];
constant bool b_scalar [[function_constant(BINARY_B_SCALAR)]];

template <typename T, typename Op>
[[kernel]] void binary_flat(device const T* a [[buffer(0)]],
                            device const T* b [[buffer(1)]],
                            device T* out [[buffer(2)]],
                            constant BinaryFlatParams& params [[buffer(3)]],
                            uint group [[threadgroup_position_in_grid]],
                            uint lane [[thread_position_in_threadgroup]],
                            uint threads [[threads_per_threadgroup]]) {
  constexpr uint n = elements_per_thread<T>;
  // 64 bits: the product passes 2^32 before an array is too large for memory.
  const ulong first = (ulong(group) * threads + lane) * n;
  const Op op;
  if (first + n <= params.size) {
    for (uint i = 0; i < n; ++i)
      out[first + i] = op(a[a_scalar ? 0 : first + i], b[b_scalar ? 0 : first + i]);
  } else {
    for (ulong i = first; i < params.size; ++i) out[i] = op(a[a_scalar ? 0 : i], b[b_scalar ? 0 : i]);
  }
}

template <typename T, typename Op>
[[kernel]] void binary_strided(device const T* a [[buffer(0)]],
                               device const T* b [[buffer(1)]],
                               device T* out [[buffer(2)]],
                               constant BinaryStridedParams& params [[buffer(3)]],
                               uint3 index [[thread_position_in_grid]],
                               uint3 grid [[threads_per_grid]]) {
  long at_a = index.x * params.a_strides[0] + index.y * params.a_strides[1];
  long at_b = index.x * params.b_strides[0] + index.y * params.b_strides[1];
  uint rest = index.z;
  for (uint axis = 2; axis < params.axes; ++axis) {
    const uint position = rest % params.shape[axis];
    rest /= params.shape[axis];
    at_a += position * params.a_strides[axis];
    at_b += position * params.b_strides[axis];
  }
  const ulong at = index.x + ulong(grid.x) * (index.y + ulong(grid.y) * index.z);
  out[at] = Op()(a[at_a], b[at_b]);
}

#define INSTANTIATE(op, functor, dtype, type)                                                            \
  template [[host_name("binary_" #op "_" #dtype "_flat")]] [[kernel]] decltype(binary_flat<type, functor>) \
      binary_flat<type, functor>;                                                                        \
  template [[host_name("binary_" #op "_" #dtype "_strided")]] [[kernel]]                                 \
  decltype(binary_strided<type, functor>) binary_strided<type, functor>;

#define INSTANTIATE_FLOATING(op, functor)      \
  INSTANTIATE(op, functor, float32, float)     \
  INSTANTIATE(op, functor, float16, half)      \
  INSTANTIATE(op, functor, bfloat16, bfloat)

#define INSTANTIATE_ALL(op, functor)       \
  INSTANTIATE_FLOATING(op, functor)        \
  INSTANTIATE(op, functor, int32, int)     \
  INSTANTIATE(op, functor, int64, long)    \
  INSTANTIATE(op, functor, uint32, uint)   \
  INSTANTIATE(op, functor, bool, bool)

INSTANTIATE_ALL(add, Add)
INSTANTIATE_ALL(subtract, Subtract)
INSTANTIATE_ALL(multiply, Multiply)
INSTANTIATE_FLOATING(divide, Divide)
