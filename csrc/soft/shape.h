// csrc/soft/shape.h: which threads of a threadgroup stand side by side, so that site 0 can run them in rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "soft/grid.h"
#include "soft/kernel_abi.h"

namespace isometal::soft {

/// The spans of a threadgroup's threads, in order. A row of threads (one y and z) is one span or, if
/// `by_simdgroup`, as many as the simdgroups that it touches.
class Shape {
 public:
  Shape() = default;
  Shape(const std::uint32_t size[3], bool by_simdgroup);

  std::uint32_t threads() const { return threads_; }
  std::uint32_t simdgroups() const { return simdgroups_of(threads_); }
  std::span<const abi::Span> spans() const { return spans_; }
  /// Those of one simdgroup; only if made `by_simdgroup`.
  std::span<const abi::Span> spans(std::uint32_t simdgroup) const {
    return std::span(spans_).subspan(first_[simdgroup], first_[simdgroup + 1] - first_[simdgroup]);
  }
  /// A span of one thread alone.
  abi::Span thread(std::uint32_t index) const {
    return {index, 1, index % size_[0], index / size_[0] % size_[1], index / size_[0] / size_[1]};
  }

 private:
  std::uint32_t size_[3]{1, 1, 1};
  std::uint32_t threads_ = 0;
  std::vector<abi::Span> spans_;
  std::vector<std::uint32_t> first_;  ///< of each simdgroup, and one beyond the last
};

}  // namespace isometal::soft
