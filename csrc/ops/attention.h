// csrc/ops/attention.h: attention on the device.
#pragma once

#include "array.h"
#include "dispatcher/dispatcher.h"
#include "launch/attention.h"

namespace isometal::ops {

/// softmax(scale q k^T + mask) v for q (B, Hq, Tq, D), k (B, Hkv, Tkv, D), v (B, Hkv, Tkv, Dv). `mask` is for
/// kBool and kAdditive: it broadcasts to (B, Hq, Tq, Tkv).
Array attention(Dispatcher& dispatcher, const Array& q, const Array& k, const Array& v, float scale,
                launch::AttentionMask kind, const Array* mask);

}  // namespace isometal::ops
