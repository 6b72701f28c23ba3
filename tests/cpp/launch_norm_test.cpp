// tests/cpp/launch_norm_test.cpp: plans of rms_norm and layer_norm.
#include "launch/norm.h"
#include "launch_support.h"
#include "params/norm.h"

using isometal::launch::norm;
using isometal::launch::norm_reads;
using isometal::launch::NormOp;

namespace {

Plan rms(const Layout& x, std::string_view forced = "") {
  return norm(NormOp::kRms, DType::kFloat32, x, std::nullopt, std::nullopt, 1e-5F, {{}, forced});
}

/// The kernel's name without the family, op and dtype.
std::string variant(const Plan& plan) {
  const std::string name(plan.dispatches.at(0).kernel.name());
  return name.substr(name.find("row_"));
}

}  // namespace

TEST_CASE(a_norm_of_nothing_has_nothing_to_do) {
  CHECK(rms(contiguous_layout({0, 4})).dispatches.empty());
  CHECK(rms(contiguous_layout({4, 0})).dispatches.empty());
  CHECK(norm_reads(contiguous_layout({4, 0})));
}

TEST_CASE(a_norm_takes_the_least_team_that_holds_a_row) {
  CHECK_EQUAL(variant(rms(contiguous_layout({3, 128}))), "row_lanes");
  CHECK_EQUAL(variant(rms(contiguous_layout({3, 129}))), "row_simdgroup");
  CHECK_EQUAL(variant(rms(contiguous_layout({3, 1024}))), "row_simdgroup");
  CHECK_EQUAL(variant(rms(contiguous_layout({3, 1025}))), "row_register");
  CHECK_EQUAL(variant(rms(contiguous_layout({3, 16384}))), "row_register");
  CHECK_EQUAL(variant(rms(contiguous_layout({33, 16385}))), "row_loop");
  CHECK_EQUAL(variant(rms(contiguous_layout({32, 16385}))), "row_split_statistics");
}

TEST_CASE(a_forced_norm_is_used_where_it_can_be) {
  CHECK_EQUAL(variant(rms(contiguous_layout({3, 5}), "row_register")), "row_register");
  CHECK_EQUAL(variant(rms(contiguous_layout({3, 5}), "row_loop")), "row_loop");
  CHECK_EQUAL(variant(rms(contiguous_layout({3, 5}), "row_simdgroup")), "row_simdgroup");
  CHECK_EQUAL(variant(rms(contiguous_layout({3, 129}), "row_lanes")), "row_simdgroup");
  CHECK_EQUAL(variant(rms(contiguous_layout({3, 1025}), "row_simdgroup")), "row_register");
  CHECK_EQUAL(variant(rms(contiguous_layout({3, 16385}), "row_register")), "row_loop");
  CHECK_EQUAL(variant(rms(contiguous_layout({3, 5}), "row_split")), "row_split_statistics");
}

TEST_CASE(lanes_cover_a_short_row) {
  for (std::int64_t size = 1; size <= 128; ++size) {
    const Plan plan = rms(contiguous_layout({1000, size}));
    CHECK_EQUAL(variant(plan), "row_lanes");
    const Dispatch& dispatch = plan.dispatches[0];
    const std::uint32_t lanes = constant(dispatch, NORM_LANES);
    CHECK(32 % lanes == 0 && lanes >= 4 && std::int64_t{lanes} * NORM_VECTOR >= size);
    CHECK(lanes == 4 || std::int64_t{lanes / 2} * NORM_VECTOR < size);
    CHECK(dispatch.group.x <= 32 * NORM_MAX_SIMDGROUPS);
    CHECK(std::int64_t{dispatch.grid.x} * (dispatch.group.x / lanes) * NORM_LANE_ROWS >= 1000);
  }
}

TEST_CASE(chunks_cover_a_row_of_a_simdgroup) {
  for (std::int64_t size = 1; size <= 1024; ++size) {
    const Plan plan = rms(contiguous_layout({1000, size}), "row_simdgroup");
    const Dispatch& dispatch = plan.dispatches[0];
    const std::uint32_t chunks = constant(dispatch, NORM_CHUNKS);
    CHECK(chunks <= NORM_MAX_CHUNKS && std::int64_t{chunks} * 32 * NORM_VECTOR >= size);
    CHECK_EQUAL(dispatch.grid.x * dispatch.group.x, 1000U * 32);
  }
}

TEST_CASE(a_split_row_is_combined_before_it_is_applied) {
  const Plan plan = norm(NormOp::kLayer, DType::kFloat16, contiguous_layout({3, 40000}), DType::kFloat32,
                         std::nullopt, 0, {});
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{3});
  CHECK_EQUAL(plan.dispatches[0].kernel.name(), "norm_layer_norm_float16_row_split_statistics");
  CHECK_EQUAL(plan.dispatches[1].kernel.name(), "norm_layer_norm_row_split_combine");
  CHECK_EQUAL(plan.dispatches[2].kernel.name(), "norm_layer_norm_float16_row_split_apply");
  CHECK_EQUAL(plan.temporaries.size(), std::size_t{2});
  CHECK_EQUAL(plan.temporaries[0], 3 * 3 * NORM_PART_BYTES);
  CHECK_EQUAL(plan.temporaries[1], 3 * NORM_PART_BYTES);
  CHECK(plan.dispatches[0].grid == (Size3{3, 3, 1}));
  CHECK(plan.dispatches[1].grid == (Size3{3, 1, 1}));
  CHECK(plan.dispatches[2].grid == (Size3{3, 3, 1}));
  // What one writes the next one reads.
  CHECK_EQUAL(plan.dispatches[0].begin()[1].operand, plan.dispatches[1].begin()[0].operand);
  CHECK_EQUAL(plan.dispatches[1].begin()[1].operand, plan.dispatches[2].begin()[3].operand);
}

