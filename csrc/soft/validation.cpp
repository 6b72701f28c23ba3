// csrc/soft/validation.cpp: the process-wide handler and policy for failures of validation.
#include "soft/validation.h"

#include <atomic>
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

#include "soft/error.h"

namespace isometal::soft {
namespace {

struct State {
  std::mutex mutex;
  std::shared_ptr<const ValidationHandler> handler;
  std::atomic<ValidationPolicy> policy{ValidationPolicy::kRecord};
};

/// Never destroyed: threads of the device may report until the process is gone.
State& state() {
  static State* const instance = new State;
  return *instance;
}

void tell(const std::string& text) {
  std::shared_ptr<const ValidationHandler> handler;
  {
    const std::lock_guard lock(state().mutex);
    handler = state().handler;
  }
  // Called without the lock: the handler may set another.
  if (handler != nullptr) return (*handler)(text);
  std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace

void set_validation_handler(ValidationHandler handler) {
  auto shared = handler ? std::make_shared<const ValidationHandler>(std::move(handler)) : nullptr;
  const std::lock_guard lock(state().mutex);
  state().handler.swap(shared);
}

void set_validation_policy(ValidationPolicy policy) {
  state().policy = policy;
}

void report_failure(const std::string& text) {
  tell(text);
  if (state().policy == ValidationPolicy::kThrow) throw ValidationError(text);
}

void report_failure_quietly(const std::string& text) noexcept {
  try {
    tell(text);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n[soft] the validation handler threw: %s.\n", text.c_str(), error.what());
  } catch (...) {
    std::fprintf(stderr, "%s\n[soft] the validation handler threw.\n", text.c_str());
  }
}

}  // namespace isometal::soft
