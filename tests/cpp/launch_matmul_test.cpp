// tests/cpp/launch_matmul_test.cpp: plans of matrix products.
#include "launch/matmul.h"

#include <set>
#include <stdexcept>

#include "launch/gemm.h"
#include "launch/gemv.h"
#include "launch_support.h"
#include "params/gemm.h"
#include "params/gemv.h"

using isometal::launch::choose_gemm;
using isometal::launch::kTiles;
using isometal::launch::make_product;
using isometal::launch::matmul;
using isometal::launch::matmul_copies;
using isometal::launch::MatmulChoice;
using isometal::launch::MatmulCopies;
using isometal::launch::Product;

namespace {

Layout matrix(std::int64_t rows, std::int64_t columns) {
  return contiguous_layout({rows, columns});
}

Layout flipped(std::int64_t rows, std::int64_t columns) {
  return transpose(matrix(columns, rows), {1, 0});
}

MatmulChoice forced_gemm(std::string_view variant) {
  return {{{}, variant}, {}};
}

MatmulChoice forced_gemv(std::string_view variant) {
  return {{}, {{}, variant}};
}

const isometal::launch::Tile& chosen(std::int64_t m, std::int64_t k, std::int64_t n, std::int64_t itemsize,
                                     DeviceTraits traits = {}) {
  return *choose_gemm(make_product(matrix(m, k), matrix(k, n)), itemsize, traits).tile;
}

std::int64_t splits(std::int64_t m, std::int64_t k, std::int64_t n, DeviceTraits traits = {}) {
  return choose_gemm(make_product(matrix(m, k), matrix(k, n)), 4, traits).splits;
}

}  // namespace

TEST_CASE(a_product_without_results_has_nothing_to_do) {
  CHECK(matmul(DType::kFloat32, matrix(0, 4), matrix(4, 3)).dispatches.empty());
  CHECK(matmul(DType::kFloat32, matrix(3, 4), matrix(4, 0)).dispatches.empty());
  CHECK(
      matmul(DType::kFloat32, contiguous_layout({0, 3, 4}), contiguous_layout({0, 4, 5})).dispatches.empty());
  CHECK(matmul_copies(matrix(0, 4), matrix(4, 3)) == MatmulCopies{});
  CHECK(matmul_copies({{30, 0}, {3, 2}, 0}, {{0, 50}, {3, 2}, 0}) == MatmulCopies{});
}

TEST_CASE(sums_of_nothing_are_stored) {
  const Plan wide = matmul(DType::kFloat32, matrix(30, 0), matrix(0, 50));
  CHECK_EQUAL(wide.dispatches.size(), std::size_t{1});
  CHECK_EQUAL(wide.dispatches[0].params_as<GemmParams>().k, 0U);
  const Plan narrow = matmul(DType::kFloat32, matrix(30, 0), matrix(0, 2));
  CHECK_EQUAL(narrow.dispatches.size(), std::size_t{1});
  CHECK_EQUAL(narrow.dispatches[0].params_as<GemvParams>().depth, 0U);
}

TEST_CASE(a_gemm_is_told_how_its_operands_lie) {
  const Plan plan = matmul(DType::kBFloat16, flipped(130, 70), matrix(70, 128), forced_gemm("64x64x16"));
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{1});
  const Dispatch& dispatch = plan.dispatches[0];
  CHECK_EQUAL(dispatch.kernel.name(), "gemm_bfloat16_64x64x16");
  CHECK_EQUAL(constant(dispatch, GEMM_A_TRANSPOSED), 1U);
  CHECK_EQUAL(constant(dispatch, GEMM_B_TRANSPOSED), 0U);
  CHECK_EQUAL(constant(dispatch, GEMM_ALIGNED_M), 0U);
  CHECK_EQUAL(constant(dispatch, GEMM_ALIGNED_N), 1U);
  CHECK_EQUAL(constant(dispatch, GEMM_ALIGNED_K), 0U);
  CHECK_EQUAL(constant(dispatch, GEMM_PARTIAL), 0U);
  CHECK(dispatch.grid == (Size3{6, 1, 1}));
  CHECK(dispatch.group == (Size3{128, 1, 1}));
  const auto params = dispatch.params_as<GemmParams>();
  CHECK_EQUAL(params.m, 130U);
  CHECK_EQUAL(params.n, 128U);
  CHECK_EQUAL(params.k, 70U);
  CHECK_EQUAL(params.tiles_m, 3U);
  CHECK_EQUAL(params.tiles_n, 2U);
  CHECK(params.band >= 1 && params.band <= 3);
  CHECK_EQUAL(params.split_depth, 80U);
  CHECK_EQUAL(params.a_pitch, 130);
  CHECK_EQUAL(params.b_pitch, 128);
}

