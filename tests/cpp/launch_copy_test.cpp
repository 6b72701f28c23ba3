// tests/cpp/launch_copy_test.cpp: plans of copies.
#include "launch/copy.h"

#include "launch_support.h"
#include "params/copy.h"

using isometal::launch::copy;

namespace {

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
  const Plan plan = to_contiguous(4, {{60000, 90000, 3, 5}, {90001LL * 4 * 8 * 2, 4 * 8 * 2, 8 * 2, 2}, 0});
  std::int64_t covered = 0;
  for (const auto& dispatch : plan.dispatches) {
    covered += std::int64_t{dispatch.grid.z} * 3 * 5;
    CHECK(dispatch.grid.z <= 1U << 31);
  }
  CHECK_EQUAL(covered, 60000LL * 90000 * 3 * 5);
}

TEST_CASE(offsets_of_32_bits_are_used_where_they_do) {
  const auto wide = [](const Plan& plan) { return constant(plan.dispatches[0], ELEMENTWISE_WIDE); };
  CHECK_EQUAL(wide(to_contiguous(4, {{1000, 1000}, {1, 2'000'000}, 0})), 0U);
  CHECK_EQUAL(wide(to_contiguous(4, {{1000, 1000}, {1, 3'000'000}, 0})), 1U);
  CHECK_EQUAL(wide(to_contiguous(4, {{1000, 1000}, {1, -3'000'000}, 0})), 1U);
  CHECK_EQUAL(wide(to_contiguous(4, {{2}, {2}, 0}, {{}, "wide"})), 1U);
  // So are those of tiles.
  const Layout turned = transpose(contiguous_layout({64, 64}), {1, 0});
  CHECK_EQUAL(wide(to_contiguous(4, turned, {{}, "tiled"})), 0U);
  CHECK_EQUAL(wide(to_contiguous(4, turned, {{}, "tiled wide"})), 1U);
  CHECK_EQUAL(wide(to_contiguous(4, transpose(contiguous_layout({100'000, 40'000}), {1, 0}))), 1U);
}

TEST_CASE(the_last_element_of_a_long_axis_has_none) {
  const std::int64_t size = (std::int64_t{1} << 31) + 1;
  const Plan plan = to_contiguous(1, {{size}, {2}, 0});
  CHECK_EQUAL(plan.dispatches.size(), std::size_t{2});
  CHECK_EQUAL(constant(plan.dispatches[1], ELEMENTWISE_AXES), 0U);
  CHECK_EQUAL(plan.dispatches[1].begin()[1].offset, 2 * (size - 1));
}

TEST_CASE(tiles_lie_across_the_axis_whose_elements_are_closest) {
  const auto across = [](const Dims& order) {
    const Plan plan = to_contiguous(4, transpose(contiguous_layout({40, 50, 60}), order));
    CHECK_EQUAL(plan.dispatches[0].kernel.name(), "copy_uint32_tiled");
    return plan.dispatches[0].params_as<CopyTiledParams>().across;
  };
  // The axis of 60 is the outermost, or the one in the middle.
  CHECK_EQUAL(across({2, 1, 0}), 2U);
  CHECK_EQUAL(across({1, 2, 0}), 1U);
  // Its elements are not much closer than those along axis 0.
  const Layout level{{64, 64}, {3, 5}, 0};
  CHECK_EQUAL(to_contiguous(4, level).dispatches[0].kernel.name(), "copy_uint32_strided");
  // Of repeated rows none is closest.
  const Layout repeated = broadcast_to({{64}, {2}, 0}, {64, 64});
  CHECK_EQUAL(to_contiguous(4, repeated).dispatches[0].kernel.name(), "copy_uint32_strided");
  CHECK_EQUAL(to_contiguous(4, transpose(contiguous_layout({64, 64}), {1, 0}), {{}, "strided"})
                  .dispatches[0]
                  .kernel.name(),
              "copy_uint32_strided");
}
