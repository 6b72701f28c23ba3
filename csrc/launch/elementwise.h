// csrc/launch/elementwise.h: what the planners of elementwise kernels share (metal/common/strided.h): parts
// of a walk that a dispatch can do, and their constants, parameters and grids. Operand 0 is the one written.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <utility>
#include <vector>

#include "launch/axes.h"
#include "launch/plan.h"
#include "params/elementwise.h"

namespace isometal::launch {

/// Threads of a threadgroup where nothing asks for another number.
inline constexpr std::uint32_t kElementwiseThreads = 256;
/// Threads along axis 0 where an operand's neighbours lie along axis 1: a threadgroup that is nearly square
/// uses the whole of the cache lines that it reads.
inline constexpr std::uint32_t kTurnedThreads = 32;
/// As elements_per_thread in metal/common/elementwise.h.
inline constexpr std::int64_t kBytesPerThread = 16;
/// Flat arrays of fewer elements have a thread each, so that all cores get some.
inline constexpr std::int64_t kManyElements = 1 << 16;
/// The most of what a dispatch's part may be: an axis by itself, and the product of those behind the second.
inline constexpr std::int64_t kMaxAxis = std::int64_t{1} << 31;

/// What a test may force, in any combination: "strided"; "one" or "many" elements for a thread; "wide"
/// offsets.
struct Forced {
  explicit Forced(const Choice& choice)
      : strided(has(choice, "strided")),
        one(has(choice, "one")),
        many(has(choice, "many")),
        wide(has(choice, "wide")) {}
  static bool has(const Choice& choice, std::string_view word) {
    return choice.forced.find(word) != std::string_view::npos;
  }
  bool strided, one, many, wide;
};

/// Part of a walk, and where it begins: elements from each operand's first.
template <std::size_t K>
struct Part {
  Walk<K> walk;
  std::array<std::int64_t, K> offsets{};
};

/// All of the operands, of one shape: axes in the order that operand 0 has them in memory, so that its
/// neighbours are axis 0. Not for empty shapes.
template <std::size_t K>
Part<K> whole(const Dims& shape, const std::array<const Layout*, K>& operands) {
  const auto outer_first = [&](std::size_t a, std::size_t b) {
    return std::abs(operands[0]->strides[a]) > std::abs(operands[0]->strides[b]);
  };
  std::vector<std::size_t> order;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] != 1) order.push_back(axis);
  }
  std::array<const Dims*, K> strides;
  for (std::size_t k = 0; k < K; ++k) strides[k] = &operands[k]->strides;
  if (std::is_sorted(order.begin(), order.end(), outer_first)) return {walk<K>(shape, strides)};
  std::stable_sort(order.begin(), order.end(), outer_first);
  Dims sizes(order.size());
  std::array<Dims, K> sorted;
  for (std::size_t k = 0; k < K; ++k) sorted[k].resize(order.size());
  for (std::size_t place = 0; place < order.size(); ++place) {
    sizes[place] = shape[order[place]];
    for (std::size_t k = 0; k < K; ++k) sorted[k][place] = operands[k]->strides[order[place]];
  }
  for (std::size_t k = 0; k < K; ++k) strides[k] = &sorted[k];
  return {walk<K>(sizes, strides)};
}

/// Calls `use` with parts of which each fits a grid, parameters and positions of 32 bits.
template <std::size_t K, typename Use>
void for_each_part(Part<K> part, const Use& use) {
  auto& axes = part.walk.axes;
  std::int64_t rest = 1;
  std::size_t split = 0;
  for (; split < axes.size(); ++split) {
    if (axes[split].size > kMaxAxis || (split >= 2 && rest > kMaxAxis / axes[split].size)) break;
    if (split >= 2) rest *= axes[split].size;
  }
  if (split == axes.size()) return use(part);
  const auto whole = axes[split];
  const std::int64_t piece = std::max<std::int64_t>(1, kMaxAxis / rest);
  for (std::int64_t first = 0; first < whole.size; first += piece) {
    Part<K> next = part;
    next.walk.axes[split].size = std::min(piece, whole.size - first);
    for (std::size_t k = 0; k < K; ++k) next.offsets[k] += first * whole.strides[k];
    if (next.walk.axes[split].size == 1)
      next.walk.axes.erase(next.walk.axes.begin() + static_cast<std::ptrdiff_t>(split));
    for_each_part(std::move(next), use);
  }
}

