// csrc/array.cpp: construction, views and the strided copy.
#include "array.h"

#include <cstdint>
#include <cstring>
#include <utility>

#include "checked.h"
#include "error.h"

namespace isometal {
namespace {

std::int64_t checked_nbytes(const Dims& shape, DType dtype) {
  const ElementCount count = counted(shape);
  if (!checked_mul(count.without_zeros, itemsize(dtype))) {
    throw ShapeError(array_message("shape ", to_string(shape), " of ", name(dtype),
                                   " has too many bytes; they must fit 63 bits."));
  }
  return count.elements * itemsize(dtype);
}

template <std::size_t kItem>
void copy_row(std::byte* out, const std::byte* in, const Run& row) {
  if (row.stride == static_cast<std::int64_t>(kItem)) {
    std::memcpy(out, in, static_cast<std::size_t>(row.size) * kItem);
    return;
  }
  for (std::int64_t i = 0; i < row.size; ++i) {
    // memcpy of a constant size: one move, and no demand on the alignment of foreign memory.
    std::memcpy(out + i * static_cast<std::int64_t>(kItem), in + i * row.stride, kItem);
  }
}

/// Writes the elements to `out` in row-major order. `runs` count bytes, outermost first.
template <std::size_t kItem>
void copy_runs(std::byte* out, const std::byte* in, std::vector<Run> runs) {
  if (runs.empty()) runs.push_back({1, static_cast<std::int64_t>(kItem)});
  const Run row = runs.back();
  runs.pop_back();
  std::vector<std::int64_t> index(runs.size());
  for (;;) {
    copy_row<kItem>(out, in, row);
    out += row.size * static_cast<std::int64_t>(kItem);
    std::size_t axis = runs.size();
    while (axis > 0) {
      --axis;
      if (++index[axis] < runs[axis].size) {
        in += runs[axis].stride;
        break;
      }
      in -= (runs[axis].size - 1) * runs[axis].stride;
      index[axis] = 0;
      if (axis == 0) return;
    }
    if (runs.empty()) return;
  }
}

/// As copy_runs, of elements that `byte_strides` lay out from `first` on.
void copy_elements(std::byte* out, const std::byte* first, const Dims& shape, const Dims& byte_strides,
                   DType dtype) {
  if (element_count(shape) == 0) return;
  std::vector<Run> runs = merged_runs(shape, byte_strides);
  switch (itemsize(dtype)) {
    case 1:
      return copy_runs<1>(out, first, std::move(runs));
    case 2:
      return copy_runs<2>(out, first, std::move(runs));
    case 4:
      return copy_runs<4>(out, first, std::move(runs));
    default:
      return copy_runs<8>(out, first, std::move(runs));
  }
}

}  // namespace

Array::Array(std::shared_ptr<Buffer> buffer, DType dtype, Layout layout)
    : buffer_(std::move(buffer)),
      dtype_(dtype),
      layout_(std::move(layout)),
      size_(element_count(layout_.shape)) {
  checked_nbytes(layout_.shape, dtype);
  validate(layout_, buffer_->nbytes() / itemsize(dtype));
  const auto address = reinterpret_cast<std::uintptr_t>(buffer_->data());
  if (size_ > 0 && address % static_cast<std::uintptr_t>(itemsize(dtype)) != 0) {
    throw ShapeError(array_message("the memory is not aligned to the ", itemsize(dtype), " bytes of ",
                                   name(dtype), "; align it or copy."));
  }
}

Array Array::empty(Dims shape, DType dtype) {
  auto buffer = Buffer::allocate(checked_nbytes(shape, dtype));
  return Array(std::move(buffer), dtype, contiguous_layout(std::move(shape)));
}

Array Array::copy_of(const std::byte* first, Dims shape, const Dims& byte_strides, DType dtype) {
  extent({shape, byte_strides, 0});  // for its checks
  Array result = empty(std::move(shape), dtype);
  copy_elements(result.mutable_data(), first, result.shape(), byte_strides, dtype);
  return result;
}

std::byte* Array::mutable_data() const {
  if (readonly()) throw ShapeError(array_message("the memory is read-only; copy the array to write to it."));
  return buffer_->data() + layout_.offset * itemsize(dtype_);
}

Array Array::transpose(const Dims& axes) const {
  return with(isometal::transpose(layout_, axes));
}

Array Array::broadcast_to(const Dims& shape) const {
  return with(isometal::broadcast_to(layout_, shape));
}

Array Array::slice(const std::vector<Slice>& slices) const {
  return with(isometal::slice(layout_, slices));
}

std::optional<Array> Array::reshape(const Dims& shape) const {
  auto layout = isometal::reshape(layout_, shape);
  if (!layout) return std::nullopt;
  return with(std::move(*layout));
}

Array Array::contiguous() const {
  return is_contiguous() ? *this : copy();
}

Array Array::copy() const {
  Array result = empty(layout_.shape, dtype_);
  copy_to(result.mutable_data());
  return result;
}

void Array::copy_to(std::byte* out) const {
  Dims byte_strides = layout_.strides;
  for (std::int64_t& stride : byte_strides) {
    // Only a stride that is never walked can be too large to count bytes.
    stride = checked_mul(stride, itemsize(dtype_)).value_or(0);
  }
  copy_elements(out, data(), layout_.shape, byte_strides, dtype_);
}

}  // namespace isometal
