// metal/params/binary.h: what host and shader share of the binary kernels.
#pragma once

#include "params/types.h"

// Function constants.
#define BINARY_A_SCALAR 0  // bool: a has one element for all of out
#define BINARY_B_SCALAR 1

struct BinaryFlatParams {
  uint64_t size;  // elements of out
};

/// Axes are merged and go from the innermost outwards. The grid is (axis 0, axis 1, product of the others).
struct BinaryStridedParams {
  uint32_t axes;
  uint32_t reserved;
  uint32_t shape[ISOMETAL_MAX_AXES];
  int64_t a_strides[ISOMETAL_MAX_AXES];  // in elements
  int64_t b_strides[ISOMETAL_MAX_AXES];
};
