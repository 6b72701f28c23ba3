// csrc/soft/metal/event_steps.cpp: signals and waits that are encoded into command buffers.
#include <chrono>

#include "soft/error.h"
#include "soft/metal/device.h"
#include "soft/metal/step.h"

namespace isometal::soft {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kLookEvery{20};

class SignalStep final : public Step {
 public:
  SignalStep(const EventCore& event, std::uint64_t value) : counter_(event.counter), value_(value) {}

  void run(const RunContext&) override { counter_->raise(value_); }
  void give_up(const std::string& reason) override { counter_->give_up(value_, reason); }

 private:
  std::shared_ptr<EventCounter> counter_;
  std::uint64_t value_;
};

class WaitStep final : public Step {
 public:
  WaitStep(const EventCore& event, std::uint64_t value)
      : counter_(event.counter), name_(event.described()), value_(value) {}

  void run(const RunContext& context) override {
    std::uint64_t seen = the_device().progress;
    Clock::time_point moved = Clock::now();
    while (true) {
      switch (counter_->wait(value_, std::min(kLookEvery, context.settings.stall_limit))) {
        case EventCounter::Wait::kReached:
          return;
        case EventCounter::Wait::kGivenUp:
          throw StallError(soft_message(
              "encodeWait: ", name_, " will not reach ", value_,
              ", because the command buffer that signals it failed: ", counter_->reason(value_)));
        case EventCounter::Wait::kTimeout:
          break;
      }
      const std::uint64_t progress = the_device().progress;
      if (progress != seen || the_device().running != 0) {
        seen = progress;
        moved = Clock::now();
      } else if (Clock::now() - moved > context.settings.stall_limit) {
        throw StallError(
            soft_message("encodeWait: ", name_, " is at ", counter_->value(), " and has waited for ", value_,
                         " during ", context.settings.stall_limit.count(),
                         " ms in which nothing ran; signal the value, from the CPU or another queue."));
      }
    }
  }

 private:
  std::shared_ptr<EventCounter> counter_;
  std::string name_;
  std::uint64_t value_;
};

}  // namespace

std::unique_ptr<Step> make_signal(const EventCore& event, std::uint64_t value) {
  return std::make_unique<SignalStep>(event, value);
}

std::unique_ptr<Step> make_wait(const EventCore& event, std::uint64_t value) {
  return std::make_unique<WaitStep>(event, value);
}

}  // namespace isometal::soft
