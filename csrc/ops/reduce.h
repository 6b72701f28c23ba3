// csrc/ops/reduce.h: sums, means and maxima on the device.
#pragma once

#include "array.h"
#include "dispatcher/dispatcher.h"
#include "launch/reduce.h"

namespace isometal::ops {

/// op(x) over `axes`, which are sorted and unique; kept with size 1 where `keepdims`.
Array reduce(Dispatcher& dispatcher, launch::ReduceOp op, const Array& x, const Dims& axes, bool keepdims);

}  // namespace isometal::ops
