// csrc/ops/reduce.cpp: results allocated, plans encoded.
#include "ops/reduce.h"

#include <algorithm>

namespace isometal::ops {

Array reduce(Dispatcher& dispatcher, launch::ReduceOp op, const Array& x, const Dims& axes, bool keepdims) {
  Dims shape;
  for (std::size_t axis = 0; axis < x.ndim(); ++axis) {
    if (!std::binary_search(axes.begin(), axes.end(), static_cast<std::int64_t>(axis))) {
      shape.push_back(x.shape()[axis]);
    } else if (keepdims) {
      shape.push_back(1);
    }
  }
  const launch::Choice choice = dispatcher.choice(launch::Family::kReduce);
  if (choice.forced.empty() && x.size() == element_count(shape)) {
    // One element an output: nothing is to be done.
    if (std::optional<Array> view = x.reshape(shape)) return *view;
  }
  Array out = dispatcher.empty(shape, x.dtype());
  dispatcher.encode(launch::reduce(op, x.dtype(), x.layout(), axes, choice), {&x, &out});
  return out;
}

}  // namespace isometal::ops
