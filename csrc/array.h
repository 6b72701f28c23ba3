// csrc/array.h: Array, a typed view of a shared Buffer. Free of Python, so that kernels' launch code can use
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "buffer.h"
#include "dtype.h"
#include "layout.h"

namespace isometal {

/// Immutable in all but the elements. Holds three promises: every element lies inside the buffer, the first
/// one is aligned to its size, and views share the buffer instead of copying it.
class Array {
 public:
  /// Throws ShapeError unless the promises hold.
  Array(std::shared_ptr<Buffer> buffer, DType dtype, Layout layout);

  /// Uninitialised, contiguous, in memory of its own.
  static Array empty(Dims shape, DType dtype);

  /// The elements that a producer laid out in `byte_strides` from `first` on, in memory of its own. The
  /// strides need not be multiples of the element size, nor `first` aligned.
  static Array copy_of(const std::byte* first, Dims shape, const Dims& byte_strides, DType dtype);

  DType dtype() const { return dtype_; }
  const Layout& layout() const { return layout_; }
  const Dims& shape() const { return layout_.shape; }
  const Dims& strides() const { return layout_.strides; }
  std::int64_t offset() const { return layout_.offset; }
  std::size_t ndim() const { return layout_.shape.size(); }
  std::int64_t size() const { return size_; }
  std::int64_t nbytes() const { return size_ * itemsize(dtype_); }
  bool readonly() const { return buffer_->readonly(); }
  bool is_contiguous() const { return isometal::is_contiguous(layout_); }
  const std::shared_ptr<Buffer>& buffer() const { return buffer_; }

  /// The element at index (0, 0, ...), for the host to read: waits for a device that still writes it. Throws
  /// BackendError where that failed.
  const std::byte* data() const {
    buffer_->wait();
    return buffer_->data() + layout_.offset * itemsize(dtype_);
  }
  /// Throws ShapeError if the memory is read-only.
  std::byte* mutable_data() const;

  Array transpose(const Dims& axes) const;
  Array broadcast_to(const Dims& shape) const;
  Array slice(const std::vector<Slice>& slices) const;
  /// nullopt where only a copy could have that shape.
  std::optional<Array> reshape(const Dims& shape) const;

  /// This array if it is contiguous already, else a copy that is.
  Array contiguous() const;
  /// A contiguous copy in memory of its own.
  Array copy() const;
  /// The elements, row-major without gaps, into memory that has room for them.
  void copy_to(std::byte* out) const;

 private:
  Array with(Layout layout) const { return Array(buffer_, dtype_, std::move(layout)); }

  std::shared_ptr<Buffer> buffer_;
  DType dtype_;
  Layout layout_;
  std::int64_t size_;
};

}  // namespace isometal
