// metal/mask.metal: additive masks.
//
// mask_causal_<dtype>   out (rows, kv_len), contiguous: 0 where key <= row + offset, else the least finite
// number. A
//                       thread takes 16 bytes' worth of keys of a row, or one. grid (keys by the elements of
//                       a thread, rows).
#include <metal_stdlib>

#include "common/elementwise.h"
#include "params/mask.h"

using namespace metal;

template <typename T>
[[kernel]] void mask_causal(device T* out [[buffer(0)]], constant MaskCausalParams& params [[buffer(1)]],
                            uint2 index [[thread_position_in_grid]]) {
  constexpr uint n = elements_per_thread<T>;
  const T lowest = -numeric_limits<T>::max();
  const long last = long(index.y) + params.offset;
  device T* row = out + ulong(index.y) * params.kv_len;
  if (one_element) {
    row[index.x] = long(index.x) <= last ? T(0) : lowest;
    return;
  }
  const ulong first = ulong(index.x) * n;
  const uint count = uint(min(ulong(n), params.kv_len - first));
  if (count == n) {
    UNROLL
    for (uint i = 0; i < n; ++i) row[first + i] = long(first + i) <= last ? T(0) : lowest;
  } else {
    for (uint i = 0; i < count; ++i) row[first + i] = long(first + i) <= last ? T(0) : lowest;
  }
}

#define INSTANTIATE(dtype, type) \
  template [[host_name("mask_causal_" #dtype)]] [[kernel]] decltype(mask_causal<type>) mask_causal<type>;

INSTANTIATE(float32, float)
INSTANTIATE(float16, half)
INSTANTIATE(bfloat16, BFloat16)