TEST_CASE(threads_cover_a_row_of_a_threadgroup) {
  for (const std::int64_t size : {1LL, 512LL, 513LL, 1025LL, 4096LL, 5000LL, 16384LL}) {
    const Plan plan = rms(contiguous_layout({3, size}), "row_register");
    const Size3 group = plan.dispatches[0].group;
    CHECK(group.x % 32 == 0 && group.x <= 1024 && group.x * NORM_VECTOR * 4 >= size);
  }
}

TEST_CASE(a_norm_without_outer_axes_is_one_row) {
  const Plan plan = rms(contiguous_layout({7}));
  CHECK(plan.dispatches[0].grid == (Size3{1, 1, 1}));
  CHECK(plan.dispatches[0].group == (Size3{32, 1, 1}));
  CHECK_EQUAL(constant(plan.dispatches[0], NORM_STRIDED), 0U);
}

TEST_CASE(weights_are_bound_where_there_are_some) {
  const Layout x = contiguous_layout({3, 5});
  const Plan bare = rms(x);
  CHECK_EQUAL(bare.dispatches[0].end() - bare.dispatches[0].begin(), 2);
  const Plan plan = norm(NormOp::kLayer, DType::kBFloat16, x, std::nullopt, DType::kFloat16, 0, {});
  const Dispatch& dispatch = plan.dispatches[0];
  CHECK_EQUAL(dispatch.kernel.name(), "norm_layer_norm_bfloat16_row_lanes");
  CHECK_EQUAL(constant(dispatch, NORM_WEIGHT), std::uint32_t{NORM_NONE});
  CHECK_EQUAL(constant(dispatch, NORM_BIAS), std::uint32_t{NORM_FLOAT16});
  CHECK_EQUAL(dispatch.begin()[1].index, 2);
  CHECK_EQUAL(dispatch.begin()[1].operand, 2);
  CHECK_EQUAL(dispatch.end() - dispatch.begin(), 3);
  const Plan others = norm(NormOp::kLayer, DType::kFloat16, x, DType::kBFloat16, DType::kFloat32, 0, {});
  CHECK_EQUAL(constant(others.dispatches[0], NORM_WEIGHT), std::uint32_t{NORM_BFLOAT16});
  CHECK_EQUAL(constant(others.dispatches[0], NORM_BIAS), std::uint32_t{NORM_FLOAT32});
}

TEST_CASE(rows_may_lie_anywhere_but_must_be_contiguous) {
  const Layout x = contiguous_layout({2, 3, 4, 5});
  CHECK(norm_reads(transpose(x, {0, 2, 1, 3})));
  CHECK(!norm_reads(transpose(x, {0, 1, 3, 2})));
  CHECK(!norm_reads(broadcast_to({{4, 1}, {1, 1}, 0}, {4, 5})));
  CHECK(norm_reads(broadcast_to({{1, 5}, {5, 1}, 0}, {4, 5})));
  CHECK(norm_reads({{4, 1}, {7, 3}, 0}));
  const Plan plan = rms(transpose(x, {0, 2, 1, 3}));
  CHECK_EQUAL(constant(plan.dispatches[0], NORM_STRIDED), 1U);
  const auto params = plan.dispatches[0].params_as<NormParams>();
  CHECK_EQUAL(params.axes, 3U);
  CHECK_EQUAL(params.shape[0], 3U);
  CHECK_EQUAL(params.strides[0], 20);
  CHECK_EQUAL(params.shape[1], 4U);
  CHECK_EQUAL(params.strides[1], 5);
  CHECK_EQUAL(params.shape[2], 2U);
  CHECK_EQUAL(params.strides[2], 60);
}

TEST_CASE(rows_that_merge_are_not_strided) {
  const Plan plan = rms(contiguous_layout({2, 1, 3, 4, 5}));
  CHECK_EQUAL(constant(plan.dispatches[0], NORM_STRIDED), 0U);
  CHECK_EQUAL(constant(rms({{3, 5}, {-5, 1}, 10}).dispatches[0], NORM_STRIDED), 1U);
}

TEST_CASE(norms_count_rows_and_elements_in_64_bits) {
  const Plan many = rms(contiguous_layout({9000 * kBillion, 2}));
  const Size3 grid = many.dispatches[0].grid;
  CHECK(std::int64_t{grid.x} * grid.y * 256 >= 9000 * kBillion);
  CHECK(grid.y > 1 && std::int64_t{grid.x} * (grid.y - 1) * 256 < 9000 * kBillion);
  CHECK_EQUAL(many.dispatches[0].params_as<NormParams>().rows, std::uint64_t{9000} * kBillion);
  const Plan lengthy = rms(contiguous_layout({2, 5 * kBillion}));
  CHECK_EQUAL(lengthy.dispatches[0].params_as<NormParams>().size, std::uint64_t{5} * kBillion);
  CHECK(std::int64_t{lengthy.dispatches[0].grid.x} * 16384 >= 5 * kBillion);
  CHECK_EQUAL(variant(rms(contiguous_layout({5 * kBillion, 16}), "row_split")), "row_lanes");
  // Walked by strides rows have 32 bits; then a copy is what is read.
  CHECK(!norm_reads({{5 * kBillion, 2}, {4, 1}, 0}));
  CHECK(norm_reads(contiguous_layout({5 * kBillion, 2})));
}
