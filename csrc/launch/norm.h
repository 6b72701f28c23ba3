// csrc/launch/norm.h: plans of rms_norm and layer_norm.
#pragma once

#include <optional>

#include "launch/plan.h"
#include "layout.h"

namespace isometal::launch {

enum class NormOp : std::uint8_t { kRms, kLayer };

/// Whether the kernels can read x where it lies: each row contiguous, and the rows within 32 bits unless they
/// lie evenly.
bool norm_reads(const Layout& x);

/// out = norm(x) over the last axis: operands x, weight, bias and out, in this order. x is one that
/// norm_reads; weight and bias are contiguous, of the dtypes given or absent (bias of rms_norm always); out
/// is contiguous. Variants: "row_lanes" (rows of up to 128), "row_simdgroup" (1024), "row_register" (up to
/// 16384), "row_loop", "row_split".
Plan norm(NormOp op, DType dtype, const Layout& x, std::optional<DType> weight, std::optional<DType> bias,
          float eps, const Choice& choice);

}  // namespace isometal::launch
