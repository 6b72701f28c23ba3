// csrc/ops/softmax.cpp: axes brought into one, plans encoded.
#include "ops/softmax.h"

#include "ops/copy.h"

namespace isometal::ops {

Array softmax(Dispatcher& dispatcher, const Array& x, const Dims& axes) {
  if (x.size() == 0) return dispatcher.empty(x.shape(), x.dtype());
  const launch::Choice choice = dispatcher.choice(launch::Family::kSoftmax);
  const launch::SoftmaxForm form = launch::softmax_form(x.layout(), axes, choice);
  switch (form.way) {
    case launch::SoftmaxForm::Way::kColumns: {
      Array out = dispatcher.empty(x.shape(), x.dtype());
      dispatcher.encode(launch::softmax_columns(x.dtype(), form.outer, form.size, form.columns), {&x, &out});
      return out;
    }
    case launch::SoftmaxForm::Way::kRows: {
      Array out = dispatcher.empty(x.shape(), x.dtype());
      dispatcher.encode(launch::softmax_rows(x.dtype(), form.rows, choice), {&x, &out});
      return out;
    }
    case launch::SoftmaxForm::Way::kCopied:
      break;
  }
  // The axes last, and in the result back where they were.
  const Array rows = contiguous(dispatcher, x.transpose(form.order));
  Array out = dispatcher.empty(rows.shape(), x.dtype());
  dispatcher.encode(launch::softmax_rows(x.dtype(), contiguous_layout({form.outer, form.size}), choice),
                    {&rows, &out});
  Dims back(form.order.size());
  for (std::size_t axis = 0; axis < back.size(); ++axis) {
    back[static_cast<std::size_t>(form.order[axis])] = static_cast<std::int64_t>(axis);
  }
  return out.transpose(back);
}

}  // namespace isometal::ops
