// tests/cpp/launch_softmax_test.cpp: plans of softmax, and how axes become rows or columns.
#include "launch/softmax.h"
#include "launch_support.h"
#include "params/softmax.h"

using isometal::launch::softmax_columns;
using isometal::launch::softmax_form;
using isometal::launch::softmax_rows;
using isometal::launch::SoftmaxForm;

namespace {

using Way = SoftmaxForm::Way;

Plan rows(const Dims& shape, std::string_view forced = "") {
  return softmax_rows(DType::kFloat32, contiguous_layout(shape), {{}, forced});
}

/// The kernels' names without family and dtype, separated by spaces.
std::string kernels(const Plan& plan) {
  std::string names;
  for (const Dispatch& dispatch : plan.dispatches) {
    const std::string name(dispatch.kernel.name());
    names += (names.empty() ? "" : " ") + name.substr(name.find("float32_") + 8);
  }
  return names;
}

Way way(const Layout& x, const Dims& axes, std::string_view forced = "") {
  return softmax_form(x, axes, {{}, forced}).way;
}

}  // namespace

TEST_CASE(a_softmax_of_nothing_has_nothing_to_do) {
  CHECK(rows({0, 4}).dispatches.empty());
  CHECK(rows({4, 0}).dispatches.empty());
  CHECK(softmax_columns(DType::kFloat32, 0, 3, 4).dispatches.empty());
  CHECK(softmax_columns(DType::kFloat32, 3, 0, 4).dispatches.empty());
  CHECK(softmax_columns(DType::kFloat32, 3, 4, 0).dispatches.empty());
}

TEST_CASE(a_softmax_takes_the_least_team_that_holds_a_row) {
  CHECK_EQUAL(kernels(rows({3, 768})), "row_simdgroup");
  CHECK_EQUAL(kernels(rows({3, 769})), "row_register");
  CHECK_EQUAL(kernels(rows({3, 16384})), "row_register");
  CHECK_EQUAL(kernels(rows({3, 16385})), "row_part row_finish");
  CHECK_EQUAL(kernels(rows({128, 16385})), "row_loop");
  CHECK_EQUAL(kernels(rows({3, 50}, "row_register")), "row_register");
  CHECK_EQUAL(kernels(rows({3, 50}, "row_loop")), "row_loop");
  CHECK_EQUAL(kernels(rows({3, 50}, "row_split")), "row_part row_finish");
  CHECK_EQUAL(kernels(rows({3, 2000}, "row_simdgroup")), "row_register");
  CHECK_EQUAL(kernels(rows({3, 20000}, "row_register")), "row_part row_finish");
}

TEST_CASE(a_row_fits_the_registers_of_its_team) {
  for (std::int64_t size = 1; size <= 16384; size += size < 900 ? 1 : 61) {
    for (const std::string_view forced : {"", "row_register"}) {
      const Plan plan = rows({20, size}, forced);
      const Dispatch& dispatch = plan.dispatches.at(0);
      const std::int64_t threads = kernels(plan) == "row_simdgroup" ? 32 : dispatch.group.x;
      const std::int64_t chunks = constant(plan.dispatches.at(0), SOFTMAX_CHUNKS);
      CHECK(chunks <= SOFTMAX_MAX_CHUNKS && threads * chunks * SOFTMAX_VECTOR >= size);
      CHECK(dispatch.group.x % 32 == 0 && dispatch.group.x <= SOFTMAX_MAX_THREADS);
    }
  }
}

