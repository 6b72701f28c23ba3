// metal/params/attention.h: what host and shader share of the attention kernels.
#pragma once

#include "params/types.h"

// Function constants.
#define ATTENTION_MASK 0      // uint: one of the masks below
#define ATTENTION_IN_PARTS 1  // bool, of the split kernel: the keys are cut in parts

#define ATTENTION_MASK_NONE 0u
#define ATTENTION_MASK_CAUSAL 1u
#define ATTENTION_MASK_BOOL 2u
#define ATTENTION_MASK_ADDITIVE 3u

/// Query rows of a simdgroup: a matrix has eight.
#define ATTENTION_ROWS 8
/// Simdgroups of a threadgroup: each with rows of its own, or all with the same rows and keys of their own.
#define ATTENTION_TILE_SIMDGROUPS 4
#define ATTENTION_SPLIT_SIMDGROUPS 8
/// Head dims that the streamed kernel takes at a time: of queries and keys, and of values.
#define ATTENTION_STREAM 64
#define ATTENTION_STREAM_VALUES 256

/// Strides count elements; the innermost axis of q, k and v is contiguous, and so is out.
struct AttentionParams {
  int64_t q_strides[3];  // batch, head, row
  int64_t k_strides[3];
  int64_t v_strides[3];
  int64_t mask_strides[4];  // batch, query head, query, key
  uint32_t heads;
  uint32_t group;    // query heads for each head of keys
  uint32_t queries;  // at most 2^31, as keys
  uint32_t keys;
  uint32_t dim;
  uint32_t value_dim;
  float scale;
  uint32_t keys_per_part;  // of the split kernel: a multiple of its block
};

struct AttentionMergeParams {
  uint32_t parts;
  uint32_t reserved;
};
