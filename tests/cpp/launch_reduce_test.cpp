// tests/cpp/launch_reduce_test.cpp: plans of sum, mean and max.
#include "launch/reduce.h"
#include "launch_support.h"
#include "params/reduce.h"

using isometal::launch::reduce;
using isometal::launch::ReduceOp;

namespace {

Plan sum(const Layout& x, const Dims& axes, std::string_view forced = "", DType dtype = DType::kFloat32) {
  return reduce(ReduceOp::kSum, dtype, x, axes, {{}, forced});
}

/// The kernels' names without the family, separated by spaces.
std::string kernels(const Plan& plan) {
  std::string names;
  for (const Dispatch& dispatch : plan.dispatches) {
    names += (names.empty() ? "" : " ") + std::string(dispatch.kernel.name().substr(7));
  }
  return names;
}

/// That each dispatch reads what the one before wrote, and the last writes the output.
void check_chain(const Plan& plan) {
  for (std::size_t i = 0; i < plan.dispatches.size(); ++i) {
    for (const Binding& binding : plan.dispatches[i]) {
      const bool last = i + 1 == plan.dispatches.size();
      CHECK_EQUAL(int{binding.operand}, binding.writes ? (last ? 1 : 2) : (i == 0 ? 0 : 2));
    }
  }
}

/// Elements of an output that one thread reduces for each accumulator, of 16 in rows and 4 in columns.
std::uint64_t chain(const Dispatch& dispatch) {
  if (dispatch.kernel.name().find("column") != std::string_view::npos) {
    const auto params = dispatch.params_as<ReduceColumnParams>();
    return params.rows_per_split / (dispatch.group.x / params.lanes) / 4;
  }
  const auto params = dispatch.params_as<ReduceRowParams>();
  if (params.repeats > 1) return 0;
  const std::uint32_t threads =
      dispatch.kernel.name().ends_with("_simd") ? constant(dispatch, REDUCE_LANES) : dispatch.group.x;
  return params.length_per_split / threads / 16;
}

}  // namespace

TEST_CASE(a_reduction_to_nothing_has_nothing_to_do) {
  CHECK(sum(contiguous_layout({0, 4}), {1}).dispatches.empty());
  CHECK_EQUAL(kernels(sum(contiguous_layout({0, 4}), {0})), "sum_float32_row_simd");
  CHECK_EQUAL(sum(contiguous_layout({0, 4}), {0}).dispatches[0].params_as<ReduceRowParams>().length,
              std::uint64_t{0});
  CHECK(sum(broadcast_to(contiguous_layout({0, 4}), {3, 0, 4}), {2}).dispatches.empty());
}

TEST_CASE(what_is_reduced_decides_between_rows_and_columns) {
  const Layout x = contiguous_layout({20, 30, 40});
  CHECK_EQUAL(kernels(sum(x, {2})), "sum_float32_row_simd");
  CHECK_EQUAL(kernels(sum(x, {1})), "sum_float32_column");
  CHECK_EQUAL(kernels(sum(x, {0, 2})), "sum_float32_row_group");
  CHECK_EQUAL(kernels(sum(x, {0, 1})), "sum_float32_column");
  CHECK_EQUAL(kernels(sum(transpose(x, {2, 1, 0}), {0})), "sum_float32_row_simd");
  CHECK_EQUAL(kernels(sum(contiguous_layout({100, 5000}), {1})), "sum_float32_row_group");
  // A neighbour that is only repeated is no neighbour.
  CHECK_EQUAL(kernels(sum(broadcast_to(Layout{{7, 1}, {1, 1}, 0}, {7, 5}), {1})), "sum_float32_column");
}

