// csrc/ops/norm.h: norms over the last axis, and rotary positions.
#pragma once

#include "array.h"
#include "dispatcher/dispatcher.h"
#include "launch/norm.h"
#include "launch/rope.h"

namespace isometal::ops {

/// In x's dtype; weight and bias, of any floating dtype, may be null.
Array norm(Dispatcher& dispatcher, launch::NormOp op, const Array& x, const Array* weight, const Array* bias,
           double eps);

/// freqs and offsets may be null; `rope` need not say whether they are.
Array rope(Dispatcher& dispatcher, launch::Rope rope, const Array& x, const Array* freqs,
           const Array* offsets);

}  // namespace isometal::ops
