// metal/binary.metal: out = op(a, b) for add, subtract, multiply, divide.
//
// binary_<op>_<dtype>_flat      Every operand is contiguous, or one element for all (function constants). A
//                               thread takes elements_per_thread consecutive elements.
// binary_<op>_<dtype>_strided   Any strides. A thread takes elements_per_thread elements along axis 0. grid
//                               (axis 0 by the elements of a thread, axis 1, the other axes as one). How an
//                               operand lies along axis 0 is a function constant: neighbours, as in a sum
//                               with a row; one element for all, which is loaded once, as in a sum with a
//                               column; or any stride.
#include <metal_stdlib>

#include "common/elementwise.h"
#include "common/strided.h"
#include "params/binary.h"

using namespace metal;

constant bool a_scalar [[function_constant(BINARY_A_SCALAR)]];
constant bool b_scalar [[function_constant(BINARY_B_SCALAR)]];

template <typename T, typename Op>
[[kernel]] void binary_flat(device T* out [[buffer(0)]], device const T* a [[buffer(1)]],
                            device const T* b [[buffer(2)]], constant FlatParams& params [[buffer(3)]],
                            uint index [[thread_position_in_grid]]) {
  const Op op;
#define ONE(i) out[i] = op(a[a_scalar ? 0 : i], b[b_scalar ? 0 : i])
  if (one_element) {
    ONE(index);
    return;
  }
  constexpr uint n = elements_per_thread<T>;
  const ulong first = ulong(index) * n;
  if (first + n <= params.size) {
    UNROLL
    for (uint i = 0; i < n; ++i) ONE(first + i);
  } else {
    for (ulong i = first; i < params.size; ++i) ONE(i);
  }
#undef ONE
}

template <typename T, typename Op, typename Index>
void binary_stretch(device T* out, device const T* a, device const T* b, constant StridedParams<3>& params,
                    uint3 index) {
  constexpr uint n = elements_per_thread<T>;
  const Stretch<3, Index> s = stretch<3, Index, n>(params, index);
  const Op op;
#define ONE(i)                                      \
  out[s.at[0] + along<0>(s.first + i, s.step[0])] = \
      op(a[s.at[1] + along<1>(s.first + i, s.step[1])], b[s.at[2] + along<2>(s.first + i, s.step[2])])
  if (one_element) {
    ONE(0);
  } else if (s.count == n) {
    UNROLL
    for (uint i = 0; i < n; ++i) ONE(i);
  } else {
    for (uint i = 0; i < s.count; ++i) ONE(i);
  }
#undef ONE
}

template <typename T, typename Op>
[[kernel]] void binary_strided(device T* out [[buffer(0)]], device const T* a [[buffer(1)]],
                               device const T* b [[buffer(2)]],
                               constant StridedParams<3>& params [[buffer(3)]],
                               uint3 index [[thread_position_in_grid]]) {
  if (strided_wide) {
    binary_stretch<T, Op, long>(out, a, b, params, index);
  } else {
    binary_stretch<T, Op, int>(out, a, b, params, index);
  }
}

#define INSTANTIATE(op, functor, dtype, type)                                                            \
  template                                                                                               \
      [[host_name("binary_" #op "_" #dtype                                                               \
                  "_flat")]] [[kernel]] decltype(binary_flat<type, functor>) binary_flat<type, functor>; \
  template [[host_name("binary_" #op "_" #dtype "_strided")]] [[kernel]]                                 \
  decltype(binary_strided<type, functor>) binary_strided<type, functor>;

#define INSTANTIATE_FLOATING(op, functor)  \
  INSTANTIATE(op, functor, float32, float) \
  INSTANTIATE(op, functor, float16, half)  \
  INSTANTIATE(op, functor, bfloat16, BFloat16)

#define INSTANTIATE_ALL(op, functor)     \
  INSTANTIATE_FLOATING(op, functor)      \
  INSTANTIATE(op, functor, int32, int)   \
  INSTANTIATE(op, functor, int64, long)  \
  INSTANTIATE(op, functor, uint32, uint) \
  INSTANTIATE(op, functor, bool, bool)

INSTANTIATE_ALL(add, Add)
INSTANTIATE_ALL(subtract, Subtract)
INSTANTIATE_ALL(multiply, Multiply)
INSTANTIATE_FLOATING(divide, Divide)
