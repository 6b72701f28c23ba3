// csrc/launch/reduce.h: plans of sum, mean and max over any axes.
#pragma once

#include <string_view>

#include "launch/plan.h"
#include "layout.h"

namespace isometal::launch {

enum class ReduceOp : std::uint8_t { kSum, kMean, kMax };

/// The variants that can be forced. A forced one is used wherever it can be; the split ones can be wherever
/// two elements or more make an output.
inline constexpr std::array<std::string_view, 5> kReduceVariants{"row_simd", "row_group", "row_split",
                                                                 "column", "column_split"};

/// out = op(x) over `axes` (sorted, unique): operands 1 and 0. `out` is contiguous, of x's dtype, and has the
/// other axes of x in their order. kMean is for floating dtypes, kMax for at least one element an output.
Plan reduce(ReduceOp op, DType dtype, const Layout& x, const Dims& axes, const Choice& choice);

}  // namespace isometal::launch
