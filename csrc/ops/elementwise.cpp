// csrc/ops/elementwise.cpp: results allocated, plans encoded.
#include "ops/elementwise.h"

#include "launch/axes.h"
#include "launch/mask.h"

namespace isometal::ops {
namespace {

/// Uninitialised, without gaps, its axes in memory in the order of the operands'.
Array empty_like(Dispatcher& dispatcher, const Dims& shape, std::initializer_list<const Layout*> operands,
                 DType dtype) {
  const auto order = launch::memory_order(shape, operands);
  if (!order) return dispatcher.empty(shape, dtype);
  Dims in_memory, back(order->size());
  for (std::size_t place = 0; place < order->size(); ++place) {
    const std::int64_t axis = (*order)[place];
    in_memory.push_back(shape[static_cast<std::size_t>(axis)]);
    back[static_cast<std::size_t>(axis)] = static_cast<std::int64_t>(place);
  }
  return dispatcher.empty(in_memory, dtype).transpose(back);
}

}  // namespace

Array binary(Dispatcher& dispatcher, launch::BinaryOp op, const Array& a, const Array& b) {
  const Dims shape = broadcast_shapes(a.shape(), b.shape());
  const Layout left = broadcast_to(a.layout(), shape);
  const Layout right = broadcast_to(b.layout(), shape);
  Array out = empty_like(dispatcher, shape, {&left, &right}, a.dtype());
  dispatcher.encode(
      launch::binary(op, a.dtype(), out.layout(), left, right, dispatcher.choice(launch::Family::kBinary)),
      {&out, &a, &b});
  return out;
}

Array unary(Dispatcher& dispatcher, launch::UnaryOp op, const Array& x) {
  Array out = empty_like(dispatcher, x.shape(), {&x.layout()}, x.dtype());
  dispatcher.encode(
      launch::unary(op, x.dtype(), out.layout(), x.layout(), dispatcher.choice(launch::Family::kUnary)),
      {&out, &x});
  return out;
}

Array astype(Dispatcher& dispatcher, const Array& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Array out = empty_like(dispatcher, x.shape(), {&x.layout()}, dtype);
  dispatcher.encode(
      launch::convert(dtype, x.dtype(), out.layout(), x.layout(), dispatcher.choice(launch::Family::kUnary)),
      {&out, &x});
  return out;
}

Array causal_mask(Dispatcher& dispatcher, std::int64_t q_len, std::int64_t kv_len, DType dtype) {
  Array out = dispatcher.empty({q_len, kv_len}, dtype);
  dispatcher.encode(launch::causal_mask(dtype, q_len, kv_len, dispatcher.choice(launch::Family::kMask)),
                    {&out});
  return out;
}

}  // namespace isometal::ops
