// metal/params/mask.h: what host and shader share of the mask kernels.
#pragma once

#include "params/elementwise.h"

struct MaskCausalParams {
  uint64_t kv_len;
  int64_t offset;  // the last key that the first row sees; negative where it sees none
};
