// csrc/soft/validation.h: what happens when a call breaks a rule of Metal's API. On a Mac with API validation
// the process aborts; here the call does nothing, and everyone who should know is told.
#pragma once

#include <functional>
#include <string>

namespace isometal::soft {

enum class ValidationPolicy {
  kRecord,  ///< the call returns; a command buffer that it belongs to ends with status Error
  kThrow,   ///< after that, the call throws ValidationError: for tests that want to stop at the line
};

using ValidationHandler = std::function<void(const std::string& text)>;

/// Called for every failure, on the thread of the failing call. Without a handler failures go to stderr:
/// nothing goes wrong in silence. Null removes it.
void set_validation_handler(ValidationHandler handler);

/// kRecord unless set.
void set_validation_policy(ValidationPolicy policy);

/// Tells the handler, then obeys the policy. `text` is complete: `[soft] call: what is wrong; what would be
/// right.`
void report_failure(const std::string& text);

/// As report_failure, but never throws: for destructors and the device's own threads.
void report_failure_quietly(const std::string& text) noexcept;

}  // namespace isometal::soft