TEST_CASE(few_long_rows_are_split_into_parts) {
  for (const Dims& shape : {Dims{1, 10'000'001}, Dims{5, 1'000'000}, Dims{100, 50'000}, Dims{127, 16385}}) {
    const Plan plan = rows(shape);
    CHECK_EQUAL(kernels(plan), "row_part row_finish");
    const auto params = plan.dispatches[0].params_as<SoftmaxRowParams>();
    CHECK(params.part * params.parts >= params.size && params.part * (params.parts - 1) < params.size);
    CHECK_EQUAL(params.part % SOFTMAX_VECTOR, std::uint64_t{0});
    CHECK_EQUAL(plan.temporaries.at(0), shape[0] * params.parts * 8);
    CHECK(plan.dispatches[0].grid == plan.dispatches[1].grid);
    // The second pass reads what the first one writes, and writes the result.
    for (const Binding& binding : plan.dispatches[0])
      CHECK_EQUAL(int{binding.operand}, binding.writes ? 2 : 0);
    for (const Binding& binding : plan.dispatches[1]) CHECK(binding.writes == (binding.operand == 1));
  }
}

TEST_CASE(axes_that_come_last_are_rows_where_they_lie) {
  const Layout x = contiguous_layout({4, 5, 6, 7});
  CHECK(way(x, {3}) == Way::kRows);
  CHECK(way(x, {2, 3}) == Way::kRows);
  CHECK_EQUAL(softmax_form(x, {2, 3}, {}).rows.shape.back(), std::int64_t{42});
  CHECK(way(transpose(x, {1, 0, 2, 3}), {3}) == Way::kRows);
  CHECK(way(slice(x, {{0, 4, 1}, {0, 5, 1}, {5, -1, -2}, {1, 6, 1}}), {3}) == Way::kRows);
  CHECK(way(slice(x, {{0, 4, 1}, {0, 5, 1}, {0, 6, 1}, {6, -1, -1}}), {3}) == Way::kCopied);
  CHECK(way(transpose(x, {3, 2, 1, 0}), {3}) == Way::kCopied);
  // Two axes that do not merge.
  CHECK(way(transpose(x, {0, 1, 3, 2}), {2, 3}) == Way::kCopied);
  // Axes of size 1 do not matter; no axes are rows of one element.
  CHECK(way(contiguous_layout({4, 5, 1}), {1}) == Way::kRows);
  CHECK(way(contiguous_layout({4, 1, 5, 1}), {1, 2}) == Way::kRows);
  CHECK(way(contiguous_layout({4, 1, 5}), {0, 2}) == Way::kRows);
  CHECK(way(transpose(x, {3, 2, 1, 0}), {}) == Way::kRows);
  CHECK_EQUAL(softmax_form(x, {}, {}).rows.shape.back(), std::int64_t{1});
}

TEST_CASE(axes_before_others_are_columns_where_they_lie) {
  const Layout x = contiguous_layout({4, 5, 6, 7});
  CHECK(way(x, {1}) == Way::kColumns);
  const SoftmaxForm form = softmax_form(x, {1, 2}, {});
  CHECK(form.way == Way::kColumns);
  CHECK_EQUAL(form.outer, std::int64_t{4});
  CHECK_EQUAL(form.size, std::int64_t{30});
  CHECK_EQUAL(form.columns, std::int64_t{7});
  CHECK(way(x, {1}, "row_loop") == Way::kCopied);
  CHECK(way(slice(x, {{0, 4, 1}, {0, 5, 1}, {0, 6, 1}, {0, 6, 1}}), {1}) == Way::kCopied);
  // A long axis of few columns would leave a GPU idle.
  CHECK(way(contiguous_layout({100'000, 40}), {0}) == Way::kCopied);
  CHECK(way(contiguous_layout({100'000, 40}), {0}, "column") == Way::kColumns);
  CHECK(way(contiguous_layout({100'000, 4000}), {0}) == Way::kColumns);
}

TEST_CASE(other_axes_are_brought_to_the_end) {
  const SoftmaxForm form = softmax_form(contiguous_layout({4, 5, 6, 7}), {0, 2}, {});
  CHECK(form.way == Way::kCopied);
  CHECK(form.order == Dims({1, 3, 0, 2}));
  CHECK_EQUAL(form.outer, std::int64_t{35});
  CHECK_EQUAL(form.size, std::int64_t{24});
}

TEST_CASE(threads_of_columns_fill_a_threadgroup_and_no_more) {
  for (const std::int64_t columns : {2, 3, 4, 5, 31, 128, 129, 5000}) {
    for (const std::int64_t size : {1, 15, 16, 17, 300, 5000}) {
      for (const std::int64_t outer : {1, 70}) {
        const Plan plan = softmax_columns(DType::kFloat32, outer, size, columns);
        const Dispatch& dispatch = plan.dispatches.at(0);
        const auto params = dispatch.params_as<SoftmaxColumnParams>();
        CHECK_EQUAL(constant(plan.dispatches.at(0), SOFTMAX_WIDE), columns >= 4 ? 1U : 0U);
        CHECK(dispatch.group.x <= SOFTMAX_COLUMN_THREADS && dispatch.group.x % params.lanes == 0);
        CHECK(std::uint64_t{dispatch.grid.x} * params.lanes >= params.units);
      }
    }
  }
}

TEST_CASE(softmax_reaches_beyond_32_bits) {
  const Plan many = rows({5 * kBillion, 2});
  CHECK_EQUAL(many.dispatches[0].params_as<SoftmaxRowParams>().rows, std::uint64_t{5 * kBillion});
  CHECK(std::uint64_t{many.dispatches[0].grid.x} * many.dispatches[0].grid.y * 8 >= 5 * kBillion);
  const Plan longest = rows({1, 5 * kBillion});
  const auto params = longest.dispatches[0].params_as<SoftmaxRowParams>();
  CHECK_EQUAL(params.size, std::uint64_t{5 * kBillion});
  CHECK(params.part * params.parts >= std::uint64_t{5 * kBillion});
  CHECK_EQUAL(kernels(rows({5 * kBillion, 20000})), "row_loop");
  const Plan columns = softmax_columns(DType::kFloat32, 3 * kBillion, 2, 8);
  CHECK_EQUAL(columns.dispatches[0].params_as<SoftmaxColumnParams>().units, std::uint64_t{6 * kBillion});
  // As strided rows those would not fit the kernel's 32 bits.
  const Layout spread{{5 * kBillion, 2}, {3, 1}, 0};
  CHECK(way(spread, {1}) == Way::kCopied);
  CHECK(way(contiguous_layout(spread.shape), {1}) == Way::kRows);
  // More rows than a grid's y holds are not split.
  CHECK_EQUAL(kernels(rows({2 * kBillion, 20000}, "row_split")), "row_loop");
}

TEST_CASE(rows_that_do_not_follow_each_other_are_walked_by_strides) {
  const auto params_of = [](const Layout& x) {
    const Plan plan = softmax_rows(DType::kFloat32, x, {});
    const auto params = plan.dispatches.at(0).params_as<SoftmaxRowParams>();
    CHECK_EQUAL(constant(plan.dispatches[0], SOFTMAX_STRIDED), params.axes > 0 ? 1U : 0U);
    return params;
  };
  CHECK_EQUAL(params_of(contiguous_layout({3, 4, 5})).axes, 0U);
  CHECK_EQUAL(params_of(contiguous_layout({5})).axes, 0U);
  const auto spread = params_of({{3, 5}, {-7, 1}, 14});
  CHECK_EQUAL(spread.axes, 1U);
  CHECK_EQUAL(spread.strides[0], -7);
  const auto turned = params_of(transpose(contiguous_layout({3, 4, 5}), {1, 0, 2}));
  CHECK_EQUAL(turned.axes, 2U);
  CHECK_EQUAL(turned.shape[0], 3U);
  CHECK_EQUAL(turned.strides[0], 20);
  CHECK_EQUAL(turned.shape[1], 4U);
  CHECK_EQUAL(turned.strides[1], 5);
}
