// csrc/soft/shape.cpp: cutting a threadgroup into spans.
#include "soft/shape.h"

#include <algorithm>

namespace isometal::soft {

Shape::Shape(const std::uint32_t size[3], bool by_simdgroup)
    : size_{size[0], size[1], size[2]}, threads_(size[0] * size[1] * size[2]) {
  for (std::uint32_t index = 0; index < threads_;) {
    abi::Span span = thread(index);
    span.count = size_[0] - span.x;
    if (by_simdgroup) {
      if (index % abi::kLanes == 0) first_.push_back(static_cast<std::uint32_t>(spans_.size()));
      span.count = std::min(span.count, abi::kLanes - index % abi::kLanes);
    }
    spans_.push_back(span);
    index += span.count;
  }
  if (by_simdgroup) first_.push_back(static_cast<std::uint32_t>(spans_.size()));
}

}  // namespace isometal::soft
