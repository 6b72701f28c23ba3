// csrc/soft/metal/step.h: what a command buffer consists of once it is recorded.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "soft/metal/access.h"
#include "soft/metal/event.h"
#include "soft/metal/settings.h"

namespace isometal::soft {

/// How far an encoder came, and the names that messages use.
struct EncoderReport {
  std::string label;                   ///< as of commit
  std::vector<std::string> signposts;  ///< as of commit
  /// The queue's thread says how the run went, while callers may still break rules.
  std::atomic<MTL::CommandEncoderErrorState> state = MTL::CommandEncoderErrorStatePending;

  /// A rule that was broken is not forgotten.
  void completed() {
    auto pending = MTL::CommandEncoderErrorStatePending;
    state.compare_exchange_strong(pending, MTL::CommandEncoderErrorStateCompleted);
  }
};

struct RunContext {
  const DeviceSettings& settings;
  std::uint64_t seed;  ///< of this step, in mode kShuffled
};

class Step {
 public:
  Step() = default;
  virtual ~Step() = default;
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  /// On the queue's thread. An exception ends the command buffer with an error.
  virtual void run(const RunContext& context) = 0;
  /// It will not run, because the command buffer has failed.
  virtual void give_up(const std::string& /*reason*/) {}
  /// It has run: gives up what it keeps alive.
  virtual void release() {}
  /// Of an encoder; null for other steps.
  virtual EncoderReport* report() { return nullptr; }
};

/// A wait that nothing will end. The command buffer's error is a timeout.
struct StallError : SoftError {
  using SoftError::SoftError;
};

std::unique_ptr<Step> make_signal(const EventCore& event, std::uint64_t value);
std::unique_ptr<Step> make_wait(const EventCore& event, std::uint64_t value);

}  // namespace isometal::soft
