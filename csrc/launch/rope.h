// csrc/launch/rope.h: plans of rotary position embedding.
#pragma once

#include "launch/plan.h"
#include "layout.h"

namespace isometal::launch {

/// Pair i of the first `dims` features turns by position * scale * base^(-2 i / dims), or * scale / freqs[i].
struct Rope {
  std::int64_t dims = 0;  ///< even
  bool traditional = false;
  double base = 10000;
  double scale = 1;
  std::int64_t offset = 0;  ///< position of the first row, where there are no offsets
  bool has_freqs = false;
  bool has_offsets = false;
};

/// out = rope(x): operands x, freqs (contiguous float32, dims / 2), offsets (contiguous int32, x.shape[0]),
/// out, in this order. x (..., T, D) has any strides; out is contiguous. Variants: "vector_1", "vector_2",
/// "vector_4", the pairs of a thread.
Plan rope(const Rope& rope, DType dtype, const Layout& x, const Choice& choice);

}  // namespace isometal::launch
