// csrc/launch/axes.h: the axes that several operands of one shape can be walked by.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include "layout.h"

namespace isometal::launch {

/// A shape with the strides of K operands; the innermost axis first.
template <std::size_t K>
struct Walk {
  struct Axis {
    std::int64_t size;
    std::array<std::int64_t, K> strides;
  };
  std::vector<Axis> axes;

  /// Every operand `k` as one run: contiguous, or a single element.
  bool is_flat(std::size_t k) const {
    return axes.empty() || (axes.size() == 1 && (axes[0].strides[k] == 1 || axes[0].strides[k] == 0));
  }
};

/// The fewest axes: those of size 1 dropped, neighbours merged where all operands allow. Not for empty
/// shapes.
template <std::size_t K>
Walk<K> walk(const Dims& shape, const std::array<const Dims*, K>& strides) {
  Walk<K> result;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    if (shape[axis] == 1) continue;
    typename Walk<K>::Axis outer{shape[axis], {}};
    for (std::size_t k = 0; k < K; ++k) outer.strides[k] = (*strides[k])[axis];
    bool merges = !result.axes.empty();
    for (std::size_t k = 0; merges && k < K; ++k) {
      const auto& inner = result.axes.back();
      // Strides lie inside a buffer, so that the product of one with its size cannot overflow.
      merges = outer.strides[k] == inner.strides[k] * inner.size;
    }
    if (merges) {
      result.axes.back().size *= outer.size;
    } else {
      result.axes.push_back(outer);
    }
  }
  return result;
}

/// The axes of `shape`, outermost first, in the order in which the operands, of that shape by strides of 0
/// where they broadcast, have them in memory. nullopt for their own order: where that is it, or where
/// operands disagree.
std::optional<Dims> memory_order(const Dims& shape, std::initializer_list<const Layout*> operands);

}  // namespace isometal::launch
