// csrc/foreign.h: memory of another library, described once whatever protocol it came through.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "array.h"

namespace isometal {

/// The `copy` argument of the array API standard: None, True, False.
enum class CopyMode : std::uint8_t { kIfNeeded, kAlways, kNever };

struct Foreign {
  std::byte* first = nullptr;  ///< the element at index (0, 0, ...)
  Dims shape;
  Dims byte_strides;
  std::int64_t itemsize = 0;
  std::optional<DType> dtype;  ///< empty where the element type is none of ours
  std::string type_name;       ///< as the producer would call it, for messages
  bool readonly = false;
  bool copied = false;  ///< the producer says that it made a copy for this
  std::shared_ptr<void> owner;
};

/// An Array of `dtype` on that memory, or on a copy where `mode` asks for one or the layout needs one. A copy
/// is always contiguous and writable.
Array adopt(Foreign foreign, DType dtype, CopyMode mode);

}  // namespace isometal
