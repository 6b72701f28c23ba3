// csrc/ops/elementwise.cpp: results allocated, plans encoded.
#include "ops/elementwise.h"

namespace isometal::ops {

Array binary(Dispatcher& dispatcher, launch::BinaryOp op, const Array& a, const Array& b) {
  const Dims shape = broadcast_shapes(a.shape(), b.shape());
  Array out = dispatcher.empty(shape, a.dtype());
  const launch::Plan plan =
      launch::binary(op, a.dtype(), broadcast_to(a.layout(), shape), broadcast_to(b.layout(), shape));
  dispatcher.encode(plan, {&a, &b, &out});
  return out;
}

}  // namespace isometal::ops