TEST_CASE(few_outputs_of_many_elements_are_reduced_in_two_passes) {
  const Plan rows = sum(contiguous_layout({10'000'000}), {0});
  CHECK_EQUAL(kernels(rows), "sum_float32_row_group sum_float32_row_group");
  check_chain(rows);
  CHECK_EQUAL(rows.dispatches[0].grid.x, 306U);
  CHECK_EQUAL(rows.temporaries.at(0), 306 * 4);
  const Plan columns = sum(contiguous_layout({1'000'000, 3}), {0});
  CHECK_EQUAL(kernels(columns), "sum_float32_column sum_float32_column");
  check_chain(columns);
  CHECK_EQUAL(columns.temporaries.at(0), std::int64_t{columns.dispatches[0].grid.z} * 3 * 4);
  // Enough rows fill the GPU as they are.
  CHECK_EQUAL(sum(contiguous_layout({2000, 100'000}), {1}).dispatches.size(), std::size_t{1});
}

TEST_CASE(two_passes_of_another_accumulator_have_kernels_of_their_own) {
  const auto two = [](ReduceOp op, DType dtype, const Dims& shape) {
    return kernels(reduce(op, dtype, contiguous_layout(shape), {0}, {}));
  };
  CHECK_EQUAL(two(ReduceOp::kSum, DType::kFloat16, {1'000'000}),
              "sum_float16_row_partial sum_float16_row_finish");
  CHECK_EQUAL(two(ReduceOp::kMean, DType::kBFloat16, {1'000'000, 2}),
              "sum_bfloat16_column_partial sum_bfloat16_column_finish");
  CHECK_EQUAL(two(ReduceOp::kMax, DType::kFloat32, {1'000'000}),
              "max_float32_row_partial max_float32_row_finish");
  CHECK_EQUAL(two(ReduceOp::kMax, DType::kBool, {1'000'000}), "max_bool_row_partial max_bool_row_finish");
  CHECK_EQUAL(two(ReduceOp::kMax, DType::kInt32, {1'000'000}), "max_int32_row_group max_int32_row_group");
  CHECK_EQUAL(two(ReduceOp::kSum, DType::kInt64, {1'000'000}), "sum_uint64_row_group sum_uint64_row_group");
  CHECK_EQUAL(two(ReduceOp::kSum, DType::kInt32, {1'000'000}), "sum_uint32_row_group sum_uint32_row_group");
  CHECK_EQUAL(sum(contiguous_layout({1'000'000}), {0}, "", DType::kInt64).temporaries.at(0) % 8, 0);
}

TEST_CASE(a_mean_is_divided_once_by_the_number_of_its_elements) {
  const auto mean = [](const Dims& shape, const Dims& axes) {
    return reduce(ReduceOp::kMean, DType::kFloat32, contiguous_layout(shape), axes, {});
  };
  const Plan rows = mean({1'000'000}, {0});
  CHECK_EQUAL(rows.dispatches[0].params_as<ReduceRowParams>().divisor, 1.0F);
  CHECK_EQUAL(rows.dispatches[1].params_as<ReduceRowParams>().divisor, 1e6F);
  const Plan columns = mean({1'000'000, 2}, {0});
  CHECK_EQUAL(columns.dispatches[0].params_as<ReduceColumnParams>().divisor, 1.0F);
  CHECK_EQUAL(columns.dispatches[1].params_as<ReduceColumnParams>().divisor, 1e6F);
  CHECK_EQUAL(mean({3, 4, 5}, {0, 2}).dispatches[0].params_as<ReduceRowParams>().divisor, 15.0F);
  CHECK_EQUAL(mean({0, 5}, {0}).dispatches[0].params_as<ReduceRowParams>().divisor, 0.0F);
}

TEST_CASE(axes_that_are_reduced_run_forwards_and_are_merged) {
  // (2, 3, 4) with every axis backwards.
  const Layout backwards = slice(contiguous_layout({2, 3, 4}), {{1, -1, -1}, {2, -1, -1}, {3, -1, -1}});
  const Plan all = sum(backwards, {0, 1, 2});
  const auto params = all.dispatches[0].params_as<ReduceRowParams>();
  CHECK_EQUAL(params.length, std::uint64_t{24});
  CHECK_EQUAL(params.repeats, std::uint64_t{1});
  CHECK_EQUAL(constant(all.dispatches[0], REDUCE_UNIT_STRIDE), 1U);
  CHECK_EQUAL(all.dispatches[0].begin()->offset, -23 * 4);
  const auto kept = sum(backwards, {2}).dispatches[0].params_as<ReduceRowParams>();
  CHECK_EQUAL(kept.axes.kept, 1U);
  CHECK_EQUAL(kept.axes.strides[0], -4);
}

TEST_CASE(columns_that_do_not_lie_side_by_side_are_taken_singly) {
  const auto width = [](const Layout& x) { return constant(sum(x, {0}).dispatches[0], REDUCE_UNIT_STRIDE); };
  CHECK_EQUAL(width(contiguous_layout({100, 4})), 1U);
  CHECK_EQUAL(width(contiguous_layout({100, 3})), 0U);
  CHECK_EQUAL(width(slice(contiguous_layout({100, 9}), {{0, 100, 1}, {0, 9, 2}})), 0U);
}

TEST_CASE(no_chain_of_additions_is_long) {
  for (const Dims& shape :
       {Dims{2000, 300'000}, Dims{1, 4 * kBillion / 2}, Dims{9000, 8192}, Dims{100'000, 8000}}) {
    for (const Dims& axes : {Dims{1}, Dims{0}, Dims{0, 1}}) {
      const Plan plan = sum(contiguous_layout(shape), axes);
      for (const Dispatch& dispatch : plan.dispatches) CHECK(chain(dispatch) <= 64);
    }
  }
}

TEST_CASE(a_forced_reduction_is_used_where_it_can_be) {
  const Layout x = contiguous_layout({50, 60});
  CHECK_EQUAL(kernels(sum(x, {1}, "row_group")), "sum_float32_row_group");
  CHECK_EQUAL(kernels(sum(x, {1}, "row_split")), "sum_float32_row_group sum_float32_row_group");
  CHECK_EQUAL(kernels(sum(x, {1}, "column")), "sum_float32_column");
  CHECK_EQUAL(kernels(sum(x, {0}, "column_split")), "sum_float32_column sum_float32_column");
  CHECK_EQUAL(kernels(sum(x, {0}, "row_simd")), "sum_float32_row_simd");
  CHECK_EQUAL(constant(sum(x, {0}, "row_simd").dispatches[0], REDUCE_UNIT_STRIDE), 0U);
  // One element cannot be split, nor is anything left to be columns of.
  CHECK_EQUAL(kernels(sum(contiguous_layout({50, 1}), {1}, "row_split")), "sum_float32_row_group");
  CHECK_EQUAL(kernels(sum(contiguous_layout({1}), {0})), "sum_float32_row_simd");
  const Plan all = sum(x, {0, 1}, "column");
  CHECK_EQUAL(kernels(all), "sum_float32_column");
  CHECK_EQUAL(all.dispatches[0].params_as<ReduceColumnParams>().columns, 1U);
}

TEST_CASE(reductions_reach_beyond_32_bits) {
  // Merged axes would be 6e9 elements, more than a run's length can say.
  const Plan all = sum(contiguous_layout({3, 2 * kBillion}), {0, 1});
  const auto whole = all.dispatches[0].params_as<ReduceRowParams>();
  CHECK_EQUAL(whole.length, std::uint64_t{2 * kBillion});
  CHECK_EQUAL(whole.repeats, std::uint64_t{3});
  CHECK_EQUAL(whole.axes.strides[0], 2 * kBillion);
  check_chain(all);
  // As many outputs: rows, then columns.
  const Plan rows = sum(contiguous_layout({3, 2 * kBillion, 5}), {2});
  CHECK_EQUAL(rows.dispatches[0].params_as<ReduceRowParams>().rows, std::uint64_t{6 * kBillion});
  CHECK(std::uint64_t{rows.dispatches[0].grid.x} * rows.dispatches[0].grid.y * 256 >= 6 * kBillion);
  const Plan columns = sum(contiguous_layout({3, 5, 2 * kBillion}), {1});
  const auto params = columns.dispatches[0].params_as<ReduceColumnParams>();
  CHECK_EQUAL(columns.dispatches.size(), std::size_t{1});
  CHECK_EQUAL(params.units, std::uint64_t{3 * kBillion / 2});
  CHECK_EQUAL(params.axes.strides[0], 10 * kBillion);
  CHECK_EQUAL(params.axes.out_strides[0], 2 * kBillion);
  // One axis, reduced as a run and as rows of columns, and kept.
  const Plan run = sum(contiguous_layout({5 * kBillion}), {0});
  const auto part = run.dispatches[0].params_as<ReduceRowParams>();
  CHECK_EQUAL(part.length, std::uint64_t{5 * kBillion});
  CHECK(std::uint64_t{part.length_per_split} * part.length_splits >= part.length);
  check_chain(run);
  const Plan tall = sum(contiguous_layout({5 * kBillion, 3}), {0});
  CHECK_EQUAL(tall.dispatches[0].params_as<ReduceColumnParams>().rows, std::uint64_t{5 * kBillion});
  check_chain(tall);
  CHECK_EQUAL(sum(contiguous_layout({5 * kBillion, 3}), {1}).dispatches[0].params_as<ReduceRowParams>().rows,
              std::uint64_t{5 * kBillion});
  const auto wide =
      sum(contiguous_layout({3, 5 * kBillion}), {0}).dispatches[0].params_as<ReduceColumnParams>();
  CHECK_EQUAL(wide.columns, std::uint64_t{5 * kBillion});
  CHECK_EQUAL(wide.blocks, std::uint64_t{5 * kBillion / 4});
  // A row for each threadgroup, more than one dimension of the grid holds.
  const Plan groups = sum(contiguous_layout({3 * kBillion, 9000}), {1}, "row_group");
  CHECK(std::uint64_t{groups.dispatches[0].grid.y} * groups.dispatches[0].grid.z >= 3 * kBillion);
}

TEST_CASE(columns_beyond_32_bits_take_one_pass) {
  CHECK_EQUAL(sum(contiguous_layout({5000, 3 * kBillion}), {0}, "column_split").dispatches.size(),
              std::size_t{1});
  CHECK_EQUAL(sum(contiguous_layout({5000, 3000}), {0}, "column_split").dispatches.size(), std::size_t{2});
}
