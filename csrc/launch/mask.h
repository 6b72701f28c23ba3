// csrc/launch/mask.h: plans of causal masks.
#pragma once

#include "launch/plan.h"

namespace isometal::launch {

/// out, operand 0, of shape (q_len, kv_len) and contiguous: 0 where key <= query + kv_len - q_len, else the
/// least finite number. Variants: "one", "many" elements for a thread.
Plan causal_mask(DType dtype, std::int64_t q_len, std::int64_t kv_len, const Choice& choice);

}  // namespace isometal::launch
