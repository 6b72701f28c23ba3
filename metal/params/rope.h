// metal/params/rope.h: what host and shader share of the rope kernel.
#pragma once

#include "params/types.h"

// Function constants.
#define ROPE_TRADITIONAL 0  // bool: pair i is (2 i, 2 i + 1), else (i, i + half)
#define ROPE_FREQS 1        // bool: wavelengths lie in a buffer, else turns in the parameters
#define ROPE_OFFSETS 2      // bool: an offset for each batch entry
#define ROPE_REST 3         // bool: features from 2 half on are copied
#define ROPE_STRIDED 4      // bool: the features of x are not one behind the other
#define ROPE_VECTOR 5       // uint: pairs of a thread, 1 to ROPE_MAX_VECTOR

#define ROPE_MAX_VECTOR 4
/// Pairs of a dispatch.
#define ROPE_TABLE 64
/// Axes besides heads, positions and features: 32 without those three.
#define ROPE_MAX_AXES 29

/// The grid is (columns of pairs, then of the rest; positions; heads_groups * other axes). x is walked by
/// strides, in elements; out is contiguous. Axes go from the innermost outwards.
struct RopeParams {
  uint64_t turns[ROPE_TABLE];  // of pair first_pair + i for each position, in 2^-64 turns
  int64_t offset;              // position of the first row
  int64_t head_stride, position_stride, feature_stride;
  int64_t strides[ROPE_MAX_AXES];
  uint32_t shape[ROPE_MAX_AXES];
  uint32_t axes;
  uint32_t axes_per_batch;  // product of the axes within a batch entry
  uint32_t heads, heads_per_thread, head_groups;
  uint32_t positions, features;
  uint32_t half_dims, first_pair, columns;
  float turns_of_wavelength[3];  // scale / (2 pi), the sum of the three
};
