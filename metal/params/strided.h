// metal/params/strided.h: what host and shader share of every kernel that walks its operands by strides.
#pragma once

#include "params/types.h"

// Function constants, the same ones in every family that has a strided kernel. A family's own begin at
// STRIDED_CONSTANTS.
#define STRIDED_WIDE 0   // bool: offsets from an operand's first element need more than 32 bits
#define STRIDED_INNER 1  // uint, one for each operand: how it lies along axis 0, an INNER_...
#define STRIDED_CONSTANTS 4

#define INNER_ONE 0   // one element for the whole axis: stride 0
#define INNER_UNIT 1  // neighbours in memory: stride 1
#define INNER_ANY 2   // whatever `strides` says

/// Operand 0 is the one written. Axes are merged where all operands allow it and go from the innermost
/// outwards. The grid is (axis 0 by the elements of a thread, axis 1, the other axes as one); the planner
/// sees to it that each part fits 32 bits.
template <uint32_t K>
struct StridedParams {
  uint32_t axes;
  uint32_t reserved;
  uint32_t shape[ISOMETAL_MAX_AXES];
  int64_t strides[ISOMETAL_MAX_AXES][K];  // in elements
};
