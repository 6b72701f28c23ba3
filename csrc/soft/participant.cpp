// csrc/soft/participant.cpp: memory and addresses for threadgroups.
#include "soft/participant.h"

namespace isometal::soft {
namespace {

/// Apple's optimiser loads from buffers that a function constant disables. A store to them is a fault.
alignas(4096) constexpr std::byte kZeros[16384]{};

void* unbound() {
  return const_cast<std::byte*>(kZeros);
}

/// For kernels compiled for observation that nobody observes.
constexpr abi::MemoryObserver kNoMemoryObserver{
    nullptr,
    [](void*, void* address, std::uint64_t, std::uint32_t, std::uint32_t, std::uint32_t) { return address; },
    [](void*, void* address, std::uint64_t, std::uint32_t, std::uint32_t, std::uint32_t) { return address; }};

constexpr std::size_t aligned(std::uint64_t bytes) {
  return static_cast<std::size_t>((bytes + Arena::kAlignment - 1) / Arena::kAlignment * Arena::kAlignment);
}

/// Few enough for all threads to end at about the same time, enough to make taking them cheap.
std::uint64_t chunk_size(std::uint64_t threadgroups, unsigned threads) {
  return std::clamp<std::uint64_t>(threadgroups / threads / 16, 1, 64);
}

}  // namespace

SharedRun::SharedRun(const Dispatch& what, unsigned os_threads)
    : dispatch(what),
      grid(what.grid, what.threadgroup, what.grid_is_threads),
      order(grid.count(), what.seed),
      threads(static_cast<unsigned>(std::clamp<std::uint64_t>(grid.count(), 1, os_threads))),
      chunk(chunk_size(grid.count(), threads)) {}

void SharedRun::fail() {
  const std::lock_guard lock(mutex_);
  if (error_ == nullptr) error_ = std::current_exception();
  stop.store(true, std::memory_order_relaxed);
}

Workspace::Workspace(const SharedRun& run) {
  const Dispatch& dispatch = run.dispatch;
  const abi::Kernel& code = dispatch.kernel->code();
  const Size3 size = dispatch.threadgroup;
  const std::size_t frames = aligned(code.frame_bytes * simdgroups_of(size.x * size.y * size.z));
  threadgroup_bytes_ = aligned(code.threadgroup_bytes);
  for (const std::uint32_t length : dispatch.threadgroup_lengths) threadgroup_bytes_ += aligned(length);

  frames_ = arena_->reserve(frames + threadgroup_bytes_);
  threadgroup_memory_ = frames_ + frames;
  std::byte* argument = threadgroup_memory_ + aligned(code.threadgroup_bytes);
  for (std::size_t i = 0; i < abi::kArguments; ++i) {
    const std::uint32_t length = dispatch.threadgroup_lengths[i];
    threadgroup_arguments_[i] = length == 0 ? unbound() : argument;
    argument += aligned(length);
    buffers_[i] = dispatch.buffers[i] == nullptr ? unbound() : dispatch.buffers[i];
  }
}

void Workspace::describe(abi::Threadgroup& threadgroup) const {
  threadgroup.buffers = buffers_.data();
  threadgroup.threadgroup_arguments = threadgroup_arguments_.data();
  threadgroup.threadgroup_memory = reinterpret_cast<unsigned char*>(threadgroup_memory_);
  threadgroup.observer = &kNoMemoryObserver;
}

}  // namespace isometal::soft