TEST_CASE(every_tile_can_be_forced_with_and_without_splits) {
  for (const auto& tile : kTiles) {
    const Layout a = matrix(100, 200), b = matrix(200, 90);
    const Plan whole = matmul(DType::kFloat32, a, b, forced_gemm(tile.name));
    CHECK_EQUAL(whole.dispatches[0].kernel.name(), "gemm_float32_" + std::string(tile.name));
    CHECK_EQUAL(whole.dispatches.size(), std::size_t{1});
    const std::string split_name = std::string(tile.name) + "_split";
    const Plan split = matmul(DType::kFloat32, a, b, forced_gemm(split_name));
    CHECK_EQUAL(split.dispatches.size(), std::size_t{2});
    CHECK_EQUAL(split.dispatches[0].kernel.name(), "gemm_float32_" + std::string(tile.name));
    CHECK_EQUAL(constant(split.dispatches[0], GEMM_PARTIAL), 1U);
    const auto params = split.dispatches[0].params_as<GemmParams>();
    CHECK_EQUAL(params.split_depth % tile.k, 0);
    const auto sum = split.dispatches[1].params_as<GemmSumParams>();
    CHECK_EQUAL(split.dispatches[1].kernel.name(), "gemm_sum_float32");
    CHECK_EQUAL(sum.size, 9000U);
    CHECK_EQUAL(sum.splits, split.dispatches[0].grid.y);
    CHECK((sum.splits - 1) * params.split_depth < 200 && sum.splits * params.split_depth >= 200);
    CHECK_EQUAL(split.temporaries.size(), std::size_t{1});
    CHECK_EQUAL(split.temporaries[0], 9000 * 4 * static_cast<std::int64_t>(sum.splits));
  }
}

TEST_CASE(a_short_sum_is_not_split) {
  const Plan plan = matmul(DType::kFloat32, matrix(100, 9), matrix(9, 90), forced_gemm("64x64x16_split"));
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{1});
  CHECK(plan.temporaries.empty());
}

TEST_CASE(a_variant_that_does_not_exist_is_the_planners_choice) {
  const Layout a = matrix(100, 200), b = matrix(200, 90);
  const auto name = [&](const MatmulChoice& choice) {
    return std::string(matmul(DType::kFloat32, a, b, choice).dispatches[0].kernel.name());
  };
  CHECK_EQUAL(name(forced_gemm("64x64x16_twice")), name({}));
}

TEST_CASE(a_gemm_is_told_that_b_is_transposed) {
  const Dispatch dispatch = matmul(DType::kFloat32, matrix(60, 50), flipped(50, 40)).dispatches[0];
  CHECK_EQUAL(constant(dispatch, GEMM_B_TRANSPOSED), 1U);
  CHECK_EQUAL(dispatch.params_as<GemmParams>().b_pitch, 50);
}

TEST_CASE(a_gemv_walks_its_batch_by_strides) {
  const Layout a = contiguous_layout({4, 3, 90, 60}),
               b = broadcast_to(contiguous_layout({3, 60, 1}), {4, 3, 60, 1});
  const Dispatch dispatch = matmul(DType::kFloat32, a, b).dispatches[0];
  const auto params = dispatch.params_as<GemvParams>();
  CHECK_EQUAL(dispatch.grid.z, 12U);
  CHECK_EQUAL(params.batch_axes, 2U);
  CHECK_EQUAL(params.batch_shape[0], 3U);
  CHECK_EQUAL(params.matrix_batch_strides[1], 3 * 90 * 60);
  CHECK_EQUAL(params.vector_batch_strides[0], 60);
  CHECK_EQUAL(params.vector_batch_strides[1], 0);
}

