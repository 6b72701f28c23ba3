// tests/cpp/launch_elementwise_test.cpp: plans of binary and unary ops, conversions and masks.
#include <vector>

#include "check.h"
#include "launch/axes.h"
#include "launch/binary.h"
#include "launch/mask.h"
#include "launch/unary.h"
#include "params/binary.h"
#include "params/mask.h"

using isometal::broadcast_to;
using isometal::contiguous_layout;
using isometal::Dims;
using isometal::DType;
using isometal::Layout;
using isometal::transpose;
using isometal::launch::BinaryOp;
using isometal::launch::Choice;
using isometal::launch::Dispatch;
using isometal::launch::memory_order;
using isometal::launch::Plan;
using isometal::launch::Size3;
using isometal::launch::UnaryOp;

namespace {

constexpr std::int64_t kBillion = 1'000'000'000;

Plan add(const Layout& a, const Layout& b, const Choice& choice = {}, DType dtype = DType::kFloat32) {
  return binary(BinaryOp::kAdd, dtype, contiguous_layout(a.shape), a, b, choice);
}

/// The value of a function constant, which must be set.
std::uint32_t constant(const Dispatch& dispatch, std::uint8_t index) {
  for (const auto& constant : dispatch.kernel) {
    if (constant.index == index) return constant.bits;
  }
  check::fail(__FILE__, __LINE__, "the constant is not set");
  return 0;
}

std::vector<std::uint32_t> inner(const Dispatch& dispatch) {
  return {constant(dispatch, ELEMENTWISE_INNER), constant(dispatch, ELEMENTWISE_INNER + 1),
          constant(dispatch, ELEMENTWISE_INNER + 2)};
}

}  // namespace

TEST_CASE(a_sum_of_nothing_has_nothing_to_do) {
  CHECK(add(contiguous_layout({3, 0}), contiguous_layout({3, 0})).dispatches.empty());
  CHECK(isometal::launch::causal_mask(DType::kFloat32, 0, 3, {}).dispatches.empty());
  CHECK(isometal::launch::causal_mask(DType::kFloat32, 3, 0, {}).dispatches.empty());
  CHECK(unary(UnaryOp::kSilu, DType::kFloat32, contiguous_layout({0}), contiguous_layout({0}), {})
            .dispatches.empty());
}

TEST_CASE(a_large_flat_sum_gives_each_thread_sixteen_bytes) {
  const Layout x = contiguous_layout({1000, 1001});
  const auto plan = add(x, x, {}, DType::kFloat16);
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{1});
  const auto& dispatch = plan.dispatches[0];
  CHECK_EQUAL(dispatch.kernel.name(), "binary_add_float16_flat");
  CHECK_EQUAL(constant(dispatch, ELEMENTWISE_ONE), 0U);
  CHECK(dispatch.grid == (Size3{125125, 1, 1}));
  CHECK_EQUAL(dispatch.params_as<FlatParams>().size, 1'001'000U);
}

TEST_CASE(threads_take_one_element_where_arrays_are_small_or_threads_are_lanes) {
  const auto one = [](std::int64_t size, const Choice& choice) {
    const auto plan = add(contiguous_layout({size}), contiguous_layout({size}), choice);
    return constant(plan.dispatches[0], ELEMENTWISE_ONE) != 0;
  };
  Choice lanes;
  lanes.traits.vector_lanes = true;
  CHECK(one(1000, {}));
  CHECK(!one(1'000'000, {}));
  CHECK(one(1'000'000, lanes));
  CHECK(one(1'000'000, {{}, "one"}));
  CHECK(!one(1000, {{}, "many"}));
  lanes.forced = "many";
  CHECK(!one(1000, lanes));
}

