// tests/cpp/layout_test.cpp: shapes, strides and views, against an enumeration of their elements.
#include "layout.h"

#include <algorithm>
#include <limits>

#include "check.h"
#include "error.h"

using namespace isometal;

namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();

/// The buffer index of every element in row-major order: what a layout means.
std::vector<std::int64_t> elements(const Layout& layout) {
  std::vector<std::int64_t> result{layout.offset};
  for (std::size_t axis = 0; axis < layout.shape.size(); ++axis) {
    std::vector<std::int64_t> next;
    for (const std::int64_t base : result) {
      for (std::int64_t i = 0; i < layout.shape[axis]; ++i) next.push_back(base + i * layout.strides[axis]);
    }
    result = std::move(next);
  }
  return result;
}

std::vector<Dims> shapes_of(std::int64_t count, std::size_t rank) {
  if (rank == 0) return count == 1 ? std::vector<Dims>{{}} : std::vector<Dims>{};
  std::vector<Dims> result;
  for (std::int64_t first = 1; first <= count; ++first) {
    if (count % first != 0) continue;
    for (Dims rest : shapes_of(count / first, rank - 1)) {
      rest.insert(rest.begin(), first);
      result.push_back(std::move(rest));
    }
  }
  return result;
}

/// Whether one stride per dimension can lay out `order`, found without the code under test.
bool view_exists(const std::vector<std::int64_t>& order, const Dims& shape) {
  Layout guess{shape, Dims(shape.size(), 0), order[0]};
  std::int64_t step = 1;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    if (shape[axis] > 1) guess.strides[axis] = order[static_cast<std::size_t>(step)] - order[0];
    step *= shape[axis];
  }
  return elements(guess) == order;
}

}  // namespace

TEST_CASE(element_count_multiplies_and_refuses) {
  CHECK_EQUAL(element_count({}), 1);
  CHECK_EQUAL(element_count({2, 3, 4}), 24);
  CHECK_EQUAL(element_count({5, 0, 7}), 0);
  CHECK_EQUAL(element_count({kMax}), kMax);
  CHECK_THROWS(ShapeError, "negative dimension in shape (2, -1)", element_count({2, -1}));
  CHECK_THROWS(ShapeError, "negative dimension", element_count({0, kMin}));
  CHECK_THROWS(ShapeError, "too many elements", element_count({kMax, 2}));
  CHECK_THROWS(ShapeError, "too many elements", element_count({kMax, kMax, 0}));
  CHECK_THROWS(ShapeError, "at most 32", element_count(Dims(33, 1)));
  CHECK_EQUAL(element_count(Dims(32, 1)), 1);
}

TEST_CASE(contiguous_layout_is_row_major) {
  CHECK(contiguous_layout({2, 3, 4}).strides == (Dims{12, 4, 1}));
  CHECK(contiguous_layout({2, 0, 4}).strides == (Dims{4, 4, 1}));
  CHECK(is_contiguous(contiguous_layout({})));
  CHECK(is_contiguous({{2, 1, 3}, {3, kMax, 1}, 5}));
  CHECK(is_contiguous({{0, 3}, {7, 7}, 0}));
  CHECK(!is_contiguous({{2, 3}, {1, 2}, 0}));
  CHECK(!is_contiguous({{3}, {0}, 0}));
  CHECK(!is_contiguous({{3}, {-1}, 2}));
}

TEST_CASE(extent_covers_both_ends) {
  const auto both = extent({{3, 4}, {-4, 1}, 8});
  CHECK_EQUAL(both->lowest, 0);
  CHECK_EQUAL(both->highest, 11);
  CHECK(!extent({{0, 4}, {kMax, kMax}, 0}).has_value());
  CHECK_EQUAL(extent({{}, {}, 3})->highest, 3);
  CHECK_THROWS(ShapeError, "reach beyond 64 bits", extent({{3}, {kMax}, 0}));
  CHECK_THROWS(ShapeError, "reach beyond 64 bits", extent({{2, 2}, {kMax, 1}, 0}));
  CHECK_THROWS(ShapeError, "reach beyond 64 bits", extent({{2}, {kMin}, -1}));
}

