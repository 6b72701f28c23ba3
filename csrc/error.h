// csrc/error.h: the errors of the native core, in the project's form `[array] what: values; what would be
// right.`
#pragma once

#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace isometal {

/// A shape, an axis, a stride or another value is wrong. Python sees ValueError.
struct ShapeError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// A dtype, or the type of an argument, is wrong. Python sees TypeError.
struct DTypeError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// A device or its code failed; the text is complete. Python sees isometal.BackendError, a RuntimeError.
struct BackendError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The allocator has no such block. Python sees MemoryError, as for any std::bad_alloc.
class AllocationError : public std::bad_alloc {
 public:
  explicit AllocationError(std::string message) : message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

/// `parts` written one after the other, behind the `[array] ` that opens every message of this module.
template <typename... Parts>
std::string array_message(const Parts&... parts) {
  std::ostringstream out;
  out << "[array] ";
  (out << ... << parts);
  return out.str();
}

}  // namespace isometal
