// csrc/ops/matmul.h: matrix products on the device.
#pragma once

#include "array.h"
#include "dispatcher/dispatcher.h"

namespace isometal::ops {

/// As np.matmul, for one floating dtype; sums are in float32. Throws ShapeError where shapes do not fit.
Array matmul(Dispatcher& dispatcher, const Array& a, const Array& b);

}  // namespace isometal::ops
