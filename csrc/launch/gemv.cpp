// csrc/launch/gemv.cpp: which side is the matrix; how many threadgroups share it.
#include "launch/gemv.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "launch/gemm.h"
#include "params/gemv.h"

namespace isometal::launch {
namespace {

// As in gemm.cpp: cycles of a GPU core, from facts/performance.md.
constexpr double kMemoryBytes = 8;  // per cycle and core
constexpr double kDispatch = 750;
constexpr std::int64_t kMaxSplits = 32;
/// Of k, at least: what the simdgroups of a threadgroup read at a time.
constexpr std::int64_t kDepthOfSplit = std::int64_t{GEMV_SIMDGROUPS} * kSimdWidth * GEMV_RUN;

/// A product seen as a matrix times vectors: a times the columns of b, or b transposed times the rows of a.
struct VectorProduct {
  bool matrix_is_a;
  Matrix matrix;   // rows of out's longer side x k
  Matrix vectors;  // few x k
};

Matrix transposed(const Matrix& x) {
  return {x.columns, x.rows, x.column_stride, x.row_stride};
}

std::optional<VectorProduct> vector_product(const Product& product) {
  const VectorProduct of_a{true, product.a, transposed(product.b)};
  const VectorProduct of_b{false, transposed(product.b), product.a};
  const auto fits = [](const VectorProduct& x) {
    return x.vectors.rows <= GEMV_MAX_VECTORS && x.matrix.readable();
  };
  const bool a_is_larger = product.m() >= product.n();
  const VectorProduct& first = a_is_larger ? of_a : of_b;
  const VectorProduct& second = a_is_larger ? of_b : of_a;
  if (fits(first)) return first;
  if (fits(second)) return second;
  return std::nullopt;
}

struct Variant {
  bool deep;
  std::int64_t splits;
};

std::int64_t rows_of_group(bool by_rows, bool deep) {
  if (by_rows) return GEMV_ROWS * (deep ? 1 : GEMV_SIMDGROUPS);
  return GEMV_RUN * (deep ? GEMV_LANES_DEEP : GEMV_LANES);
}

std::int64_t split_depth(std::int64_t depth, std::int64_t splits) {
  return ceil_div(ceil_div(std::max<std::int64_t>(depth, 1), splits), GEMV_RUN) * GEMV_RUN;
}

std::int64_t used_splits(std::int64_t depth, std::int64_t splits) {
  return std::max<std::int64_t>(1, ceil_div(depth, split_depth(depth, splits)));
}

double cost(const Product& product, const VectorProduct& x, bool by_rows, Variant variant, double cores,
            std::int64_t itemsize) {
  const std::int64_t rows = rows_of_group(by_rows, variant.deep);
  const std::int64_t groups = ceil_div(x.matrix.rows, rows) * variant.splits * product.batch_size;
  const double waves = std::ceil(static_cast<double>(groups) / cores);
  const auto bytes =
      static_cast<double>((rows + x.vectors.rows) * split_depth(product.k(), variant.splits) * itemsize);
  double cycles = waves * bytes / kMemoryBytes;
  if (variant.splits > 1)
    cycles +=
        kDispatch + 8.0 * static_cast<double>(variant.splits * out_size(product)) / (kMemoryBytes * cores);
  return cycles;
}

Variant choose(const Product& product, const VectorProduct& x, bool by_rows, std::int64_t itemsize,
               const Choice& choice) {
  const std::int64_t three = used_splits(product.k(), 3);
  if (choice.forced == "shallow") return {false, 1};
  if (choice.forced == "deep") return {true, 1};
  if (choice.forced == "shallow_split") return {false, three};
  if (choice.forced == "deep_split") return {true, three};
  Variant best{false, 1};
  double least = 0;
  for (const bool deep : {false, true}) {
    for (std::int64_t splits = 1; splits <= kMaxSplits; splits *= 2) {
      if (splits > 1 && split_depth(product.k(), splits) < kDepthOfSplit) break;
      const Variant variant{deep, used_splits(product.k(), splits)};
      const double cycles = cost(product, x, by_rows, variant, choice.traits.cores, itemsize);
      if (least > 0 && cycles >= least) continue;
      least = cycles;
      best = variant;
    }
  }
  return best;
}

}  // namespace

bool fits_gemv(const Product& product) {
  return vector_product(product).has_value();
}

Plan gemv(DType dtype, const Product& product, const Choice& choice) {
  Plan plan;
  const VectorProduct x = vector_product(product).value();
  // A lone row is one by rows. Rows of one element are no rows if they are neighbours: so a column.
  const bool by_rows =
      x.matrix.by_rows() && (x.matrix.columns > 1 || x.matrix.rows <= 1 || !x.matrix.by_columns());
  const auto [deep, splits] = choose(product, x, by_rows, itemsize(dtype), choice);
  const std::uint8_t matrix = x.matrix_is_a ? 0 : 1, vectors = x.matrix_is_a ? 1 : 0;
  GemvParams params{};
  params.rows = to_extent(x.matrix.rows);
  params.depth = to_extent(product.k());
  params.split_depth = to_extent(split_depth(product.k(), splits));
  params.matrix_pitch = by_rows ? x.matrix.row_stride : x.matrix.column_stride;
  params.vector_stride = x.vectors.column_stride;
  params.vector_pitch = x.vectors.row_stride;
  params.out_row_stride = x.matrix_is_a ? product.n() : 1;
  params.out_vector_stride = x.matrix_is_a ? 1 : product.n();
  params.out_batch_stride = static_cast<std::uint64_t>(product.m() * product.n());
  params.batch_axes = static_cast<std::uint32_t>(product.batch.axes.size());
  for (std::size_t axis = 0; axis < product.batch.axes.size(); ++axis) {
    params.batch_shape[axis] = to_u32(product.batch.axes[axis].size);
    params.matrix_batch_strides[axis] = product.batch.axes[axis].strides[matrix];
    params.vector_batch_strides[axis] = product.batch.axes[axis].strides[vectors];
  }
  const bool partial = splits > 1;
  Kernel kernel(Family::kGemv, KernelName("gemv_", name(dtype), by_rows ? "_rows" : "_columns"));
  kernel.set(GEMV_VECTORS, to_u32(x.vectors.rows)).set(GEMV_DEEP, deep).set(GEMV_PARTIAL, partial);
  if (by_rows) {
    kernel.set(GEMV_UNIT, x.vectors.by_rows());
  } else {
    kernel.set(GEMV_NARROW, x.matrix.rows < GEMV_RUN);
  }
  plan.add(kernel)
      .read(0, matrix)
      .read(1, vectors)
      .write(2, partial ? 3 : 2)
      .params(3, params)
      .threadgroups({to_u32(ceil_div(x.matrix.rows, rows_of_group(by_rows, deep))), to_u32(splits),
                     to_u32(product.batch_size)},
                    {GEMV_SIMDGROUPS * kSimdWidth});
  if (partial) add_sum(plan, dtype, out_size(product), splits);
  return plan;
}

}  // namespace isometal::launch
