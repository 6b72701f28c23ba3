// csrc/soft/metal/event.h: the counter behind events.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "soft/metal/access.h"

namespace isometal::soft {

/// Shared by the event's object and the commands that wait for it or signal it.
class EventCounter {
 public:
  std::uint64_t value() const;

  /// From the CPU: any value.
  void set(std::uint64_t value);
  /// From a command buffer: a smaller value changes nothing.
  void raise(std::uint64_t value);
  /// The command buffer that was to raise the event to `value` has failed.
  void give_up(std::uint64_t value, const std::string& reason);

  enum class Wait { kReached, kTimeout, kGivenUp };
  /// Waits until the value is reached, the one who was to raise it gave up, or the time is over.
  Wait wait(std::uint64_t value, std::chrono::milliseconds time) const;
  /// Why nobody will raise the event to `value`; empty where nobody gave up.
  std::string reason(std::uint64_t value) const;

  /// Calls `function` once `value` is reached: at once where it is.
  void call_at(std::uint64_t value, std::function<void()> function);

 private:
  void change(std::uint64_t value, bool only_up);
  bool given_up(std::uint64_t value) const { return given_up_.lower_bound(value) != given_up_.end(); }

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::uint64_t value_ = 0;
  std::map<std::uint64_t, std::string> given_up_;
  std::multimap<std::uint64_t, std::function<void()>> calls_;
};

class EventCore {
 public:
  std::shared_ptr<EventCounter> counter = std::make_shared<EventCounter>();
  NS::SharedPtr<NS::String> label;

  /// For messages.
  std::string described() const;
};

}  // namespace isometal::soft
