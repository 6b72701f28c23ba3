// metal/unary.metal: out = op(x) for negative, silu, gelu in its three forms, and conversions between dtypes.
//
// unary_<op>_<dtype>_flat      x and out are contiguous. A thread takes 16 bytes' worth of consecutive
// elements, of
//                              the wider type where they differ.
// unary_<op>_<dtype>_strided   Any strides. A thread takes as many elements along axis 0. grid (axis 0 by the
//                              elements of a thread, axis 1, the other axes as one).
// <dtype> is x's; conversions are the ops to_<dtype>. Half precision is computed in float32 and rounded once.
#include <metal_stdlib>

#include "common/activations.h"
#include "common/cast.h"
#include "common/elementwise.h"
#include "common/strided.h"

using namespace metal;

struct Negative {
  template <typename T>
  T operator()(T x) const {
    return -x;
  }
  // The least integer is its own negative.
  int operator()(int x) const { return int(0u - uint(x)); }
  long operator()(long x) const { return long(0ul - ulong(x)); }
};

/// A function of float32, for any floating type.
template <typename F>
struct InFloat {
  template <typename T>
  T operator()(T x) const {
    return T(F()(float(x)));
  }
};

template <typename To>
struct Cast {
  template <typename From>
  To operator()(From x) const {
    return cast<To>(x);
  }
};

template <typename Out, typename In, typename Op>
[[kernel]] void unary_flat(device Out* out [[buffer(0)]], device const In* x [[buffer(1)]],
                           constant FlatParams& params [[buffer(2)]],
                           uint index [[thread_position_in_grid]]) {
  const Op op;
  if (one_element) {
    out[index] = op(x[index]);
    return;
  }
  constexpr uint n = elements_per_thread<Out, In>;
  const ulong first = ulong(index) * n;
  if (first + n <= params.size) {
    UNROLL
    for (uint i = 0; i < n; ++i) out[first + i] = op(x[first + i]);
  } else {
    for (ulong i = first; i < params.size; ++i) out[i] = op(x[i]);
  }
}

template <typename Out, typename In, typename Op, typename Index>
void unary_stretch(device Out* out, device const In* x, constant StridedParams<2>& params, uint3 index) {
  constexpr uint n = elements_per_thread<Out, In>;
  const Stretch<2, Index> s = stretch<2, Index, n>(params, index);
  const Op op;
#define ONE(i) \
  out[s.at[0] + along<0>(s.first + i, s.step[0])] = op(x[s.at[1] + along<1>(s.first + i, s.step[1])])
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

template <typename Out, typename In, typename Op>
[[kernel]] void unary_strided(device Out* out [[buffer(0)]], device const In* x [[buffer(1)]],
                              constant StridedParams<2>& params [[buffer(2)]],
                              uint3 index [[thread_position_in_grid]]) {
  if (strided_wide) {
    unary_stretch<Out, In, Op, long>(out, x, params, index);
  } else {
    unary_stretch<Out, In, Op, int>(out, x, params, index);
  }
}

#define INSTANTIATE(op, dtype, out, in, ...)                                   \
  template [[host_name("unary_" #op "_" #dtype "_flat")]] [[kernel]]           \
  decltype(unary_flat<out, in, __VA_ARGS__>) unary_flat<out, in, __VA_ARGS__>; \
  template [[host_name("unary_" #op "_" #dtype "_strided")]] [[kernel]]        \
  decltype(unary_strided<out, in, __VA_ARGS__>) unary_strided<out, in, __VA_ARGS__>;

#define INSTANTIATE_FLOATING(op, ...)                 \
  INSTANTIATE(op, float32, float, float, __VA_ARGS__) \
  INSTANTIATE(op, float16, half, half, __VA_ARGS__)   \
  INSTANTIATE(op, bfloat16, BFloat16, BFloat16, __VA_ARGS__)

INSTANTIATE_FLOATING(negative, Negative)
INSTANTIATE(negative, int32, int, int, Negative)
INSTANTIATE(negative, int64, long, long, Negative)
INSTANTIATE(negative, uint32, uint, uint, Negative)
INSTANTIATE_FLOATING(silu, InFloat<Silu>)
INSTANTIATE_FLOATING(gelu, InFloat<Gelu>)
INSTANTIATE_FLOATING(gelu_tanh, InFloat<GeluTanh>)
INSTANTIATE_FLOATING(gelu_fast, InFloat<GeluFast>)

// A conversion to each dtype from every other: nothing converts to what it is.
#define CAST(to, out, dtype, in) INSTANTIATE(to_##to, dtype, out, in, Cast<out>)

#define CAST_FLOATING(to, out)  \
  CAST(to, out, float32, float) \
  CAST(to, out, float16, half)  \
  CAST(to, out, bfloat16, BFloat16)

#define CAST_INTEGERS(to, out) \
  CAST(to, out, int32, int)    \
  CAST(to, out, int64, long)   \
  CAST(to, out, uint32, uint)  \
  CAST(to, out, bool, bool)

CAST_FLOATING(int32, int)
CAST_FLOATING(int64, long)
CAST_FLOATING(uint32, uint)
CAST_INTEGERS(float32, float)
CAST_INTEGERS(float16, half)
CAST_INTEGERS(bfloat16, BFloat16)
CAST(float32, float, float16, half)
CAST(float32, float, bfloat16, BFloat16)
CAST(float16, half, float32, float)
CAST(float16, half, bfloat16, BFloat16)
CAST(bfloat16, BFloat16, float32, float)
CAST(bfloat16, BFloat16, float16, half)
CAST(int32, int, int64, long)
CAST(int32, int, uint32, uint)
CAST(int32, int, bool, bool)
CAST(int64, long, int32, int)
CAST(int64, long, uint32, uint)
CAST(int64, long, bool, bool)
CAST(uint32, uint, int32, int)
CAST(uint32, uint, int64, long)
CAST(uint32, uint, bool, bool)
CAST(bool, bool, int32, int)
CAST(bool, bool, int64, long)
CAST(bool, bool, uint32, uint)
INSTANTIATE(to_bool, float32, bool, uint, Truth)
INSTANTIATE(to_bool, float16, bool, ushort, Truth)
INSTANTIATE(to_bool, bfloat16, bool, ushort, Truth)
