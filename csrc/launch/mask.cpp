// csrc/launch/mask.cpp: a row of the grid for each query.
#include "launch/mask.h"

#include "launch/elementwise.h"
#include "params/mask.h"

namespace isometal::launch {

Plan causal_mask(DType dtype, std::int64_t q_len, std::int64_t kv_len, const Choice& choice) {
  Plan plan;
  if (q_len == 0 || kv_len == 0) return plan;
  const std::int64_t elements = kBytesPerThread / itemsize(dtype);
  const bool one = takes_one(kv_len, choice, elements * kSimdWidth);
  // Rows beyond a grid's 32 bits, as other dispatches.
  for (std::int64_t first = 0; first < q_len; first += kMaxAxis) {
    const Size3 grid{to_u32(one ? kv_len : ceil_div(kv_len, elements)),
                     to_u32(std::min(q_len - first, kMaxAxis))};
    const std::uint32_t across = std::min(grid.x, kElementwiseThreads);
    plan.add(Kernel(Family::kMask, KernelName("mask_causal_", name(dtype))).set(ELEMENTWISE_ONE, one))
        .write(0, 0, first * kv_len * itemsize(dtype))
        .params(1, MaskCausalParams{static_cast<std::uint64_t>(kv_len), kv_len - q_len + first})
        .threads(grid, {across, std::min(grid.y, kElementwiseThreads / across)});
  }
  return plan;
}

}  // namespace isometal::launch
