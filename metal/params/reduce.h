// metal/params/reduce.h: what host and shader share of the reductions.
#pragma once

#include "params/types.h"

// Function constants.
#define REDUCE_UNIT_STRIDE 0  // bool: a row's elements, or the columns, lie side by side
#define REDUCE_LANES 1        // uint, row_simd: lanes that share a row, a power of two up to 32
#define REDUCE_ONE_AXIS 2     // bool: `axes.reduced` is 1, or 0

/// Threads of a threadgroup of row_simd, and of the largest of the other row kernels and the column kernels.
#define REDUCE_SIMD_THREADS 256
#define REDUCE_GROUP_THREADS 1024
#define REDUCE_COLUMN_THREADS 256
/// Columns that a thread takes where they lie side by side and are as many.
#define REDUCE_COLUMN_WIDTH 4

/// The axes that an element's place is found by: first those of the output, then those that are reduced. Each
/// kind goes from the innermost outwards; the size of its outermost is not needed, and 0.
struct ReduceAxes {
  uint32_t kept;
  uint32_t reduced;
  uint32_t shape[ISOMETAL_MAX_AXES];
  int64_t strides[ISOMETAL_MAX_AXES];      // of x
  int64_t out_strides[ISOMETAL_MAX_AXES];  // of the output, for axes that are kept
};

/// An output is reduced from `repeats` runs of `length` elements; `axes.reduced` describe the repeats.
/// A split is what one threadgroup takes of an output: its chunk of the runs and of the repeats.
struct ReduceRowParams {
  uint64_t rows;     // outputs
  uint64_t repeats;  // runs of an output
  uint64_t repeats_per_split;
  int64_t stride;  // between the elements of a run
  uint64_t length;
  uint32_t length_per_split;
  uint32_t length_splits;  // split = repeats' split * length_splits + length's split
  uint32_t
      lanes;  // row_group: threads along a run, a power of two; the others take repeats, or parts of the run
  float divisor;  // of float32 sums, 1 for none
  ReduceAxes axes;
};

/// An output is reduced from `rows` elements, which `axes.reduced` describe. Outputs are columns, and the
/// other kept axes.
struct ReduceColumnParams {
  uint64_t rows;
  uint64_t units;         // blocks of columns * other kept axes: one for each thread and its helpers
  uint64_t split_stride;  // from a split's outputs to the next one's
  uint64_t columns;
  uint64_t blocks;  // of columns
  int64_t column_stride;
  int64_t column_out_stride;
  uint32_t rows_per_split;
  uint32_t lanes;  // threads along the units, a power of two; the others take rows
  float divisor;   // of float32 sums, 1 for none
  uint32_t reserved;
  ReduceAxes axes;
};
