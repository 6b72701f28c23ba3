// metal/params/softmax.h: what host and shader share of the softmax kernels.
#pragma once

#include "params/types.h"

// Function constants.
#define SOFTMAX_CHUNKS 0   // uint: chunks of a thread where the row is in registers
#define SOFTMAX_STRIDED 1  // bool: rows of x are found by `shape` and `strides`; else they follow each other
#define SOFTMAX_WIDE 2     // bool, column: a thread takes SOFTMAX_VECTOR columns, else one

/// Elements of a chunk, which lie side by side.
#define SOFTMAX_VECTOR 4
#define SOFTMAX_MAX_CHUNKS 8
#define SOFTMAX_MAX_THREADS 1024
/// Threads of a threadgroup that takes a part of a row, and of the largest one of the column kernel.
#define SOFTMAX_PART_THREADS 256
#define SOFTMAX_COLUMN_THREADS 256

struct SoftmaxRowParams {
  uint64_t rows;
  uint64_t size;  // elements of a row
  uint64_t part;  // elements of a part, row_split
  uint32_t parts;
  uint32_t axes;
  uint32_t shape[ISOMETAL_MAX_AXES];  // of the rows, the innermost first
  int64_t strides[ISOMETAL_MAX_AXES];
};

/// x and out are (outer, size, columns), contiguous.
struct SoftmaxColumnParams {
  uint64_t units;  // blocks of columns * outer: one for each thread and its helpers
  uint64_t size;
  uint64_t columns;
  uint32_t blocks;  // of columns
  uint32_t lanes;   // threads along the units, a power of two; the others take further elements
};
