// csrc/layout.cpp: the arithmetic of views.
#include "layout.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "checked.h"
#include "error.h"

namespace isometal {
namespace {

/// `axis` counted from the front.
std::size_t normal_axis(std::int64_t axis, std::size_t rank) {
  const auto signed_rank = static_cast<std::int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank) {
    throw ShapeError(array_message("axis ", axis, " is out of range for ", rank, " dimensions; use ",
                                   -signed_rank, " to ", signed_rank - 1, "."));
  }
  return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
}

/// Number of indices that `slice` takes from an axis of length `dim`.
std::int64_t slice_length(const Slice& slice, std::int64_t dim, std::size_t axis) {
  if (slice.step == 0) throw ShapeError(array_message("slice step is 0 on axis ", axis, "; it must not be."));
  const std::int64_t low = slice.step > 0 ? 0 : -1;
  const std::int64_t high = slice.step > 0 ? dim : dim - 1;
  if (slice.start < low || slice.start > high || slice.stop < low || slice.stop > high) {
    throw ShapeError(array_message("slice ", slice.start, ":", slice.stop, ":", slice.step, " leaves axis ",
                                   axis, " of length ", dim, "; start and stop must lie in ", low, " to ",
                                   high, "."));
  }
  // The distance is at most `dim`, and the quotient form cannot overflow whatever the step.
  if (slice.step > 0) return slice.stop > slice.start ? (slice.stop - slice.start - 1) / slice.step + 1 : 0;
  return slice.start > slice.stop ? (slice.stop - slice.start + 1) / slice.step + 1 : 0;
}

}  // namespace

std::string to_string(const Dims& dims) {
  std::string text = "(";
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(dims[i]);
  }
  return text + (dims.size() == 1 ? ",)" : ")");
}

ElementCount counted(const Dims& shape) {
  if (shape.size() > kMaxRank) {
    throw ShapeError(
        array_message("too many dimensions: ", shape.size(), "; at most ", kMaxRank, " are supported."));
  }
  std::int64_t product = 1;
  bool empty = false;
  for (const std::int64_t dim : shape) {
    if (dim < 0) {
      throw ShapeError(
          array_message("negative dimension in shape ", to_string(shape), "; every one must be at least 0."));
    }
    empty |= dim == 0;
    const auto next = checked_mul(product, std::max<std::int64_t>(dim, 1));
    if (!next) {
      throw ShapeError(
          array_message("shape ", to_string(shape), " has too many elements; they must fit 63 bits."));
    }
    product = *next;
  }
  return {empty ? 0 : product, product};
}

Layout contiguous_layout(Dims shape) {
  element_count(shape);  // for its checks: the products below are then safe
  Dims strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride *= std::max<std::int64_t>(shape[axis], 1);
  }
  return {std::move(shape), std::move(strides), 0};
}

bool is_contiguous(const Layout& layout) {
  if (element_count(layout.shape) == 0) return true;
  std::int64_t expected = 1;
  for (std::size_t axis = layout.shape.size(); axis-- > 0;) {
    if (layout.shape[axis] == 1) continue;
    if (layout.strides[axis] != expected) return false;
    expected *= layout.shape[axis];
  }
  return true;
}

std::optional<Extent> extent(const Layout& layout) {
  if (element_count(layout.shape) == 0) return std::nullopt;
  Extent result{layout.offset, layout.offset};
  for (std::size_t axis = 0; axis < layout.shape.size(); ++axis) {
    const auto reach = checked_mul(layout.shape[axis] - 1, layout.strides[axis]);
    std::int64_t& end = reach.value_or(0) < 0 ? result.lowest : result.highest;
    const auto moved = reach ? checked_add(end, *reach) : std::nullopt;
    if (!moved) {
      throw ShapeError(array_message("strides ", to_string(layout.strides), " of shape ",
                                     to_string(layout.shape),
                                     " reach beyond 64 bits; they must stay inside the buffer."));
    }
    end = *moved;
  }
  return result;
}

void validate(const Layout& layout, std::int64_t capacity) {
  if (layout.shape.size() != layout.strides.size()) {
    throw ShapeError(array_message("shape ", to_string(layout.shape), " and strides ",
                                   to_string(layout.strides),
                                   " differ in rank; give one stride per dimension."));
  }
  const auto reach = extent(layout);
  // An empty view may start right behind the last element, like an end iterator.
  const bool inside = reach ? reach->lowest >= 0 && reach->highest < capacity
                            : layout.offset >= 0 && layout.offset <= capacity;
  if (!inside) {
    throw ShapeError(array_message(
        "shape ", to_string(layout.shape), " with strides ", to_string(layout.strides), " and offset ",
        layout.offset, " leaves the buffer of ", capacity, " elements; every element must lie inside."));
  }
}

