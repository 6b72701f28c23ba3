// tests/cpp/launch_copy_test.cpp: plans of copies.
#include "launch/copy.h"

#include "check.h"
#include "params/copy.h"

using isometal::contiguous_layout;
using isometal::Dims;
using isometal::Layout;
using isometal::transpose;
using isometal::launch::Choice;
using isometal::launch::copy;
using isometal::launch::Plan;
using isometal::launch::Size3;

namespace {

constexpr std::int64_t kBillion = 1'000'000'000;

Plan to_contiguous(std::int64_t itemsize, const Layout& x, const Choice& choice = {}) {
  return copy(itemsize, contiguous_layout(x.shape), x, choice);
}

}  // namespace

TEST_CASE(a_copy_of_nothing_has_nothing_to_do) {
  CHECK(to_contiguous(4, contiguous_layout({3, 0})).dispatches.empty());
}

TEST_CASE(a_contiguous_copy_is_one_row) {
  const Plan plan = to_contiguous(4, contiguous_layout({30, 5, 7}));
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{1});
  const auto& dispatch = plan.dispatches[0];
  CHECK_EQUAL(dispatch.kernel.name(), "copy_uint32_strided");
  CHECK(dispatch.grid == (Size3{263, 1, 1}));
  const auto params = dispatch.params_as<StridedParams<2>>();
  CHECK_EQUAL(params.shape[0], 1050U);
  CHECK_EQUAL(params.shape[1], 0U);
}

TEST_CASE(one_element_is_copied) {
  const Plan plan = to_contiguous(8, contiguous_layout({}));
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{1});
  CHECK_EQUAL(plan.dispatches[0].params_as<StridedParams<2>>().shape[0], 1U);
}

TEST_CASE(a_transposed_copy_goes_by_tiles) {
  const Plan plan = to_contiguous(2, transpose(contiguous_layout({2, 70, 33}), {0, 2, 1}));
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{1});
  const auto& dispatch = plan.dispatches[0];
  CHECK_EQUAL(dispatch.kernel.name(), "copy_uint16_tiled");
  CHECK(dispatch.grid == (Size3{3, 2, 2}));
  const auto params = dispatch.params_as<CopyTiledParams>();
  CHECK_EQUAL(params.across, 1U);
  CHECK_EQUAL(params.walk.shape[0], 70U);
}

TEST_CASE(threads_that_are_lanes_take_no_tiles_of_their_own) {
  Choice lanes;
  lanes.traits.vector_lanes = true;
  const Layout x = transpose(contiguous_layout({70, 64}), {1, 0});
  const Plan plan = to_contiguous(2, x, lanes);
  CHECK_EQUAL(plan.dispatches[0].kernel.name(), "copy_uint16_strided");
  CHECK(plan.dispatches[0].group == (Size3{70, 3, 1}));
  lanes.forced = "tiled";
  CHECK_EQUAL(to_contiguous(2, x, lanes).dispatches[0].kernel.name(), "copy_uint16_tiled");
}

TEST_CASE(narrow_transposes_do_not_fill_tiles) {
  const Layout x = transpose(contiguous_layout({1000, 3}), {1, 0});
  CHECK_EQUAL(to_contiguous(4, x).dispatches[0].kernel.name(), "copy_uint32_strided");
  CHECK_EQUAL(to_contiguous(4, x, {{}, "tiled"}).dispatches[0].kernel.name(), "copy_uint32_tiled");
}

TEST_CASE(an_axis_beyond_32_bits_takes_several_dispatches) {
  const std::int64_t size = 5 * kBillion;
  const Plan plan = to_contiguous(1, {{size}, {2}, 0});
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{3});
  std::int64_t covered = 0;
  for (const auto& dispatch : plan.dispatches) {
    CHECK_EQUAL(dispatch.begin()[0].offset, covered);
    CHECK_EQUAL(dispatch.begin()[1].offset, 2 * covered);
    covered += dispatch.params_as<StridedParams<2>>().shape[0];
  }
  CHECK_EQUAL(covered, size);
}

TEST_CASE(outer_axes_beyond_32_bits_take_several_dispatches) {
  // Axes that do not merge: 3 of each 4, so that the grid's z would be 60000 * 90000.
  const Plan plan = to_contiguous(4, {{60000, 90000, 3, 5}, {90000LL * 4 * 8 * 2, 4 * 8 * 2, 8 * 2, 2}, 0});
  std::int64_t covered = 0;
  for (const auto& dispatch : plan.dispatches) {
    covered += std::int64_t{dispatch.grid.z} * 3 * 5;
    CHECK(dispatch.grid.z <= 1U << 31);
  }
  CHECK_EQUAL(covered, 60000LL * 90000 * 3 * 5);
}

TEST_CASE(offsets_of_32_bits_are_used_where_they_do) {
  const auto wide = [](const Plan& plan) {
    for (const auto& constant : plan.dispatches[0].kernel) {
      if (constant.index == ELEMENTWISE_WIDE) return constant.bits;
    }
    return 2U;
  };
  CHECK_EQUAL(wide(to_contiguous(4, {{1000, 1000}, {1, 2'000'000}, 0})), 0U);
  CHECK_EQUAL(wide(to_contiguous(4, {{1000, 1000}, {1, 3'000'000}, 0})), 1U);
  CHECK_EQUAL(wide(to_contiguous(4, {{1000, 1000}, {1, -3'000'000}, 0})), 1U);
  CHECK_EQUAL(wide(to_contiguous(4, {{2}, {2}, 0}, {{}, "wide"})), 1U);
}