TEST_CASE(validate_keeps_views_inside_the_buffer) {
  validate({{3, 4}, {4, 1}, 0}, 12);
  validate({{3, 4}, {-4, -1}, 11}, 12);
  validate({{1000}, {0}, 11}, 12);
  validate({{0}, {1}, 12}, 12);
  CHECK_THROWS(ShapeError, "leaves the buffer of 11 elements", validate({{3, 4}, {4, 1}, 0}, 11));
  CHECK_THROWS(ShapeError, "leaves the buffer", validate({{3, 4}, {4, 1}, 1}, 12));
  CHECK_THROWS(ShapeError, "leaves the buffer", validate({{3}, {-1}, 1}, 12));
  CHECK_THROWS(ShapeError, "leaves the buffer", validate({{}, {}, 0}, 0));
  CHECK_THROWS(ShapeError, "leaves the buffer", validate({{}, {}, -1}, 12));
  CHECK_THROWS(ShapeError, "leaves the buffer", validate({{0}, {1}, 13}, 12));
  CHECK_THROWS(ShapeError, "leaves the buffer", validate({{0}, {1}, kMin}, 12));
  CHECK_THROWS(ShapeError, "differ in rank", validate({{3}, {1, 1}, 0}, 12));
}

TEST_CASE(transpose_permutes) {
  const Layout view = transpose({{2, 3, 4}, {12, 4, 1}, 5}, {2, 0, -2});
  CHECK(view.shape == (Dims{4, 2, 3}));
  CHECK(view.strides == (Dims{1, 12, 4}));
  CHECK_EQUAL(view.offset, 5);
  const Layout matrix = contiguous_layout({2, 3});
  CHECK_THROWS(ShapeError, "repeat axis 1", transpose(matrix, {1, -1}));
  CHECK_THROWS(ShapeError, "out of range", transpose(matrix, {0, 2}));
  CHECK_THROWS(ShapeError, "out of range", transpose(matrix, {0, kMin}));
  CHECK_THROWS(ShapeError, "do not fit 2 dimensions", transpose(matrix, {0}));
}

TEST_CASE(broadcast_repeats_by_zero_strides) {
  const Layout view = broadcast_to({{3, 1}, {1, 7}, 2}, {2, 3, 5});
  CHECK(view.strides == (Dims{0, 1, 0}));
  CHECK_EQUAL(view.offset, 2);
  CHECK(broadcast_to(contiguous_layout({}), {4}).strides == (Dims{0}));
  CHECK(broadcast_to(contiguous_layout({1}), {0}).shape == (Dims{0}));
  CHECK_THROWS(ShapeError, "does not broadcast to (3, 4)", broadcast_to(contiguous_layout({2, 4}), {3, 4}));
  CHECK_THROWS(ShapeError, "does not broadcast", broadcast_to(contiguous_layout({2, 4}), {4}));
  CHECK_THROWS(ShapeError, "does not broadcast", broadcast_to(contiguous_layout({0}), {1}));
  CHECK_THROWS(ShapeError, "too many elements", broadcast_to(contiguous_layout({1}), {kMax, kMax}));
  CHECK_THROWS(ShapeError, "negative", broadcast_to(contiguous_layout({1}), {-1}));
}

TEST_CASE(slice_matches_enumeration) {
  const Layout line = contiguous_layout({7});
  for (std::int64_t step : {-kMax, std::int64_t{-9}, std::int64_t{-3}, std::int64_t{-1}, std::int64_t{1},
                            std::int64_t{2}, std::int64_t{7}, kMax}) {
    const std::int64_t low = step > 0 ? 0 : -1;
    for (std::int64_t start = low; start <= low + 7; ++start) {
      for (std::int64_t stop = low; stop <= low + 7; ++stop) {
        std::vector<std::int64_t> expected;
        for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
          expected.push_back(i);
          if (step > 7 || step < -7) break;  // the next one is outside, and adding may overflow
          i += step;
        }
        const Layout view = slice(line, {{start, stop, step}});
        CHECK(elements(view) == expected);
        validate(view, 7);
      }
    }
  }
}

