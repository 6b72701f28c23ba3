// metal/params/gemv.h: what host and shader share of products of a matrix with a few vectors.
#pragma once

#include "params/types.h"

// Function constants.
#define GEMV_VECTORS 0  // uint: vectors that a matrix is multiplied with, 1 to GEMV_MAX_VECTORS
#define GEMV_UNIT 1     // bool: a vector's elements are neighbours
#define GEMV_DEEP 2     // bool: a threadgroup takes few elements of out, its simdgroups share their depth
#define GEMV_PARTIAL 3  // bool: out is float32, [split][batch] of out
#define GEMV_NARROW 4   // bool: fewer rows than a run, for gemv_columns

#define GEMV_MAX_VECTORS 8
#define GEMV_SIMDGROUPS 8  // of a threadgroup
#define GEMV_RUN 4         // neighbours of the matrix that a lane reads at a time

// gemv_rows: matrix rows of a simdgroup, which are all of its threadgroup's if that is deep.
#define GEMV_ROWS 4
// gemv_columns: lanes side by side, each with a run of rows; the other lanes of a simdgroup share the depth.
#define GEMV_LANES 32
#define GEMV_LANES_DEEP 8

/// out[row, vector] = sum over k of matrix[row, k] * vectors[vector, k], with `rows` x `depth` elements of
/// the matrix; strides in elements. The grid is (groups of rows, splits of the depth, batch).
struct GemvParams {
  uint32_t rows, depth;
  uint32_t split_depth;  // for each split but the last
  uint32_t batch_axes;   // merged, from the innermost outwards
  int64_t matrix_pitch;  // along the axis on which the matrix's elements are no neighbours
  int64_t vector_stride, vector_pitch;
  int64_t out_row_stride, out_vector_stride;
  uint64_t out_batch_stride;
  int64_t matrix_batch_strides[ISOMETAL_MAX_AXES];
  int64_t vector_batch_strides[ISOMETAL_MAX_AXES];
  uint32_t batch_shape[ISOMETAL_MAX_AXES];
};