TEST_CASE(a_scalar_operand_keeps_a_sum_flat) {
  const Layout x = contiguous_layout({7, 33});
  const auto dispatch = add(x, broadcast_to(contiguous_layout({}), {7, 33})).dispatches[0];
  CHECK_EQUAL(dispatch.kernel.name(), "binary_add_float32_flat");
  CHECK_EQUAL(constant(dispatch, BINARY_A_SCALAR), 0U);
  CHECK_EQUAL(constant(dispatch, BINARY_B_SCALAR), 1U);
  CHECK_EQUAL(add(x, x, {{}, "strided"}).dispatches[0].kernel.name(), "binary_add_float32_strided");
}

TEST_CASE(rows_and_columns_are_told_by_how_they_lie_along_axis_0) {
  const Layout x = contiguous_layout({7, 33});
  const auto row = add(x, broadcast_to(contiguous_layout({33}), {7, 33}));
  CHECK(inner(row.dispatches[0]) == (std::vector<std::uint32_t>{INNER_UNIT, INNER_UNIT, INNER_UNIT}));
  const auto column = add(x, broadcast_to(contiguous_layout({7, 1}), {7, 33}));
  CHECK(inner(column.dispatches[0]) == (std::vector<std::uint32_t>{INNER_UNIT, INNER_UNIT, INNER_ONE}));
  const auto turned = add(x, transpose(contiguous_layout({33, 7}), {1, 0}));
  CHECK(inner(turned.dispatches[0]) == (std::vector<std::uint32_t>{INNER_UNIT, INNER_UNIT, INNER_ANY}));
  CHECK_EQUAL(constant(turned.dispatches[0], ELEMENTWISE_AXES), 2U);
  CHECK(turned.dispatches[0].grid == (Size3{33, 7, 1}));
  CHECK(turned.dispatches[0].group == (Size3{32, 7, 1}));
}

TEST_CASE(operands_that_are_transposed_alike_are_flat) {
  const Layout x = transpose(contiguous_layout({4, 70, 33}), {2, 0, 1});
  const Plan plan = binary(BinaryOp::kMultiply, DType::kFloat32, x, x, x, {});
  CHECK_EQUAL(plan.dispatches[0].kernel.name(), "binary_multiply_float32_flat");
  // out's neighbours are axis 0, wherever the axis stands.
  const Layout out = transpose(contiguous_layout({33, 70}), {1, 0});
  const Plan turned = binary(BinaryOp::kAdd, DType::kFloat32, out, out, contiguous_layout({70, 33}), {});
  CHECK(inner(turned.dispatches[0]) == (std::vector<std::uint32_t>{INNER_UNIT, INNER_UNIT, INNER_ANY}));
  CHECK(turned.dispatches[0].grid == (Size3{70, 33, 1}));
  CHECK(turned.dispatches[0].group == (Size3{32, 8, 1}));
}

TEST_CASE(a_flat_sum_beyond_32_bits_of_threads_takes_several_dispatches) {
  const std::int64_t size = 40 * kBillion;
  const auto plan = add(contiguous_layout({size}), contiguous_layout({size}), {}, DType::kBool);
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{2});
  std::int64_t covered = 0;
  for (const auto& dispatch : plan.dispatches) {
    for (const auto& binding : dispatch) CHECK_EQUAL(binding.offset, covered);
    covered += static_cast<std::int64_t>(dispatch.params_as<FlatParams>().size);
  }
  CHECK_EQUAL(covered, size);
  // What is one element for all stays where it is.
  const auto scalar =
      add(contiguous_layout({size}), broadcast_to(contiguous_layout({}), {size}), {}, DType::kBool);
  CHECK_EQUAL(scalar.dispatches[1].begin()[2].offset, 0);
}

TEST_CASE(a_strided_sum_beyond_32_bits_takes_several_dispatches) {
  const std::int64_t size = 5 * kBillion;
  const auto plan = add({{2, size}, {1, 2}, 0}, contiguous_layout({2, size}));
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{3});
  std::int64_t covered = 0;
  for (const auto& dispatch : plan.dispatches) {
    CHECK_EQUAL(dispatch.begin()[0].offset, 4 * covered);
    CHECK_EQUAL(dispatch.begin()[1].offset, 4 * 2 * covered);
    CHECK_EQUAL(dispatch.begin()[2].offset, 4 * covered);
    CHECK_EQUAL(constant(dispatch, ELEMENTWISE_WIDE), 1U);
    covered += dispatch.params_as<StridedParams<3>>().shape[0];
  }
  CHECK_EQUAL(covered, size);
}

