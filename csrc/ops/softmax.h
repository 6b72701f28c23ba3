// csrc/ops/softmax.h: softmax on the device.
#pragma once

#include "array.h"
#include "dispatcher/dispatcher.h"
#include "launch/softmax.h"

namespace isometal::ops {

/// exp(x - max) / sum(exp(x - max)) over `axes`, which are sorted and unique. In float32 whatever the dtype.
Array softmax(Dispatcher& dispatcher, const Array& x, const Dims& axes);

}  // namespace isometal::ops
