// csrc/soft/error.h: the errors of the software device, in the project's form `[soft] what: values; what
// would be right.` Python sees the classes of isometal.soft.errors.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace isometal::soft {

/// Base of the others, and what a setting of the machine or the build causes. Python: SoftDeviceError.
struct SoftError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A call that Metal's API validation would reject. Python: ValidationError.
struct ValidationError : SoftError {
  using SoftError::SoftError;
};

/// Threads wait at a barrier that others never reach. Python: HangError.
struct HangError : SoftError {
  using SoftError::SoftError;
};

/// A dispatch that ended early because `Dispatch::interrupted` said so.
struct Cancelled : SoftError {
  using SoftError::SoftError;
};

/// `parts` written one after the other.
template <typename... Parts>
std::string joined(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// The same behind the `[soft] ` that opens every message of this device.
template <typename... Parts>
std::string soft_message(const Parts&... parts) {
  return joined("[soft] ", parts...);
}

}  // namespace isometal::soft