std::vector<Run> merged_runs(const Dims& shape, const Dims& strides) {
  std::vector<Run> runs;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] == 1) continue;
    const Run inner{shape[axis], strides[axis]};
    const auto whole = checked_mul(inner.size, inner.stride);
    if (!runs.empty() && whole && runs.back().stride == *whole) {
      runs.back() = {runs.back().size * inner.size, inner.stride};
    } else {
      runs.push_back(inner);
    }
  }
  return runs;
}

Dims broadcast_shapes(const Dims& a, const Dims& b) {
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  Dims shape = longer;
  const std::size_t lead = longer.size() - shorter.size();
  for (std::size_t axis = 0; axis < shorter.size(); ++axis) {
    std::int64_t& dim = shape[lead + axis];
    const std::int64_t other = shorter[axis];
    if (dim == other || other == 1) continue;
    if (dim != 1) {
      throw ShapeError(
          array_message("shapes ", to_string(a), " and ", to_string(b),
                        " do not broadcast; aligned from the last axis, sizes must be equal or 1."));
    }
    dim = other;
  }
  return shape;
}

Layout transpose(const Layout& layout, const Dims& axes) {
  const std::size_t rank = layout.shape.size();
  if (axes.size() != rank) {
    throw ShapeError(
        array_message("axes ", to_string(axes), " do not fit ", rank, " dimensions; name each axis once."));
  }
  Layout result{{}, {}, layout.offset};
  std::vector<bool> seen(rank);
  for (const std::int64_t given : axes) {
    const std::size_t axis = normal_axis(given, rank);
    if (seen[axis]) {
      throw ShapeError(
          array_message("axes ", to_string(axes), " repeat axis ", axis, "; name each axis once."));
    }
    seen[axis] = true;
    result.shape.push_back(layout.shape[axis]);
    result.strides.push_back(layout.strides[axis]);
  }
  return result;
}

Layout broadcast_to(const Layout& layout, const Dims& shape) {
  element_count(shape);  // for its checks
  const std::size_t rank = layout.shape.size();
  const auto refuse = [&] {
    throw ShapeError(array_message("shape ", to_string(layout.shape), " does not broadcast to ",
                                   to_string(shape), "; each dimension, from the last, must be equal or 1."));
  };
  if (shape.size() < rank) refuse();
  const std::size_t added = shape.size() - rank;
  Layout result{shape, Dims(shape.size(), 0), layout.offset};
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const std::int64_t from = layout.shape[axis];
    const std::int64_t to = shape[added + axis];
    if (from != to && from != 1) refuse();
    if (from == to) result.strides[added + axis] = layout.strides[axis];
  }
  return result;
}

Layout slice(const Layout& layout, const std::vector<Slice>& slices) {
  const std::size_t rank = layout.shape.size();
  if (slices.size() != rank) {
    throw ShapeError(
        array_message(slices.size(), " slices for ", rank, " dimensions; give one per dimension."));
  }
  // Nothing bounds the strides of an empty view, so they are not calculated with.
  const bool occupied = element_count(layout.shape) > 0;
  Layout result = layout;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const std::int64_t length = slice_length(slices[axis], layout.shape[axis], axis);
    result.shape[axis] = length;
    // With fewer than two elements the stride is never walked: keep it, a huge step would overflow.
    if (occupied && length > 1) result.strides[axis] *= slices[axis].step;
    // An empty result has no first element to move to.
    if (occupied && length > 0) result.offset += slices[axis].start * layout.strides[axis];
  }
  return result;
}

std::optional<Layout> reshape(const Layout& layout, const Dims& shape) {
  const std::int64_t count = element_count(layout.shape);
  Layout result = contiguous_layout(shape);
  result.offset = layout.offset;
  if (element_count(shape) != count) {
    throw ShapeError(array_message("cannot reshape ", to_string(layout.shape), " with ", count,
                                   " elements to ", to_string(shape), "; the counts must be equal."));
  }
  if (count == 0) return result;

  // Innermost first: each run must be used up by whole dimensions, for a dimension across two runs has no one
  // stride.
  std::vector<Run> runs = merged_runs(layout.shape, layout.strides);
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    if (shape[axis] == 1) continue;
    while (!runs.empty() && runs.back().size == 1) runs.pop_back();
    if (runs.empty() || runs.back().size % shape[axis] != 0) return std::nullopt;
    Run& run = runs.back();
    result.strides[axis] = run.stride;
    run.size /= shape[axis];
    // Past its last dimension a run's stride is never used, and there alone the product may overflow.
    if (run.size > 1) run.stride *= shape[axis];
  }
  return result;
}

}  // namespace isometal