TEST_CASE(conversions_count_elements_of_the_wider_type) {
  const Layout x = contiguous_layout({1 << 20});
  const auto dispatch = isometal::launch::convert(DType::kInt64, DType::kBool, x, x, {}).dispatches[0];
  CHECK_EQUAL(dispatch.kernel.name(), "unary_to_int64_bool_flat");
  CHECK(dispatch.grid == (Size3{1 << 19, 1, 1}));
}

TEST_CASE(a_unary_op_of_a_repeated_array_is_not_flat) {
  const Layout x = broadcast_to(contiguous_layout({1}), {100});
  const auto plan = unary(UnaryOp::kGeluTanh, DType::kBFloat16, contiguous_layout({100}), x, {});
  CHECK_EQUAL(plan.dispatches[0].kernel.name(), "unary_gelu_tanh_bfloat16_strided");
}

TEST_CASE(results_keep_the_order_of_axes_that_operands_agree_on) {
  const Dims shape{4, 5, 6};
  const Layout c = contiguous_layout(shape);
  const Layout f = transpose(contiguous_layout({6, 5, 4}), {2, 1, 0});
  const Layout row = broadcast_to(contiguous_layout({6}), shape);
  const Layout column = broadcast_to(contiguous_layout({4, 1, 1}), shape);
  CHECK(!memory_order(shape, {&c}));
  CHECK(memory_order(shape, {&f}) == Dims({2, 1, 0}));
  CHECK(memory_order(shape, {&f, &f}) == Dims({2, 1, 0}));
  CHECK(memory_order(shape, {&f, &row}) == Dims({2, 1, 0}));
  CHECK(memory_order(shape, {&column, &f}) == Dims({2, 1, 0}));
  // Operands disagree: contiguous.
  CHECK(!memory_order(shape, {&f, &c}));
  CHECK(!memory_order(shape, {&c, &f}));
  // Nobody cares.
  CHECK(!memory_order(shape, {&row}));
  // Neither directions nor axes of one element matter.
  const Layout backwards{{4, 5}, {-5, -1}, 19};
  CHECK(!memory_order(backwards.shape, {&backwards}));
  const Layout single{{4, 1, 5}, {1, 0, 4}, 0};
  CHECK(memory_order(single.shape, {&single}) == Dims({1, 2, 0}));
}

TEST_CASE(a_mask_has_a_row_of_the_grid_for_each_query) {
  const auto plan = isometal::launch::causal_mask(DType::kFloat16, 5, 4096, {});
  const auto& dispatch = plan.dispatches[0];
  CHECK_EQUAL(dispatch.kernel.name(), "mask_causal_float16");
  CHECK(dispatch.grid == (Size3{512, 5, 1}));
  const auto params = dispatch.params_as<MaskCausalParams>();
  CHECK_EQUAL(params.kv_len, 4096U);
  CHECK_EQUAL(params.offset, 4091);
}

TEST_CASE(a_mask_beyond_32_bits_of_rows_takes_several_dispatches) {
  const std::int64_t rows = 3 * kBillion;
  const auto plan = isometal::launch::causal_mask(DType::kFloat32, rows, 3, {});
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{2});
  const std::int64_t first = plan.dispatches[0].grid.y;
  CHECK_EQUAL(first + plan.dispatches[1].grid.y, rows);
  CHECK_EQUAL(plan.dispatches[1].begin()[0].offset, first * 3 * 4);
  CHECK_EQUAL(plan.dispatches[1].params_as<MaskCausalParams>().offset, 3 - rows + first);
}
