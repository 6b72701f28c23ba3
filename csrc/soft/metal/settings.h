// csrc/soft/metal/settings.h: how the software device runs what is committed to it. metal-cpp has no words
// for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "soft/executor.h"
#include "soft/grid.h"

namespace isometal::soft {

struct DeviceSettings {
  Mode mode = Mode::kFast;
  std::uint64_t seed = 0;        ///< of mode kShuffled
  unsigned threads = 0;          ///< OS threads of a dispatch; 0 for default_threads()
  Observer* observer = nullptr;  ///< must outlive the command buffers committed while it is set
  bool observed = false;         ///< new pipelines report loads and stores to the observer
  /// For how long an encoded wait, or a call for one more command buffer, goes on while nothing moves.
  std::chrono::milliseconds stall_limit{60'000};
  /// Threads that new pipelines allow in a threadgroup at most, whatever their kernels say: as on a GPU whose
  /// registers are scarce.
  std::uint64_t max_threads = kMaxThreads;
  /// The type `bfloat`: source compiled without cannot use it, as on a GPU that has none.
  bool bfloat = true;
  /// Values of MTL::GPUFamily for which supportsFamily says yes: for dispatchers that ask before they use
  /// what this device can do.
  std::vector<std::int64_t> claimed_families;
};

/// What the environment says: ISOMETAL_SOFT_MODE is `fast` or `shuffled`, ISOMETAL_SOFT_BFLOAT `native` or
/// `none`, ISOMETAL_SOFT_SEED and ISOMETAL_SOFT_MAX_THREADS are numbers. Throws SoftError where a variable
/// has another value.
DeviceSettings settings_from_environment();

/// Those that were set last; at first the environment's.
DeviceSettings device_settings();

/// Holds for command buffers committed, and pipelines made, from now on.
void set_device_settings(DeviceSettings settings);

}  // namespace isometal::soft
