// csrc/ops/matmul.cpp: vectors as matrices, batches broadcast, copies of what kernels cannot read.
#include "ops/matmul.h"

#include <algorithm>
#include <utility>

#include "error.h"
#include "launch/matmul.h"
#include "ops/copy.h"

namespace isometal::ops {
namespace {

constexpr std::size_t kMatrix = 2;  // dimensions

Dims batch_of(const Layout& matrices) {
  return Dims(matrices.shape.begin(), matrices.shape.end() - kMatrix);
}

/// A layout of matrices in a batch of the given shape.
Layout in_batch(Layout matrices, const Dims& batch) {
  if (std::equal(batch.begin(), batch.end(), matrices.shape.begin(), matrices.shape.end() - kMatrix))
    return matrices;
  Dims shape = batch;
  shape.insert(shape.end(), matrices.shape.end() - kMatrix, matrices.shape.end());
  return broadcast_to(matrices, shape);
}

/// a as (..., m, k): a vector is one row.
Layout left(const Array& a) {
  Layout layout = a.layout();
  if (layout.shape.size() == 1) {
    layout.shape.insert(layout.shape.begin(), 1);
    layout.strides.insert(layout.strides.begin(), 0);
  }
  return layout;
}

/// b as (..., k, n): a vector is one column.
Layout right(const Array& b) {
  Layout layout = b.layout();
  if (layout.shape.size() == 1) {
    layout.shape.push_back(1);
    layout.strides.push_back(0);
  }
  return layout;
}

}  // namespace

Array matmul(Dispatcher& dispatcher, const Array& a, const Array& b) {
  if (a.ndim() == 0 || b.ndim() == 0) throw ShapeError("[matmul] operands need at least 1 dimension.");
  Layout x = left(a), y = right(b);
  if (x.shape.back() != y.shape.end()[-2]) {
    throw ShapeError("[matmul] inner dimensions differ: a has shape " + to_string(a.shape()) +
                     ", b has shape " + to_string(b.shape()) + ".");
  }
  const Dims batch = broadcast_shapes(batch_of(x), batch_of(y));
  Dims shape = batch;
  if (a.ndim() > 1) shape.push_back(x.shape.end()[-2]);
  if (b.ndim() > 1) shape.push_back(y.shape.back());

  const launch::MatmulChoice choice{dispatcher.choice(launch::Family::kGemm),
                                    dispatcher.choice(launch::Family::kGemv)};
  x = in_batch(std::move(x), batch);
  y = in_batch(std::move(y), batch);
  const auto [copy_a, copy_b] = launch::matmul_copies(x, y, choice);
  const Array readable_a = copy_a ? contiguous(dispatcher, a) : a;
  const Array readable_b = copy_b ? contiguous(dispatcher, b) : b;
  if (copy_a) x = in_batch(left(readable_a), batch);
  if (copy_b) y = in_batch(right(readable_b), batch);

  Array out = dispatcher.empty(shape, a.dtype());
  dispatcher.encode(launch::matmul(a.dtype(), x, y, choice), {&readable_a, &readable_b, &out});
  return out;
}

}  // namespace isometal::ops
