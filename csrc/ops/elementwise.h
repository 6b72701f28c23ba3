// csrc/ops/elementwise.h: elementwise ops on the device. Operands are checked (python/isometal/check.py), of
// one dtype, and on the dispatcher's device, here and in all of csrc/ops/.
#pragma once

#include "array.h"
#include "dispatcher/dispatcher.h"
#include "launch/binary.h"

namespace isometal::ops {

/// op(a, b) in the shape that both broadcast to. Throws ShapeError where they do not.
Array binary(Dispatcher& dispatcher, launch::BinaryOp op, const Array& a, const Array& b);

}  // namespace isometal::ops
