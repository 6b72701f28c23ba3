// csrc/launch/product.h: a batch of matrix products as the kernels of gemm and gemv see it.
#pragma once

#include <cstdint>

#include "launch/axes.h"
#include "layout.h"

namespace isometal::launch {

/// A matrix in memory: strides in elements.
struct Matrix {
  std::int64_t rows, columns;
  std::int64_t row_stride, column_stride;

  /// Elements of a row are neighbours, so that `row_stride` is the only other thing to know.
  bool by_rows() const { return column_stride == 1 || columns <= 1; }
  bool by_columns() const { return row_stride == 1 || rows <= 1; }
  bool readable() const { return by_rows() || by_columns(); }
};

/// The last two axes.
Matrix matrix(const Layout& layout);

/// out = a b for each entry of the batch, whose axes have strides for a and b. out is contiguous.
struct Product {
  Matrix a;  // m x k
  Matrix b;  // k x n
  Walk<2> batch;
  std::int64_t batch_size;

  std::int64_t m() const { return a.rows; }
  std::int64_t n() const { return b.columns; }
  std::int64_t k() const { return a.columns; }
};

/// From layouts (batch..., m, k) and (batch..., k, n) with equal batches, by strides of 0 where they
/// broadcast; not for empty results. Batch axes that share b become rows of a: the fewest and largest
/// products.
Product make_product(const Layout& a, const Layout& b);

/// The largest m, n, k: kernels calculate with a tile more in 32 bits. Throws std::length_error.
std::uint32_t to_extent(std::int64_t size);

/// Elements of out in the whole batch.
inline std::int64_t out_size(const Product& product) {
  return product.m() * product.n() * product.batch_size;
}

}  // namespace isometal::launch
