// csrc/soft/participant.h: one OS thread's share of a dispatch: it takes threadgroups, in chunks, until there
// are none left.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <mutex>
#include <optional>

#include "soft/arena.h"
#include "soft/denormals.h"
#include "soft/executor.h"
#include "soft/random.h"
#include "soft/scheduler.h"
#include "soft/shape.h"

namespace isometal::soft {

/// What the OS threads of a dispatch share.
struct SharedRun {
  SharedRun(const Dispatch& what, unsigned os_threads);

  const Dispatch& dispatch;
  Grid grid;
  Permutation order;    ///< of the threadgroups, in mode kShuffled
  unsigned threads;     ///< OS threads at most
  std::uint64_t chunk;  ///< threadgroups taken at once, at most

  // Apart from each other: one changes with every chunk, the other is read for every threadgroup.
  alignas(64) std::atomic<std::uint64_t> next{0};
  alignas(64) std::atomic<bool> stop{false};

  /// Ends the dispatch with the exception that is being handled, unless another came first.
  void fail();
  void rethrow() const {
    if (error_ != nullptr) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr error_;
};

/// What the dispatching thread does between its threadgroups.
class Caller {
 public:
  virtual ~Caller() = default;
  /// May throw, to end the dispatch.
  virtual void between_threadgroups() = 0;
};

/// Memory for one threadgroup at a time, and the addresses that kernels get.
class Workspace {
 public:
  explicit Workspace(const SharedRun& run);

  /// Fills in the addresses that are the same for all threadgroups.
  void describe(abi::Threadgroup& threadgroup) const;
  /// Memory starts with whatever the last threadgroup left on a GPU; here it starts as NaNs and large
  /// numbers, so that a kernel that reads before it writes does not pass by luck.
  void poison() const {
    if (threadgroup_bytes_ != 0) std::memset(threadgroup_memory_, 0xFF, threadgroup_bytes_);
  }
  std::byte* frames() const { return frames_; }

 private:
  Arena::Lease arena_;
  std::byte* frames_;
  std::byte* threadgroup_memory_;
  std::size_t threadgroup_bytes_;
  std::array<void*, abi::kArguments> buffers_;
  std::array<void*, abi::kArguments> threadgroup_arguments_;
};

template <typename Policy>
class Participant final : public Pause {
 public:
  /// `caller` is null for all but the dispatching thread.
  Participant(SharedRun& run, Caller* caller)
      : run_(run),
        kernel_(*run.dispatch.kernel),
        caller_(caller),
        outside_(FloatMode::read()),
        workspace_(run),
        scheduler_(kernel_, run.dispatch.observer, *this) {
    workspace_.describe(threadgroup_);
    run.grid.describe(threadgroup_);
  }

  void work() {
    try {
      // From one, so that the first look at the clock comes early.
      for (std::uint64_t chunk = 1;; chunk = std::min(2 * chunk, run_.chunk)) {
        const std::uint64_t first = run_.next.fetch_add(chunk, std::memory_order_relaxed);
        if (first >= run_.grid.count()) return;
        run_chunk(first, std::min(first + chunk, run_.grid.count()));
        if (caller_ != nullptr) caller_->between_threadgroups();
      }
    } catch (const Stopped&) {
      // Another thread has the reason.
    } catch (...) {
      run_.fail();
    }
  }

  void pause() override {
    if (run_.stop.load(std::memory_order_relaxed)) throw Stopped();
    if (caller_ == nullptr) return;
    const FloatMode mode(outside_);
    caller_->between_threadgroups();
  }

 private:
  struct Stopped {};

  void run_chunk(std::uint64_t first, std::uint64_t last) {
    const FloatMode mode = FloatMode::of_kernels((kernel_.code().flags & abi::kFlushDenormals) != 0);
    for (std::uint64_t index = first; index < last; ++index) {
      if (run_.stop.load(std::memory_order_relaxed)) throw Stopped();
      run_threadgroup(Policy::kShuffled ? run_.order(index) : index);
    }
  }

  void run_threadgroup(std::uint64_t index) {
    const Shape& shape = shape_of(run_.grid.place(index, threadgroup_));
    workspace_.poison();
    if constexpr (Policy::kObserved) begin();
    if (!Policy::kShuffled && kernel_.code().site_count == 1) {
      std::uint16_t next[abi::kLanes];
      const abi::Run region = kernel_.code().sites[0].run;
      for (const abi::Span& span : shape.spans()) region(&threadgroup_, &span, workspace_.frames(), next);
    } else {
      scheduler_.run(threadgroup_, shape, workspace_.frames(), Random::of(run_.dispatch.seed, index));
    }
    if constexpr (Policy::kObserved) {
      if (run_.dispatch.observer != nullptr) run_.dispatch.observer->threadgroup_end(threadgroup_);
    }
  }

  void begin() {
    if (run_.dispatch.observer == nullptr) return;
    const abi::MemoryObserver* memory = run_.dispatch.observer->threadgroup_begin(threadgroup_);
    if (memory != nullptr) threadgroup_.observer = memory;
  }

  const Shape& shape_of(unsigned edges) {
    std::optional<Shape>& shape = shapes_[edges];
    if (!shape) {
      const bool whole_rows = !Policy::kShuffled && kernel_.code().site_count == 1;
      shape.emplace(threadgroup_.size, !whole_rows);
    }
    return *shape;
  }

  SharedRun& run_;
  const LoadedKernel& kernel_;
  Caller* caller_;
  FloatMode::Register outside_;
  Workspace workspace_;
  abi::Threadgroup threadgroup_{};
  std::array<std::optional<Shape>, 8> shapes_;  ///< by the edges on which a threadgroup lies
  Scheduler<Policy> scheduler_;
};

}  // namespace isometal::soft