/// Offsets of a part's elements that do not fit an int.
template <std::size_t K>
bool is_wide(const Walk<K>& walk) {
  for (std::size_t k = 0; k < K; ++k) {
    std::int64_t reach = 0;
    for (const auto& axis : walk.axes) reach += (axis.size - 1) * std::abs(axis.strides[k]);
    if (reach > std::numeric_limits<std::int32_t>::max()) return true;
  }
  return false;
}

/// Whether a thread takes one of `size` elements in a row. Else it takes as many as its kernel gives it, from
/// `many` on.
inline bool takes_one(std::int64_t size, const Choice& choice, std::int64_t many) {
  const Forced forced(choice);
  if (forced.one) return true;
  if (forced.many) return false;
  return choice.traits.vector_lanes || size < many;
}

inline std::uint32_t inner_kind(std::int64_t stride) {
  return stride == 0 ? INNER_ONE : stride == 1 ? INNER_UNIT : INNER_ANY;
}

template <std::size_t K>
StridedParams<K> strided_params(const Walk<K>& walk) {
  StridedParams<K> params{};
  params.shape[0] = 1;
  for (std::size_t axis = 0; axis < walk.axes.size(); ++axis) {
    params.shape[axis] = to_u32(walk.axes[axis].size);
    for (std::size_t k = 0; k < K; ++k) params.strides[axis][k] = walk.axes[axis].strides[k];
  }
  return params;
}

/// Some operand's neighbours lie along axis 1.
template <std::size_t K>
bool is_turned(const Walk<K>& walk) {
  if (walk.axes.size() < 2) return false;
  for (std::size_t k = 0; k < K; ++k) {
    const std::int64_t down = std::abs(walk.axes[1].strides[k]);
    if (down != 0 && down < std::abs(walk.axes[0].strides[k])) return true;
  }
  return false;
}

/// The dispatch of a strided kernel, all but its buffers; parameters at `params_index`. `elements` is the
/// kernel's elements_per_thread.
template <std::size_t K>
Dispatch strided_dispatch(Family family, const KernelName& name, const Walk<K>& walk, std::int64_t elements,
                          const Choice& choice, std::uint8_t params_index) {
  static_assert(ELEMENTWISE_INNER + K <= ELEMENTWISE_CONSTANTS);
  const auto& axes = walk.axes;
  const std::int64_t inner = axes.empty() ? 1 : axes[0].size;
  const bool one = takes_one(inner, choice, elements * kSimdWidth);
  Kernel kernel(family, name);
  kernel.set(ELEMENTWISE_ONE, one)
      .set(ELEMENTWISE_WIDE, Forced(choice).wide || is_wide(walk))
      .set(ELEMENTWISE_AXES, static_cast<std::uint32_t>(axes.size()));
  for (std::size_t k = 0; k < K; ++k) {
    const std::int64_t stride = axes.empty() ? 0 : axes[0].strides[k];
    kernel.set(static_cast<std::uint8_t>(ELEMENTWISE_INNER + k), inner_kind(stride));
  }
  std::int64_t rest = 1;
  for (std::size_t axis = 2; axis < axes.size(); ++axis) rest *= axes[axis].size;
  const Size3 grid{to_u32(one ? inner : ceil_div(inner, elements)),
                   axes.size() > 1 ? to_u32(axes[1].size) : 1, to_u32(rest)};
  Size3 group;
  // Lanes of vectors are taken from along axis 0, the more the better.
  const bool square = is_turned(walk) && !choice.traits.vector_lanes;
  group.x = std::min(grid.x, square ? kTurnedThreads : kElementwiseThreads);
  group.y = std::min(grid.y, kElementwiseThreads / group.x);
  group.z = std::min(grid.z, kElementwiseThreads / (group.x * group.y));
  Dispatch dispatch(kernel);
  dispatch.params(params_index, strided_params(walk)).threads(grid, group);
  return dispatch;
}

/// Calls `use(first, size, one, threads)` for each part of `size` contiguous elements that one flat dispatch
/// takes.
template <typename Use>
void for_each_flat_part(std::int64_t size, std::int64_t elements, const Choice& choice, const Use& use) {
  const bool one = takes_one(size, choice, kManyElements);
  const std::int64_t each = one ? 1 : elements;
  for (std::int64_t first = 0; first < size; first += kMaxAxis * each) {
    const std::int64_t part = std::min(size - first, kMaxAxis * each);
    use(first, part, one, Size3{to_u32(ceil_div(part, each))});
  }
}

}  // namespace isometal::launch
