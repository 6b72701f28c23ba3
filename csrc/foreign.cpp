// csrc/foreign.cpp: from a described foreign memory to an Array.
#include "foreign.h"

#include <utility>

#include "checked.h"
#include "error.h"

namespace isometal {
namespace {

/// Why that memory cannot be shared as elements of `dtype`; empty if it can.
std::string obstacle(const Foreign& foreign, DType dtype) {
  const std::int64_t item = itemsize(dtype);
  for (const std::int64_t stride : foreign.byte_strides) {
    if (stride % item != 0) {
      return "byte strides " + to_string(foreign.byte_strides) + " are not whole elements of " +
             std::to_string(item) + " bytes";
    }
  }
  if (reinterpret_cast<std::uintptr_t>(foreign.first) % static_cast<std::uintptr_t>(item) != 0) {
    return "the memory is not aligned to elements of " + std::to_string(item) + " bytes";
  }
  return "";
}

Array share(Foreign foreign, DType dtype) {
  const std::int64_t item = itemsize(dtype);
  Layout layout{std::move(foreign.shape), std::move(foreign.byte_strides), 0};
  for (std::int64_t& stride : layout.strides) stride /= item;
  // The buffer covers exactly what the view reaches: a producer tells no other bound.
  const Extent reach = extent(layout).value_or(Extent{0, -1});
  const auto nbytes = checked_mul(reach.highest - reach.lowest + 1, item);
  const auto before = checked_mul(reach.lowest, item);
  if (!nbytes || !before) {
    throw ShapeError(array_message("shape ", to_string(layout.shape), " with strides ",
                                   to_string(layout.strides),
                                   " reaches beyond 64 bits; it must lie in memory."));
  }
  layout.offset = -reach.lowest;
  std::byte* lowest = foreign.first == nullptr ? nullptr : foreign.first + *before;
  return Array(Buffer::borrow(lowest, *nbytes, foreign.readonly, std::move(foreign.owner)), dtype,
               std::move(layout));
}

}  // namespace

Array adopt(Foreign foreign, DType dtype, CopyMode mode) {
  const std::int64_t count = element_count(foreign.shape);
  if (count > 0 && foreign.first == nullptr) {
    throw ShapeError(array_message("the producer gave a null address for shape ", to_string(foreign.shape),
                                   "; it must be valid memory."));
  }
  if (count == 0) {
    // Producers put anything into the strides and address of an empty array.
    Layout layout = contiguous_layout(foreign.shape);
    for (std::int64_t& stride : layout.strides) {
      stride = checked_mul(stride, itemsize(dtype)).value_or(itemsize(dtype));
    }
    foreign.byte_strides = std::move(layout.strides);
    foreign.first = nullptr;
  }
  const std::string why_not = obstacle(foreign, dtype);
  if (mode == CopyMode::kNever && (foreign.copied || !why_not.empty())) {
    throw ShapeError(array_message("copy=False, but ",
                                   why_not.empty() ? "the producer copied its data" : why_not,
                                   "; pass copy=None to allow a copy."));
  }
  if (mode == CopyMode::kAlways || !why_not.empty()) {
    return Array::copy_of(foreign.first, std::move(foreign.shape), foreign.byte_strides, dtype);
  }
  return share(std::move(foreign), dtype);
}

}  // namespace isometal
