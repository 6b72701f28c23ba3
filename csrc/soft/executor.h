// csrc/soft/executor.h: runs a kernel over a grid, on as many OS threads as wanted, and returns when it is
// done.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "soft/error.h"
#include "soft/grid.h"
#include "soft/hooks.h"
#include "soft/kernel_abi.h"
#include "soft/loaded_kernel.h"

namespace isometal::soft {

enum class Mode : std::uint8_t {
  kFast,      ///< in order, vectorised where the kernel allows it
  kShuffled,  ///< threadgroups, simdgroups and lanes in an order drawn from the seed
};

struct Dispatch {
  const LoadedKernel* kernel = nullptr;
  std::array<void*, abi::kArguments> buffers{};  ///< null where nothing is bound
  /// Bytes of [[threadgroup(n)]] memory; 0 where nothing is bound.
  std::array<std::uint32_t, abi::kArguments> threadgroup_lengths{};
  Size3 grid;
  Size3 threadgroup;
  bool grid_is_threads = false;  ///< `grid` counts threads (dispatchThreads), not threadgroups
  Mode mode = Mode::kFast;
  /// Of mode kShuffled. Decides the schedule within each threadgroup whatever `threads` is, and with one
  /// thread the whole schedule.
  std::uint64_t seed = 0;
  unsigned threads = 0;  ///< OS threads at most; 0 for default_threads()
  Observer* observer = nullptr;
  /// Called on the dispatching thread, a few dozen times a second. True ends the dispatch with Cancelled.
  std::function<bool()> interrupted;
};

/// Returns when all threadgroups have run. Several OS threads may call it at the same time.
///
/// Throws ValidationError for sizes that Metal has not, HangError for a barrier that not all threads reach,
/// Cancelled, std::bad_alloc, and what an observer throws. Threadgroups that run at that time are finished or
/// abandoned, others never start.
void run(const Dispatch& dispatch);

inline constexpr unsigned kMaxOsThreads = 1024;

/// The environment variable ISOMETAL_SOFT_THREADS or, without it, the processors that this process may use.
/// Throws SoftError where the variable is no number from 1 to kMaxOsThreads.
unsigned default_threads();

}  // namespace isometal::soft
