// csrc/launch/strided.h: what the planners of strided kernels share (metal/common/strided.h): walks whose
// parts fit 32 bits, constants and parameters.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "launch/axes.h"
#include "launch/plan.h"
#include "params/strided.h"

namespace isometal::launch {

/// Threads of a threadgroup where nothing asks for another number.
inline constexpr std::uint32_t kElementwiseThreads = 256;
/// As elements_per_thread in metal/common/elementwise.h.
inline constexpr std::int64_t kBytesPerThread = 16;

/// What a thread's part may be at most: an axis, and the product of those behind the second.
inline constexpr std::int64_t kMaxAxis = std::int64_t{1} << 31;

/// Part of a walk that one dispatch can do, and where it begins: elements from each operand's first.
template <std::size_t K>
struct Part {
  Walk<K> walk;
  std::array<std::int64_t, K> offsets{};
};

template <std::size_t K, typename Use>
void for_each_part(Part<K> part, const Use& use) {
  auto& axes = part.walk.axes;
  std::int64_t rest = 1;
  std::size_t split = axes.size();
  for (std::size_t axis = 0; axis < axes.size(); ++axis) {
    if (axis >= 2 && rest > kMaxAxis / axes[axis].size) split = axis;
    if (axes[axis].size > kMaxAxis) split = axis;
    if (split < axes.size()) break;
    if (axis >= 2) rest *= axes[axis].size;
  }
  if (split == axes.size()) return use(part);
  const auto whole = axes[split];
  // Of the axes behind the second their product counts; what is behind `split` gets dispatches of its own.
  const std::int64_t piece = split >= 2 ? std::max<std::int64_t>(1, kMaxAxis / rest) : kMaxAxis;
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
    // A stretch's index may pass the end by the elements of a thread.
    if (reach > std::numeric_limits<std::int32_t>::max() - 64) return true;
  }
  return false;
}

inline std::uint32_t inner_kind(std::int64_t stride) {
  return stride == 0 ? INNER_ONE : stride == 1 ? INNER_UNIT : INNER_ANY;
}

template <std::size_t K>
StridedParams<K> strided_params(const Walk<K>& walk) {
  StridedParams<K> params{};
  params.axes = static_cast<std::uint32_t>(walk.axes.size());
  params.shape[0] = 1;
  for (std::size_t axis = 0; axis < walk.axes.size(); ++axis) {
    params.shape[axis] = to_u32(walk.axes[axis].size);
    for (std::size_t k = 0; k < K; ++k) params.strides[axis][k] = walk.axes[axis].strides[k];
  }
  return params;
}

/// The constants of metal/common/strided.h.
template <std::size_t K>
void set_strided(Kernel& kernel, const Walk<K>& walk, bool wide) {
  kernel.set(STRIDED_WIDE, wide);
  for (std::size_t k = 0; k < K; ++k) {
    kernel.set(static_cast<std::uint8_t>(STRIDED_INNER + k),
               walk.axes.empty() ? std::uint32_t{INNER_UNIT} : inner_kind(walk.axes[0].strides[k]));
  }
}

/// The grid of a strided kernel whose threads take `elements` along axis 0.
template <std::size_t K>
void set_strided_grid(Dispatch& dispatch, const Walk<K>& walk, std::int64_t elements) {
  std::int64_t across = 1, rows = 1, rest = 1;
  if (!walk.axes.empty()) across = ceil_div(walk.axes[0].size, elements);
  if (walk.axes.size() > 1) rows = walk.axes[1].size;
  for (std::size_t axis = 2; axis < walk.axes.size(); ++axis) rest *= walk.axes[axis].size;
  const Size3 grid{to_u32(across), to_u32(rows), to_u32(rest)};
  Size3 group;
  group.x = std::min(grid.x, kElementwiseThreads);
  group.y = std::min(grid.y, kElementwiseThreads / group.x);
  group.z = std::min(grid.z, kElementwiseThreads / (group.x * group.y));
  dispatch.threads(grid, group);
}

}  // namespace isometal::launch
