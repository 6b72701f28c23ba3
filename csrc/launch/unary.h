// csrc/launch/unary.h: plans of negative, silu, gelu and conversions between dtypes.
#pragma once

#include <string_view>

#include "launch/plan.h"
#include "layout.h"

namespace isometal::launch {

enum class UnaryOp : std::uint8_t { kNegative, kSilu, kGelu, kGeluTanh, kGeluFast };
inline constexpr std::array<std::string_view, 5> kUnaryNames{"negative", "silu", "gelu", "gelu_tanh",
                                                             "gelu_fast"};

/// out = op(x): operands 0 and 1, of one shape and dtype. What a test may force: launch/elementwise.h.
Plan unary(UnaryOp op, DType dtype, const Layout& out, const Layout& x, const Choice& choice);
/// out = x in another dtype.
Plan convert(DType to, DType from, const Layout& out, const Layout& x, const Choice& choice);

}  // namespace isometal::launch
