// csrc/soft/hooks.h: what a checker, a profiler or a trace may watch while kernels run. Loads and stores come
// through abi::MemoryObserver, from kernels that were compiled for observation.
#pragma once

#include <cstdint>

#include "soft/kernel_abi.h"

namespace isometal::soft {

class LoadedKernel;
class Grid;

struct DispatchInfo {
  const LoadedKernel& kernel;
  const Grid& grid;
  unsigned threads;  ///< the most OS threads that will take part
};

/// Every member does nothing unless overridden. Dispatch members are called on the dispatching thread, the
/// others on the thread that runs the threadgroup: with more than one, at the same time for different
/// threadgroups, and in the kernel's floating-point mode (denormals may be flushed). They may throw, which
/// ends the dispatch with that exception.
class Observer {
 public:
  virtual ~Observer() = default;

  virtual void dispatch_begin(const DispatchInfo&) {}
  /// `completed` is false where the dispatch ends with an exception; then it must not throw one itself.
  virtual void dispatch_end(const DispatchInfo&, bool /*completed*/) {}

  /// Before the first thread runs. Returns what watches the threadgroup's loads and stores, or null for
  /// nothing. It has to live until threadgroup_end, and its functions must not throw: the frames of generated
  /// code cannot be unwound.
  virtual const abi::MemoryObserver* threadgroup_begin(const abi::Threadgroup&) { return nullptr; }
  /// After the last thread finished; not called where an exception ends the dispatch before.
  virtual void threadgroup_end(const abi::Threadgroup&) {}

  /// All unfinished threads of the threadgroup, `threads` of them, are at barrier `site` and now go on.
  virtual void barrier(const abi::Threadgroup&, std::uint32_t /*site*/, const abi::Site&,
                       std::uint32_t /*threads*/) {}

  /// Bit i of `lanes`: lane i of the simdgroup takes part in what is done at `site`. Called before it is
  /// done.
  virtual void rendezvous(const abi::Threadgroup&, std::uint32_t /*simdgroup*/, std::uint32_t /*site*/,
                          const abi::Site&, std::uint32_t /*lanes*/) {}
};

}  // namespace isometal::soft
