// csrc/launch/attention.h: plans of scaled_dot_product_attention.
#pragma once

#include "launch/plan.h"
#include "layout.h"

namespace isometal::launch {

enum class AttentionMask : std::uint8_t { kNone, kCausal, kBool, kAdditive };

struct AttentionOperands {
  Layout q;  ///< (B, Hq, Tq, D)
  Layout k;  ///< (B, Hkv, Tkv, D)
  Layout v;  ///< (B, Hkv, Tkv, Dv)
  AttentionMask mask = AttentionMask::kNone;
  Layout mask_layout;  ///< (B, Hq, Tq, Tkv), of a bool or additive mask: strides 0 where it broadcasts
};

/// Whether q, k or v of this layout can be read in place: the innermost axis must be contiguous.
bool attention_reads(const Layout& layout);

/// out = softmax(scale q k^T + mask) v. Operands 0 to 4 are q, k, v, mask and out; q, k and v can be read in
/// place, out is contiguous. Variants, forced where the head dims allow: tile, streamed, split, parts.
/// Throws std::length_error for more than 2^31 queries or keys.
Plan attention(DType dtype, const AttentionOperands& operands, float scale, const Choice& choice);

}  // namespace isometal::launch