TEST_CASE(rows_of_one_element_are_a_column_only_as_neighbours) {
  const auto name = [](const Layout& a) {
    return std::string(matmul(DType::kFloat32, a, matrix(1, 3)).dispatches[0].kernel.name());
  };
  CHECK_EQUAL(name({{90, 1}, {1, 1}, 0}), "gemv_float32_columns");
  CHECK_EQUAL(name({{90, 1}, {7, 1}, 0}), "gemv_float32_rows");
  CHECK_EQUAL(name({{90, 1}, {7, 5}, 0}), "gemv_float32_rows");
  CHECK_EQUAL(std::string(matmul(DType::kFloat32, matrix(1, 1), matrix(1, 1)).dispatches[0].kernel.name()),
              "gemv_float32_rows");
}

TEST_CASE(large_products_take_large_tiles) {
  for (const std::int64_t itemsize : {2, 4}) {
    CHECK_EQUAL(chosen(4096, 4096, 4096, itemsize).name, "64x64x16");
    CHECK_EQUAL(chosen(4096, 4096, 4096, itemsize, {40, true}).name, "32x32x8_direct");
  }
  CHECK_EQUAL(chosen(1024, 1024, 1024, 4).name, "64x64x16");
  CHECK_EQUAL(splits(4096, 4096, 4096), 1);
}

TEST_CASE(tiles_fit_small_products) {
  CHECK_EQUAL(chosen(16, 512, 4096, 2).name, "16x64x32");
  CHECK_EQUAL(chosen(4096, 512, 16, 2).name, "64x16x32");
  CHECK(chosen(32, 512, 32, 4).name == "32x32x16");
}

TEST_CASE(direct_tiles_are_for_apple9) {
  std::set<std::string_view> with, without;
  for (const std::int64_t size : {16, 40, 100, 256, 500, 1024, 3000}) {
    with.insert(chosen(size, size, size, 2, {40, true}).name);
    without.insert(chosen(size, size, size, 2, {40, false}).name);
  }
  CHECK(with.contains("32x32x8_direct"));
  CHECK(!without.contains("32x32x8_direct"));
}

TEST_CASE(few_tiles_and_a_long_sum_are_split) {
  CHECK(splits(64, 16384, 64) > 1);
  CHECK(splits(64, 16384, 64, {40, false}) >= splits(64, 16384, 64, {10, false}));
  CHECK_EQUAL(splits(64, 64, 64), 1);
  CHECK_EQUAL(splits(2048, 16384, 2048), 1);
}

TEST_CASE(batches_that_share_b_are_rows_of_one_product) {
  const Layout a = contiguous_layout({5, 7, 30, 64});
  const Product product = make_product(a, broadcast_to(matrix(64, 90), {5, 7, 64, 90}));
  CHECK(product.batch.axes.empty());
  CHECK_EQUAL(product.batch_size, 1);
  CHECK_EQUAL(product.m(), 5 * 7 * 30);
  CHECK_EQUAL(product.a.row_stride, 64);
}

TEST_CASE(lone_rows_far_apart_are_rows_of_one_product) {
  // x[:, -1:, :] of (9, 20, 64), as in a decoder's last step.
  const Product product =
      make_product({{9, 1, 64}, {20 * 64, 64, 1}, 0}, broadcast_to(matrix(64, 90), {9, 64, 90}));
  CHECK_EQUAL(product.m(), 9);
  CHECK_EQUAL(product.a.row_stride, 20 * 64);
}

TEST_CASE(batches_that_cannot_be_rows_stay_batches) {
  const Layout b = broadcast_to(matrix(64, 90), {5, 64, 90});
  // Columns of a are contiguous: its rows in the next matrix do not go on where those of this one end.
  CHECK_EQUAL(make_product({{5, 30, 64}, {30 * 64, 1, 30}, 0}, b).batch_size, 5);
  CHECK_EQUAL(make_product({{5, 30, 64}, {31 * 64, 64, 1}, 0}, b).batch_size, 5);
  CHECK_EQUAL(make_product(contiguous_layout({5, 30, 64}), contiguous_layout({5, 64, 90})).batch_size, 5);
  // What must be copied anyway may become rows.
  CHECK_EQUAL(make_product({{5, 30, 64}, {30 * 128, 128, 2}, 0}, b).batch_size, 1);
  // A lone row that becomes rows must stay readable: here neither k nor the rows would be neighbours.
  CHECK_EQUAL(make_product({{5, 1, 64}, {500, 0, 3}, 0}, b).batch_size, 5);
  // More rows than a kernel counts.
  const std::int64_t many = std::int64_t{1} << 20;
  CHECK_EQUAL(
      make_product(contiguous_layout({many, 4096, 2}), broadcast_to(matrix(2, 90), {many, 2, 90})).batch_size,
      many);
}

