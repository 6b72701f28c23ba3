// csrc/launch/binary.h: plans of add, subtract, multiply, divide.
#pragma once

#include <string_view>

#include "launch/plan.h"
#include "layout.h"

namespace isometal::launch {

enum class BinaryOp : std::uint8_t { kAdd, kSubtract, kMultiply, kDivide };
inline constexpr std::array<std::string_view, 4> kBinaryNames{"add", "subtract", "multiply", "divide"};

/// out = op(a, b): operands 0, 1 and 2, all of one shape, `a` and `b` by strides of 0 where they broadcast.
/// What a test may force: launch/elementwise.h.
Plan binary(BinaryOp op, DType dtype, const Layout& out, const Layout& a, const Layout& b,
            const Choice& choice);

}  // namespace isometal::launch
