// metal/params/norm.h: what host and shader share of the norm kernels.
#pragma once

#include "params/types.h"

// Function constants.
#define NORM_WEIGHT 0   // uint: NORM_NONE, or the dtype of the weight
#define NORM_BIAS 1     // uint: as NORM_WEIGHT; layer_norm alone
#define NORM_CHUNKS 2   // uint: chunks of a row that a thread keeps in registers
#define NORM_STRIDED 3  // bool: the rows of x lie in more than one axis, or not one behind the other

#define NORM_NONE 0
#define NORM_FLOAT32 1
#define NORM_FLOAT16 2
#define NORM_BFLOAT16 3

/// Consecutive elements that a thread takes of a row at once.
#define NORM_VECTOR 4
/// The most chunks of NORM_VECTOR elements that a thread keeps.
#define NORM_MAX_CHUNKS 8
/// Chunks that the looped kernels take at once.
#define NORM_LOOP_CHUNKS 4
/// Threads of a threadgroup at most.
#define NORM_MAX_THREADS 1024

/// A row is `size` contiguous elements of x. Axes of rows go from the innermost outwards; out is contiguous.
struct NormParams {
  uint64_t rows;
  uint64_t size;
  float eps;
  uint32_t axes;
  int64_t strides[ISOMETAL_MAX_AXES];  // in elements
  uint32_t shape[ISOMETAL_MAX_AXES];
};