TEST_CASE(batch_axes_are_walked_by_strides) {
  const Layout a = broadcast_to(contiguous_layout({4, 1, 20, 30}), {4, 3, 20, 30});
  const Layout b = broadcast_to(contiguous_layout({3, 30, 40}), {4, 3, 30, 40});
  const Plan plan = matmul(DType::kFloat32, a, b);
  const auto params = plan.dispatches[0].params_as<GemmParams>();
  CHECK_EQUAL(plan.dispatches[0].grid.z, 12U);
  CHECK_EQUAL(params.batch_axes, 2U);
  CHECK_EQUAL(params.batch_shape[0], 3U);
  CHECK_EQUAL(params.batch_shape[1], 4U);
  CHECK_EQUAL(params.a_batch_strides[0], 0);
  CHECK_EQUAL(params.a_batch_strides[1], 600);
  CHECK_EQUAL(params.b_batch_strides[0], 1200);
  CHECK_EQUAL(params.b_batch_strides[1], 0);
}

TEST_CASE(what_has_no_contiguous_side_is_copied) {
  const Layout good = matrix(60, 60);
  const Layout skipped{{60, 60}, {240, 2}, 0}, backwards{{60, 60}, {60, -1}, 59},
      repeated{{60, 60}, {2, 0}, 0};
  const Layout upside_down{{60, 60}, {-60, 1}, 59 * 60}, one_row{{60, 60}, {0, 1}, 0};
  for (const Layout& bad : {skipped, backwards, repeated}) {
    CHECK(matmul_copies(bad, good) == (MatmulCopies{true, false}));
    CHECK(matmul_copies(good, bad) == (MatmulCopies{false, true}));
    CHECK(matmul_copies(bad, bad) == (MatmulCopies{true, true}));
  }
  for (const Layout& fine : {good, upside_down, one_row, flipped(60, 60)}) {
    CHECK(matmul_copies(fine, good) == MatmulCopies{});
    CHECK(matmul_copies(good, fine) == MatmulCopies{});
  }
}

TEST_CASE(vectors_need_no_copy_however_they_lie) {
  const Layout vectors{{60, 3}, {-14, 2}, 59 * 14};
  CHECK(matmul_copies(matrix(90, 60), vectors) == MatmulCopies{});
  CHECK(matmul_copies(matrix(90, 60), vectors, forced_gemm("32x32x16")) == (MatmulCopies{false, true}));
  const Layout skipped{{90, 60}, {240, 2}, 0};
  CHECK(!(matmul_copies(skipped, matrix(60, 60)) == (MatmulCopies{false, false})));
  CHECK(!(matmul_copies(skipped, matrix(60, 60)) == (MatmulCopies{true, true})));
  CHECK(matmul_copies(skipped, vectors) == (MatmulCopies{true, true}));
}

TEST_CASE(short_sides_take_gemv_and_either_operand_can_be_the_matrix) {
  const struct {
    Layout a, b;
    std::string_view kernel;
    std::uint32_t vectors;
    int matrix;
  } cases[] = {
      {matrix(90, 60), matrix(60, 1), "gemv_float32_rows", 1, 0},
      {flipped(90, 60), matrix(60, 8), "gemv_float32_columns", 8, 0},
      {matrix(1, 60), matrix(60, 90), "gemv_float32_columns", 1, 1},
      {matrix(8, 60), flipped(60, 90), "gemv_float32_rows", 8, 1},
      {matrix(5, 60), flipped(60, 5), "gemv_float32_rows", 5, 0},
      {matrix(1, 60), matrix(60, 1), "gemv_float32_rows", 1, 0},
      {matrix(90, 1), matrix(1, 3), "gemv_float32_columns", 3, 0},
      {matrix(9, 60), matrix(60, 9), "", 0, 0},
  };
  for (const auto& expected : cases) {
    const Plan plan = matmul(DType::kFloat32, expected.a, expected.b);
    const Dispatch& dispatch = plan.dispatches[0];
    if (expected.kernel.empty()) {
      CHECK(dispatch.kernel.family() == isometal::launch::Family::kGemm);
      continue;
    }
    CHECK_EQUAL(dispatch.kernel.name(), expected.kernel);
    CHECK_EQUAL(constant(dispatch, GEMV_VECTORS), expected.vectors);
    CHECK_EQUAL(static_cast<int>(dispatch.begin()[0].operand), expected.matrix);
    CHECK_EQUAL(static_cast<int>(dispatch.begin()[1].operand), 1 - expected.matrix);
  }
}

