// csrc/ops/elementwise.h: elementwise ops on the device. Operands are checked (python/isometal/check.py), of
// one dtype, and on the dispatcher's device, here and in all of csrc/ops/. Results lie in memory as their
// operands do, the axes in the same order, where those agree; else they are contiguous.
#pragma once

#include "array.h"
#include "dispatcher/dispatcher.h"
#include "launch/binary.h"
#include "launch/unary.h"

namespace isometal::ops {

/// op(a, b) in the shape that both broadcast to. Throws ShapeError where they do not.
Array binary(Dispatcher& dispatcher, launch::BinaryOp op, const Array& a, const Array& b);
Array unary(Dispatcher& dispatcher, launch::UnaryOp op, const Array& x);
/// `x` itself where it is of that dtype.
Array astype(Dispatcher& dispatcher, const Array& x, DType dtype);

/// Contiguous, of shape (q_len, kv_len).
Array causal_mask(Dispatcher& dispatcher, std::int64_t q_len, std::int64_t kv_len, DType dtype);

}  // namespace isometal::ops
