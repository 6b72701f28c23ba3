// metal/params/flat.h: what host and shader share of kernels whose operands are contiguous.
#pragma once

#include "params/types.h"

struct FlatParams {
  uint64_t size;  // elements of out
};
