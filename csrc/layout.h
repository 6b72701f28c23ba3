// csrc/layout.h: shape, strides and offset of a view, and the arithmetic of views. Knows nothing of memory or
// dtypes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace isometal {

using Dims = std::vector<std::int64_t>;

/// The least limit among the NumPy versions that we support, so that every Array can become an ndarray.
inline constexpr std::size_t kMaxRank = 32;

/// Strides and offset count elements; strides may be negative or 0.
struct Layout {
  Dims shape;
  Dims strides;
  std::int64_t offset = 0;
};

/// One axis of a slice, as Python's `slice.indices(n)` resolves it: `start` is an index or one of the ends,
/// and for a negative step `stop` may be -1, the place before the first element.
struct Slice {
  std::int64_t start;
  std::int64_t stop;
  std::int64_t step;
};

/// An axis, or several that memory order lets us walk as one.
struct Run {
  std::int64_t size;
  std::int64_t stride;
};

/// The lowest and highest element that a non-empty view addresses, both included.
struct Extent {
  std::int64_t lowest;
  std::int64_t highest;
};

/// "(2, 3)", as Python writes a tuple.
std::string to_string(const Dims& dims);

struct ElementCount {
  std::int64_t elements;
  std::int64_t without_zeros;  ///< dimensions of 0 counted as 1: what the strides of empty arrays reach to
};

/// Throws on a negative dimension, more than kMaxRank of them, or a product of those that are not 0 beyond 64
/// bits, so that contiguous strides exist for empty shapes as well.
ElementCount counted(const Dims& shape);

inline std::int64_t element_count(const Dims& shape) {
  return counted(shape).elements;
}

/// Row-major layout at offset 0.
Layout contiguous_layout(Dims shape);

/// Row-major without gaps; axes of size 1 do not matter, and an empty view always is.
bool is_contiguous(const Layout& layout);

/// What the view addresses, nullopt if it is empty. Throws where an address does not fit 64 bits.
std::optional<Extent> extent(const Layout& layout);

/// Throws unless the layout is well-formed and stays inside a buffer of `capacity` elements.
void validate(const Layout& layout, std::int64_t capacity);

/// The layout as the fewest runs, outermost first: axes of size 1 dropped, adjacent ones merged. Not for
/// empty views.
std::vector<Run> merged_runs(const Dims& shape, const Dims& strides);

/// The shape that both broadcast to, by NumPy's rules. Throws ShapeError where there is none.
Dims broadcast_shapes(const Dims& a, const Dims& b);

/// The views below never touch memory; each throws ShapeError on bad arguments. Negative axes count from the
/// end.
Layout transpose(const Layout& layout, const Dims& axes);
Layout broadcast_to(const Layout& layout, const Dims& shape);
Layout slice(const Layout& layout, const std::vector<Slice>& slices);

/// nullopt where the strides allow no view of that shape; throws where the element counts differ.
std::optional<Layout> reshape(const Layout& layout, const Dims& shape);

}  // namespace isometal
