// csrc/launch/product.cpp: layouts to products.
#include "launch/product.h"

#include <limits>
#include <stdexcept>

#include "launch/plan.h"

namespace isometal::launch {
namespace {

constexpr std::int64_t kMaxExtent = std::numeric_limits<std::int32_t>::max();

/// Whether the innermost axis of the batch can be more rows of a, and makes it so.
bool fold(Product& product) {
  if (product.batch.axes.empty()) return false;
  const auto axis = product.batch.axes.front();
  if (axis.strides[1] != 0 || axis.size > kMaxExtent / product.a.rows) return false;
  Matrix folded = product.a;
  if (folded.rows == 1) folded.row_stride = axis.strides[0];
  folded.rows *= axis.size;
  const bool regular = axis.strides[0] == folded.row_stride * product.a.rows;
  if (!regular || (product.a.readable() && !folded.readable())) return false;
  product.a = folded;
  product.batch.axes.erase(product.batch.axes.begin());
  product.batch_size /= axis.size;
  return true;
}

}  // namespace

Matrix matrix(const Layout& layout) {
  const std::size_t rank = layout.shape.size();
  return {layout.shape[rank - 2], layout.shape[rank - 1], layout.strides[rank - 2], layout.strides[rank - 1]};
}

Product make_product(const Layout& a, const Layout& b) {
  Product product{matrix(a), matrix(b), {}, 1};
  const auto batch = static_cast<std::ptrdiff_t>(a.shape.size() - 2);
  const Dims shape(a.shape.begin(), a.shape.begin() + batch);
  const Dims a_strides(a.strides.begin(), a.strides.begin() + batch);
  const Dims b_strides(b.strides.begin(), b.strides.begin() + batch);
  product.batch = walk<2>(shape, {&a_strides, &b_strides});
  product.batch_size = element_count(shape);
  while (fold(product)) {
  }
  return product;
}

std::uint32_t to_extent(std::int64_t size) {
  if (size > kMaxExtent) throw std::length_error(message_of_size("an axis of a matrix", size, kMaxExtent));
  return static_cast<std::uint32_t>(size);
}

}  // namespace isometal::launch
