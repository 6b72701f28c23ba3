// csrc/ops/attention.cpp: results allocated, plans encoded.
#include "ops/attention.h"

#include "ops/copy.h"

namespace isometal::ops {

Array attention(Dispatcher& dispatcher, const Array& q, const Array& k, const Array& v, float scale,
                launch::AttentionMask kind, const Array* mask) {
  const auto in_place = [&](const Array& array) {
    return launch::attention_reads(array.layout()) ? array : contiguous(dispatcher, array);
  };
  const Array queries = in_place(q), keys = in_place(k), values = in_place(v);
  launch::AttentionOperands operands{queries.layout(), keys.layout(), values.layout(), kind, {}};
  const Dims& shape = q.shape();
  if (mask != nullptr)
    operands.mask_layout = broadcast_to(mask->layout(), {shape[0], shape[1], shape[2], k.shape()[2]});
  Array out = dispatcher.empty({shape[0], shape[1], shape[2], v.shape()[3]}, q.dtype());
  dispatcher.encode(
      launch::attention(q.dtype(), operands, scale, dispatcher.choice(launch::Family::kAttention)),
      {&queries, &keys, &values, mask, &out});
  return out;
}

}  // namespace isometal::ops
