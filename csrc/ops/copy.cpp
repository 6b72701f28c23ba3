// csrc/ops/copy.cpp: views where they will do, else the copy kernels.
#include "ops/copy.h"

#include "launch/copy.h"

namespace isometal::ops {

Array contiguous(Dispatcher& dispatcher, const Array& x) {
  return x.is_contiguous() ? x : copy(dispatcher, x);
}

Array copy(Dispatcher& dispatcher, const Array& x) {
  Array out = dispatcher.empty(x.shape(), x.dtype());
  dispatcher.encode(
      launch::copy(itemsize(x.dtype()), out.layout(), x.layout(), dispatcher.choice(launch::Family::kCopy)),
      {&out, &x});
  return out;
}

Array reshape(Dispatcher& dispatcher, const Array& x, const Dims& shape) {
  if (auto view = x.reshape(shape)) return *view;
  return *copy(dispatcher, x).reshape(shape);
}

}  // namespace isometal::ops
