// csrc/ops/copy.h: copies on the device.
#pragma once

#include "array.h"
#include "dispatcher/dispatcher.h"

namespace isometal::ops {

/// The array itself where it is contiguous, else a copy that is.
Array contiguous(Dispatcher& dispatcher, const Array& x);
/// A contiguous copy in memory of its own.
Array copy(Dispatcher& dispatcher, const Array& x);
/// A view where the strides allow one, else a contiguous copy.
Array reshape(Dispatcher& dispatcher, const Array& x, const Dims& shape);

}  // namespace isometal::ops