TEST_CASE(the_matrix_of_a_gemv_is_the_operand_that_can_be_read) {
  // Both sides are short, and the larger one has no contiguous side.
  const Plan plan = matmul(DType::kFloat32, {{6, 60}, {240, 2}, 0}, matrix(60, 5));
  CHECK_EQUAL(static_cast<int>(plan.dispatches[0].begin()[0].operand), 1);
  const auto params = plan.dispatches[0].params_as<GemvParams>();
  CHECK_EQUAL(params.rows, 5U);
  CHECK_EQUAL(params.out_row_stride, 1);
  CHECK_EQUAL(params.out_vector_stride, 5);
  CHECK_EQUAL(params.vector_stride, 2);
  CHECK_EQUAL(params.vector_pitch, 240);
}

TEST_CASE(variants_of_gemv_can_be_forced) {
  for (const std::string_view variant : {"shallow", "deep", "shallow_split", "deep_split"}) {
    const Plan plan = matmul(DType::kFloat16, matrix(100, 5000), matrix(5000, 2), forced_gemv(variant));
    const bool deep = variant.starts_with("deep"), split = variant.ends_with("split");
    CHECK_EQUAL(constant(plan.dispatches[0], GEMV_DEEP), deep ? 1U : 0U);
    CHECK_EQUAL(constant(plan.dispatches[0], GEMV_PARTIAL), split ? 1U : 0U);
    CHECK(plan.dispatches[0].grid == (Size3{deep ? 25U : 4U, split ? 3U : 1U, 1}));
    CHECK_EQUAL(plan.dispatches.size(), std::size_t{split ? 2U : 1U});
  }
}

TEST_CASE(threadgroups_of_gemv_share_the_sum_where_rows_are_few) {
  const auto plan = [](std::int64_t rows, std::int64_t depth) {
    return matmul(DType::kFloat32, matrix(rows, depth), matrix(depth, 1));
  };
  CHECK_EQUAL(constant(plan(100000, 1000).dispatches[0], GEMV_DEEP), 0U);
  CHECK_EQUAL(plan(100000, 1000).dispatches.size(), std::size_t{1});
  CHECK_EQUAL(constant(plan(40, 4000).dispatches[0], GEMV_DEEP), 1U);
  CHECK_EQUAL(plan(1, 10'000'000).dispatches.size(), std::size_t{2});
  CHECK_EQUAL(plan(1, 500).dispatches.size(), std::size_t{1});
}

TEST_CASE(offsets_of_products_pass_32_bits) {
  const std::int64_t large = 100'000;
  const Plan plan = matmul(DType::kFloat16, matrix(large, large), matrix(large, large));
  const auto params = plan.dispatches[0].params_as<GemmParams>();
  CHECK_EQUAL(params.a_pitch, large);
  CHECK_EQUAL(std::int64_t{params.tiles_m} * params.tiles_n, std::int64_t{plan.dispatches[0].grid.x});
  const Plan vector = matmul(DType::kFloat32, matrix(large, large), matrix(large, 1));
  CHECK_EQUAL(vector.dispatches[0].params_as<GemvParams>().out_batch_stride,
              static_cast<std::uint64_t>(large));
  // A batch whose result has more than 2^32 elements.
  const Plan batch =
      matmul(DType::kFloat16, contiguous_layout({70000, 300, 20}), contiguous_layout({70000, 20, 300}));
  CHECK_EQUAL(batch.dispatches[0].grid.z, 70000U);
  CHECK_EQUAL(batch.dispatches[0].params_as<GemmParams>().a_batch_strides[0], 6000);
}

TEST_CASE(an_extent_beyond_31_bits_is_refused) {
  const std::int64_t too_long = std::int64_t{1} << 31;
  bool refused = false;
  try {
    matmul(DType::kFloat32, matrix(1, too_long), matrix(too_long, 1));
  } catch (const std::length_error&) {
    refused = true;
  }
  CHECK(refused);
}
