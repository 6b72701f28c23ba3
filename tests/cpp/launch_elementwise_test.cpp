// tests/cpp/launch_elementwise_test.cpp: plans of binary and unary ops, conversions and masks.
#include <algorithm>
#include <vector>

#include "launch/axes.h"
#include "launch/binary.h"
#include "launch/mask.h"
#include "launch/unary.h"
#include "launch_support.h"
#include "params/binary.h"
#include "params/mask.h"

using isometal::launch::BinaryOp;
using isometal::launch::memory_order;
using isometal::launch::UnaryOp;

namespace {

/// Beyond 2^31 in an axis, by one; and in the product of the outer axes of four that do not merge.
const Layout kLongAxis{{(std::int64_t{1} << 31) + 1}, {2}, 0};
const Layout kLongRest{{60000, 90000, 3, 5}, {90001LL * 512, 512, 16, 2}, 0};

/// That the dispatches, of K operands, have each element of `out` once and in order.
template <std::size_t K>
void check_covers(const Plan& plan, const Layout& out, std::int64_t itemsize) {
  std::int64_t covered = 0;
  for (const auto& dispatch : plan.dispatches) {
    CHECK_EQUAL(dispatch.begin()->offset, covered * itemsize);
    const auto params = dispatch.params_as<StridedParams<K>>();
    std::int64_t part = 1, rest = 1;
    for (std::uint32_t axis = 0; axis < std::max(constant(dispatch, ELEMENTWISE_AXES), 1U); ++axis) {
      part *= params.shape[axis];
      if (axis >= 2) rest *= params.shape[axis];
    }
    CHECK_EQUAL(std::int64_t{dispatch.grid.z}, rest);
    covered += part;
  }
  CHECK_EQUAL(covered, isometal::element_count(out.shape));
}

Plan add(const Layout& a, const Layout& b, const Choice& choice = {}, DType dtype = DType::kFloat32) {
  return binary(BinaryOp::kAdd, dtype, contiguous_layout(a.shape), a, b, choice);
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

TEST_CASE(strided_parts_of_binary_ops_fit_32_bits) {
  for (const Layout& x : {kLongAxis, kLongRest}) {
    const Plan plan = add(x, x);
    CHECK(plan.dispatches.size() > 1);
    check_covers<3>(plan, x, 4);
  }
  // What is left of the long axis is one element, which has no axis.
  CHECK_EQUAL(constant(add(kLongAxis, kLongAxis).dispatches[1], ELEMENTWISE_AXES), 0U);
}

TEST_CASE(strided_parts_of_unary_ops_fit_32_bits) {
  for (const Layout& x : {kLongAxis, kLongRest}) {
    const Plan plan = unary(UnaryOp::kNegative, DType::kInt64, contiguous_layout(x.shape), x, {});
    CHECK(plan.dispatches.size() > 1);
    check_covers<2>(plan, x, 8);
  }
}

TEST_CASE(flat_unary_ops_beyond_32_bits_take_several_dispatches) {
  const Layout x = contiguous_layout({20 * kBillion});
  Choice lanes;
  lanes.traits.vector_lanes = true;
  CHECK_EQUAL(unary(UnaryOp::kNegative, DType::kFloat16, x, x, lanes).dispatches.size(), std::size_t{10});
  const Plan plan = isometal::launch::convert(DType::kFloat32, DType::kBool, x, x, {});
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{3});
  CHECK_EQUAL(plan.dispatches[1].begin()[0].offset, 4 * 4 * (std::int64_t{1} << 31));
  CHECK_EQUAL(plan.dispatches[1].begin()[1].offset, 4 * (std::int64_t{1} << 31));
}

TEST_CASE(flat_operands_are_single_or_run_alike) {
  const Layout x = contiguous_layout({3, 40}), one = broadcast_to(contiguous_layout({}), {3, 40});
  const auto scalars = [](const Plan& plan) {
    const Dispatch& dispatch = plan.dispatches.at(0);
    CHECK_EQUAL(dispatch.kernel.name(), "binary_add_float32_flat");
    return std::pair(constant(dispatch, BINARY_A_SCALAR), constant(dispatch, BINARY_B_SCALAR));
  };
  CHECK(scalars(add(one, x)) == std::pair(1U, 0U));
  CHECK(scalars(add(one, one)) == std::pair(1U, 1U));
  CHECK(scalars(add(contiguous_layout({1, 1}), contiguous_layout({1, 1}))) == std::pair(1U, 1U));
  // Steps of 2, in any operand.
  const Layout spread{{120}, {2}, 0}, run = contiguous_layout({120});
  for (const auto& [out, a, b] : {std::array{spread, run, run}, {run, spread, run}, {run, run, spread}}) {
    const Plan plan = binary(BinaryOp::kAdd, DType::kFloat32, out, a, b, {});
    CHECK_EQUAL(plan.dispatches[0].kernel.name(), "binary_add_float32_strided");
  }
}

TEST_CASE(unary_ops_are_flat_where_both_sides_run_on) {
  const auto name = [](const Layout& out, const Layout& x, std::string_view forced = "") {
    return std::string(
        unary(UnaryOp::kSilu, DType::kFloat32, out, x, {{}, forced}).dispatches[0].kernel.name());
  };
  const Layout x = contiguous_layout({6, 7}), turned = transpose(x, {1, 0});
  CHECK_EQUAL(name(x, x), "unary_silu_float32_flat");
  CHECK_EQUAL(name(x, x, "strided"), "unary_silu_float32_strided");
  CHECK_EQUAL(name(contiguous_layout({1}), contiguous_layout({1})), "unary_silu_float32_flat");
  CHECK_EQUAL(name(turned, turned), "unary_silu_float32_flat");
  CHECK_EQUAL(name(turned, contiguous_layout({7, 6})), "unary_silu_float32_strided");
}

TEST_CASE(single_elements_have_no_axes) {
  const Layout x = contiguous_layout({1, 1});
  const Dispatch dispatch = add(x, x, {{}, "strided wide"}).dispatches[0];
  CHECK_EQUAL(constant(dispatch, ELEMENTWISE_AXES), 0U);
  CHECK_EQUAL(constant(dispatch, ELEMENTWISE_WIDE), 1U);
  CHECK(inner(dispatch) == (std::vector<std::uint32_t>{INNER_ONE, INNER_ONE, INNER_ONE}));
  CHECK(dispatch.grid == (Size3{1, 1, 1}));
  check_covers<3>(add(x, x, {{}, "strided"}), x, 4);
}

TEST_CASE(axes_of_one_element_are_not_walked) {
  const Layout x{{3, 1, 8}, {16, 5, 1}, 0};
  const Plan two = add(x, x);
  CHECK_EQUAL(constant(two.dispatches[0], ELEMENTWISE_AXES), 2U);
  check_covers<3>(two, x, 4);
  const Plan one = unary(UnaryOp::kNegative, DType::kFloat32, contiguous_layout(x.shape), x, {});
  CHECK_EQUAL(constant(one.dispatches[0], ELEMENTWISE_AXES), 2U);
  check_covers<2>(one, x, 4);
}

TEST_CASE(threadgroups_are_square_where_memory_is_turned_and_threads_are_no_lanes) {
  const Layout x = contiguous_layout({300, 300}), turned = transpose(x, {1, 0});
  const Layout row = broadcast_to(contiguous_layout({300}), {300, 300});
  Choice lanes;
  lanes.traits.vector_lanes = true;
  const auto group = [](const Plan& plan) { return plan.dispatches[0].group; };
  CHECK(group(add(x, turned, {{}, "one"})) == (Size3{32, 8, 1}));
  CHECK(group(add(x, turned, lanes)) == (Size3{256, 1, 1}));
  CHECK(group(add(x, row, {{}, "one"})) == (Size3{256, 1, 1}));
}
