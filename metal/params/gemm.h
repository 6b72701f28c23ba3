// metal/params/gemm.h: what host and shader share of the matrix product.
#pragma once

#include "params/types.h"

// Function constants, all bool.
#define GEMM_A_TRANSPOSED 0  // a's columns are contiguous, else its rows
#define GEMM_B_TRANSPOSED 1  // b's columns are contiguous, else its rows
#define GEMM_ALIGNED_M 2     // the tile's rows divide m
#define GEMM_ALIGNED_N 3     // the tile's columns divide n
#define GEMM_ALIGNED_K 4     // the tile's depth divides every split's share of k
#define GEMM_PARTIAL 5       // out is float32, [split][batch][m][n]

/// out[batch] = a[batch] b[batch], with m x k, k x n and m x n elements. Tiles are numbered down bands of
/// `band` rows of tiles, so that tiles which run at a time share operands in the cache.
/// The grid is (tiles, splits of k, batch).
struct GemmParams {
  uint32_t m, n, k;
  uint32_t tiles_m, tiles_n;
  uint32_t band;
  uint32_t split_depth;  // of k, for each split but the last
  uint32_t batch_axes;   // merged, from the innermost outwards
  int64_t a_pitch;       // elements from one row to the next, transposed: from one column
  int64_t b_pitch;
  int64_t a_batch_strides[ISOMETAL_MAX_AXES];  // in elements
  int64_t b_batch_strides[ISOMETAL_MAX_AXES];
  uint32_t batch_shape[ISOMETAL_MAX_AXES];
};

/// Threads of a threadgroup of gemm_sum.
#define GEMM_SUM_THREADS 256

/// out[i] = sum of partials[split * size + i] over the splits, in order.
struct GemmSumParams {
  uint64_t size;
  uint32_t splits;
  uint32_t reserved;
};
