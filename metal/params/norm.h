// metal/params/norm.h: what host and shader share of the norm kernels.
#pragma once

#include "params/types.h"

// Function constants.
#define NORM_WEIGHT 0   // uint: NORM_NONE, or the dtype of the weight
#define NORM_BIAS 1     // uint: as NORM_WEIGHT; layer_norm alone
#define NORM_STRIDED 2  // bool: the rows of x lie in more than one axis, or not one behind the other
#define NORM_LANES 3    // uint: row_lanes: lanes of a row, a power of two from 4 to 32
#define NORM_CHUNKS 4   // uint: row_simdgroup: chunks of a row that a lane has, up to NORM_MAX_CHUNKS

#define NORM_NONE 0
#define NORM_FLOAT32 1
#define NORM_FLOAT16 2
#define NORM_BFLOAT16 3

/// A chunk: consecutive elements that a thread takes at once.
#define NORM_VECTOR 4
/// Chunks of a lane where a simdgroup has a row, and of any thread where a threadgroup has one.
#define NORM_MAX_CHUNKS 8
#define NORM_GROUP_CHUNKS 4
/// Rows of a lane where several lanes have a row.
#define NORM_LANE_ROWS 4
/// Simdgroups of a threadgroup that share no row, and threads of one whose threads do.
#define NORM_MAX_SIMDGROUPS 8
#define NORM_MAX_THREADS 1024
/// Bytes that row_split_statistics gives for each part of a row, and row_split_combine for each row.
#define NORM_PART_BYTES 16

/// A row is `size` contiguous elements of x. Axes of rows go from the innermost outwards; out is contiguous.
struct NormParams {
  uint64_t rows;
  uint64_t size;
  float eps;
  uint32_t parts;  // of a row: row_split
  uint32_t axes;
  uint32_t shape[ISOMETAL_MAX_AXES];
  int64_t strides[ISOMETAL_MAX_AXES];  // in elements
};
