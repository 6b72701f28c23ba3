// metal/params/strided.h: what host and shader share of elementwise kernels that walk their operands by
// strides.
#pragma once

#include "params/types.h"

/// Operand 0 is the one written. Axes are merged where all operands allow it and go from the innermost
/// outwards. The grid is (axis 0 by the elements of a thread, axis 1, the other axes as one); the planner
/// sees to it that each part fits 32 bits.
template <uint32_t K>
struct StridedParams {
  uint32_t shape[ISOMETAL_MAX_AXES];
  int64_t strides[ISOMETAL_MAX_AXES][K];  // in elements
};
