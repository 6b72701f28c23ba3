// csrc/soft/metal/compute_pass.cpp: from records to the executor.
#include "soft/metal/compute_pass.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>

#include "soft/error.h"
#include "soft/executor.h"
#include "soft/metal/device.h"
#include "soft/random.h"

namespace isometal::soft {
namespace {

/// Counts as running for the device, which is how a wait elsewhere knows that something may still come.
class Running {
 public:
  Running() { ++the_device().running; }
  ~Running() {
    ++the_device().progress;
    --the_device().running;
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
};

/// The dispatches between two full barriers: which must come before which, and a random order that obeys.
class Segment {
 public:
  Segment(std::size_t first, std::size_t count) : first_(first), followers_(count), waits_for_(count) {}

  void add(std::size_t dispatch, std::span<const void* const> resources) {
    const std::size_t own = dispatch - first_;
    for (const void* resource : resources) {
      for (const std::size_t earlier : behind_barrier_[resource]) {
        followers_[earlier].push_back(own);
        ++waits_for_[own];
      }
      touched_[resource].push_back(own);
    }
  }

  void barrier(const std::vector<const void*>& resources) {
    for (const void* resource : resources) behind_barrier_[resource] = touched_[resource];
  }

  void order(Random& random, std::vector<std::size_t>& result) {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < waits_for_.size(); ++i) {
      if (waits_for_[i] == 0) ready.push_back(i);
    }
    while (!ready.empty()) {
      std::swap(ready[random.below(static_cast<std::uint32_t>(ready.size()))], ready.back());
      const std::size_t next = ready.back();
      ready.pop_back();
      result.push_back(first_ + next);
      for (const std::size_t follower : followers_[next]) {
        if (--waits_for_[follower] == 0) ready.push_back(follower);
      }
    }
  }

 private:
  std::size_t first_;
  std::vector<std::vector<std::size_t>> followers_;
  std::vector<std::size_t> waits_for_;
  std::map<const void*, std::vector<std::size_t>> touched_;
  std::map<const void*, std::vector<std::size_t>> behind_barrier_;
};

Size3 read_grid(const std::byte* indirect) {
  std::uint32_t numbers[3];
  std::memcpy(numbers, indirect, sizeof(numbers));
  return {numbers[0], numbers[1], numbers[2]};
}

void run_dispatch(const DispatchRecord& record, const DeviceSettings& settings, std::uint64_t seed) {
  Dispatch dispatch;
  dispatch.kernel = &record.code->kernel;
  dispatch.buffers = record.buffers;
  dispatch.threadgroup_lengths = record.threadgroup_lengths;
  dispatch.grid = record.indirect == nullptr ? record.grid : read_grid(record.indirect);
  dispatch.threadgroup = record.threadgroup;
  dispatch.grid_is_threads = record.grid_is_threads;
  dispatch.mode = settings.mode;
  dispatch.seed = seed;
  dispatch.threads = settings.threads;
  dispatch.observer = settings.observer;
  const Running running;
  isometal::soft::run(dispatch);
}

}  // namespace

std::vector<std::size_t> concurrent_order(const std::vector<DispatchRecord>& dispatches,
                                          const std::vector<BarrierRecord>& barriers, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::size_t> result;
  std::size_t first = 0;
  auto barrier = barriers.begin();
  while (first < dispatches.size()) {
    // A segment ends at the next full barrier.
    const auto full =
        std::find_if(barrier, barriers.end(), [](const auto& b) { return b.resources.empty(); });
    const std::size_t end = full == barriers.end() ? dispatches.size() : full->before;
    Segment segment(first, end - first);
    for (std::size_t i = first; i < end; ++i) {
      for (; barrier != full && barrier->before <= i; ++barrier) segment.barrier(barrier->resources);
      segment.add(i, dispatches[i].resources);
    }
    segment.order(random, result);
    first = end;
    barrier = full == barriers.end() ? full : full + 1;
  }
  return result;
}

std::span<std::byte> ComputePass::keep(const void* bytes, std::size_t size) {
  constexpr std::size_t kAlignment = 64;
  auto* const copy = static_cast<std::byte*>(memory_.allocate(size, kAlignment));
  std::memcpy(copy, bytes, size);
  return {copy, size};
}

std::span<const void* const> ComputePass::keep(const std::vector<const void*>& resources) {
  if (resources.empty()) return {};
  const std::size_t bytes = resources.size() * sizeof(void*);
  auto* const copy = static_cast<const void**>(memory_.allocate(bytes, alignof(void*)));
  std::copy(resources.begin(), resources.end(), copy);
  return {copy, resources.size()};
}

void ComputePass::release() {
  dispatches = {};
  memory_.release();
}

void ComputePass::run(const RunContext& context) {
  std::vector<std::size_t> order(dispatches.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (type == MTL::DispatchTypeConcurrent && context.settings.mode == Mode::kShuffled) {
    order = concurrent_order(dispatches, barriers, context.seed);
  }
  for (const std::size_t i : order) {
    run_dispatch(dispatches[i], context.settings, Random::mix(context.seed + i));
  }
}

}  // namespace isometal::soft