TEST_CASE(slice_composes_and_refuses) {
  const Layout view = slice({{4, 5}, {5, 1}, 0}, {{3, -1, -2}, {1, 5, 3}});
  CHECK(elements(view) == (std::vector<std::int64_t>{16, 19, 6, 9}));
  CHECK(elements(slice(view, {{1, 2, 1}, {1, -1, -1}})) == (std::vector<std::int64_t>{9, 6}));
  // Strides of an empty view are bounded by nothing.
  CHECK(slice({{0, 9}, {1, kMax}, 0}, {{0, 0, 1}, {0, 9, 2}}).shape == (Dims{0, 5}));
  const Layout line = contiguous_layout({4});
  CHECK_THROWS(ShapeError, "step is 0 on axis 0", slice(line, {{0, 4, 0}}));
  CHECK_THROWS(ShapeError, "leaves axis 0", slice(line, {{0, 5, 1}}));
  CHECK_THROWS(ShapeError, "leaves axis 0", slice(line, {{-1, 4, 1}}));
  CHECK_THROWS(ShapeError, "leaves axis 0", slice(line, {{4, 0, -1}}));
  CHECK_THROWS(ShapeError, "leaves axis 0", slice(line, {{kMin, kMax, kMin}}));
  CHECK_THROWS(ShapeError, "0 slices for 1 dimensions", slice(line, {}));
}

TEST_CASE(reshape_finds_every_view_and_no_other) {
  // Twelve elements, however they are laid out, into every shape of up to three dimensions.
  const std::vector<Layout> sources = {
      contiguous_layout({12}),
      contiguous_layout({3, 4}),
      {{4, 3}, {1, 4}, 0},
      {{3, 4}, {8, 2}, 1},
      {{2, 2, 3}, {12, 6, 2}, 0},
      {{2, 2, 3}, {3, 6, 1}, 0},
      {{12}, {-1}, 11},
      {{3, 4}, {-4, -1}, 11},
      {{3, 4}, {0, 1}, 0},
      {{3, 4}, {1, 0}, 0},
      {{3, 4}, {0, 0}, 5},
      {{1, 12, 1}, {99, 2, -7}, 0},
      {{2, 1, 6}, {6, kMax, 1}, 0},
      {{2, 3, 2}, {6, 2, -1}, 1},
  };
  for (const Layout& source : sources) {
    const std::vector<std::int64_t> order = elements(source);
    for (std::size_t rank = 1; rank <= 3; ++rank) {
      for (const Dims& shape : shapes_of(12, rank)) {
        const auto view = reshape(source, shape);
        CHECK_EQUAL(view.has_value(), view_exists(order, shape));
        if (view) CHECK(elements(*view) == order);
      }
    }
  }
}

TEST_CASE(reshape_of_empty_and_wrong_counts) {
  CHECK(reshape({{0, 3}, {kMax, kMax}, 4}, {5, 0})->shape == (Dims{5, 0}));
  CHECK_EQUAL(reshape({{0, 3}, {kMax, kMax}, 4}, {5, 0})->offset, 4);
  CHECK(reshape(contiguous_layout({1}), {})->shape.empty());
  CHECK(reshape(contiguous_layout({}), {1, 1})->shape == (Dims{1, 1}));
  CHECK_THROWS(ShapeError, "cannot reshape (2, 3) with 6 elements to (4,)",
               reshape(contiguous_layout({2, 3}), {4}));
  CHECK_THROWS(ShapeError, "negative", reshape(contiguous_layout({2, 3}), {-1}));
  CHECK_THROWS(ShapeError, "cannot reshape", reshape(contiguous_layout({0}), {}));
  CHECK_THROWS(ShapeError, "too many elements", reshape(contiguous_layout({0}), {kMax, kMax, 0}));
}
