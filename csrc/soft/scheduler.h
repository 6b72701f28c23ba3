// csrc/soft/scheduler.h: runs the threads of one threadgroup: which simdgroup goes on, with which of its
// lanes, and when a barrier lets go. Rules, from kernel_abi.h:
//
// * A simdgroup goes on with the earliest site at which one of its lanes is and need not wait; all its lanes
//   that are there go together, once.
// * A barrier lets go when every unfinished thread of the threadgroup is at it.
//
// A template, so that what a mode does not use costs it nothing, and so that tests can break a rule on
// purpose.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "soft/hang.h"
#include "soft/hooks.h"
#include "soft/kernel_abi.h"
#include "soft/lanes.h"
#include "soft/loaded_kernel.h"
#include "soft/random.h"
#include "soft/shape.h"

namespace isometal::soft {

/// Simdgroups in order, each as far as it can go; lanes in order, neighbours in one call.
struct FastPolicy {
  static constexpr bool kShuffled = false;
  static constexpr bool kObserved = false;
  static constexpr bool lets_go(std::uint32_t waiting, std::uint32_t unfinished) {
    return waiting == unfinished;
  }
};
struct ObservedPolicy : FastPolicy {
  static constexpr bool kObserved = true;
};
/// A random simdgroup for each step; lanes one by one in random order. Observed if there is an observer.
struct ShuffledPolicy : FastPolicy {
  static constexpr bool kShuffled = true;
  static constexpr bool kObserved = true;
};

/// Asked now and then by a threadgroup that takes long.
class Pause {
 public:
  virtual ~Pause() = default;
  /// Throws where the dispatch should end.
  virtual void pause() = 0;
};

template <typename Policy>
class Scheduler {
 public:
  /// `observer` may be null.
  Scheduler(const LoadedKernel& kernel, Observer* observer, Pause& pause)
      : kernel_(kernel),
        sites_(kernel.code().sites),
        site_count_(kernel.code().site_count),
        frame_bytes_(kernel.code().frame_bytes),
        observer_(observer),
        pause_(pause) {}

  /// Runs all threads to their end. `shape` is cut by simdgroup; `frames` has room for its simdgroups. Throws
  /// HangError.
  void run(const abi::Threadgroup& threadgroup, const Shape& shape, std::byte* frames, Random random) {
    threadgroup_ = &threadgroup;
    shape_ = &shape;
    random_ = random;
    start(frames);
    if constexpr (Policy::kShuffled) {
      run_in_random_order();
    } else {
      run_in_order();
    }
  }

 private:
  /// Visits of sites before another simdgroup's turn: so that one that waits in a loop for another's store
  /// gets to see it, and that an endless loop can be interrupted.
  static constexpr int kTurn = 4096;

  enum class State : std::uint8_t { kReady, kWaiting, kFinished };

  struct Simdgroup {
    /// Site of each lane; kFinished for those that finished or do not exist. While all others are `together`
    /// at `site`, their entries may be out of date.
    alignas(64) Sites next;
    void* frame;
    std::uint32_t first_thread;
    std::uint32_t index;
    std::uint32_t live;  ///< unfinished lanes
    std::uint16_t site;
    bool together;
    bool released;  ///< the barrier at which it is has let go
    State state;
  };

  void start(std::byte* frames) {
    simdgroups_ = shape_->simdgroups();
    unfinished_ = shape_->threads();
    waiting_ = 0;
    for (std::uint32_t i = 0; i < simdgroups_; ++i) {
      Simdgroup& group = groups_[i];
      const std::uint32_t first = i * abi::kLanes;
      const std::uint32_t lanes = unfinished_ - first < abi::kLanes ? unfinished_ - first : abi::kLanes;
      group.live = lanes == abi::kLanes ? ~0u : (1u << lanes) - 1;
      if (lanes != abi::kLanes) move_lanes(group.next, ~group.live, abi::kFinished);
      group.frame = frames + i * frame_bytes_;
      group.first_thread = first;
      group.index = i;
      group.site = 0;
      group.together = true;
      group.released = false;
      group.state = State::kReady;
    }
  }

  void run_in_order() {
    while (unfinished_ != 0) {
      bool moved = false;
      bool tired = false;
      for (std::uint32_t i = 0; i < simdgroups_; ++i) {
        Simdgroup& group = groups_[i];
        if (group.state != State::kReady) continue;
        moved = true;
        int turn = kTurn;
        while (step(group) && --turn != 0) {
        }
        if (group.state == State::kReady) {
          tired = true;
        } else {
          release_if_due();
        }
      }
      if (!moved) hang();
      if (tired) pause_.pause();
    }
  }

  void run_in_random_order() {
    int turn = kTurn;
    while (unfinished_ != 0) {
      std::array<std::uint8_t, kMaxThreads / abi::kLanes> ready;
      std::uint32_t count = 0;
      for (std::uint32_t i = 0; i < simdgroups_; ++i) {
        if (groups_[i].state == State::kReady) ready[count++] = static_cast<std::uint8_t>(i);
      }
      if (count == 0) hang();
      if (!step(groups_[ready[random_.below(count)]])) release_if_due();
      if (--turn == 0) {
        pause_.pause();
        turn = kTurn;
      }
    }
  }

  /// Lets one site's lanes go on. False if the simdgroup has finished or now waits.
  bool step(Simdgroup& group) {
    std::uint16_t site = group.site;
    std::uint32_t mask = group.live;
    if (group.together) {
      if (must_wait(group, site)) return wait(group);
    } else {
      // From 1: nothing leads back to the start.
      for (site = earliest(group.next, 1); site < site_count_ && must_wait(group, site);) {
        site = earliest(group.next, static_cast<std::uint16_t>(site + 1));
      }
      if (site >= site_count_) {
        if (site != abi::kFinished) fail_on_site(kernel_, site);
        return wait(group);
      }
      mask = lanes_at(group.next, site);
    }
    group.released = false;
    visit(group, site, mask);
    if (group.live != 0) return true;
    group.state = State::kFinished;
    return false;
  }

  bool must_wait(const Simdgroup& group, std::uint16_t site) const {
    return sites_[site].kind == abi::SiteKind::threadgroup && !group.released;
  }

  bool wait(Simdgroup& group) {
    group.state = State::kWaiting;
    waiting_ += static_cast<std::uint32_t>(std::popcount(group.live));
    return false;
  }

  void visit(Simdgroup& group, std::uint16_t index, std::uint32_t mask) {
    const abi::Site& site = sites_[index];
    if constexpr (Policy::kObserved) {
      if (observer_ != nullptr && site.kind == abi::SiteKind::simdgroup) {
        observer_->rendezvous(*threadgroup_, group.index, index, site, mask);
      }
    }
    if (site.operation != nullptr) site.operation(group.frame, mask);
    run_region(group, index, mask);
    if (site.successor == abi::kSeveral) {
      regroup(group);
    } else if (mask == group.live) {
      group.together = true;
      arrive_together(group, site.successor);
    } else {
      move_lanes(group.next, mask, site.successor);
      regroup(group);
    }
  }

  void run_region(Simdgroup& group, std::uint16_t index, std::uint32_t mask) {
    const abi::Run region = sites_[index].run;
    if constexpr (Policy::kShuffled) {
      std::array<std::uint8_t, abi::kLanes> order;
      std::uint32_t count = 0;
      for (; mask != 0; mask &= mask - 1) order[count++] = static_cast<std::uint8_t>(std::countr_zero(mask));
      while (count != 0) {
        std::swap(order[random_.below(count)], order[count - 1]);
        const abi::Span span = shape_->thread(group.first_thread + order[--count]);
        region(threadgroup_, &span, group.frame, group.next);
      }
    } else if (index == 0) {
      for (const abi::Span& span : shape_->spans(group.index)) {
        region(threadgroup_, &span, group.frame, group.next);
      }
    } else {
      do {
        const LaneRun lanes = take_run(mask);
        const abi::Span span{group.first_thread + lanes.first, lanes.count, 0, 0, 0};
        region(threadgroup_, &span, group.frame, group.next);
      } while (mask != 0);
    }
  }

  /// After lanes went to sites of their own, with `next` up to date for all.
  void regroup(Simdgroup& group) {
    std::uint16_t site = group.next[std::countr_zero(group.live)];
    group.together = (lanes_at(group.next, site) & group.live) == group.live;
    if (!group.together) {
      const std::uint32_t live = ~lanes_at(group.next, abi::kFinished);
      unfinished_ -= static_cast<std::uint32_t>(std::popcount(group.live) - std::popcount(live));
      group.live = live;
      site = group.next[std::countr_zero(live)];
      group.together = (lanes_at(group.next, site) & live) == live;
    }
    if (group.together) arrive_together(group, site);
  }

  void arrive_together(Simdgroup& group, std::uint16_t site) {
    group.site = site;
    if (site != 0 && site < site_count_) return;
    if (site != abi::kFinished) fail_on_site(kernel_, site);
    unfinished_ -= static_cast<std::uint32_t>(std::popcount(group.live));
    group.live = 0;
  }

  void release_if_due() {
    if (waiting_ == 0 || !Policy::lets_go(waiting_, unfinished_)) return;
    std::uint16_t site = abi::kFinished;
    bool one_site = true;
    for (std::uint32_t i = 0; i < simdgroups_; ++i) {
      const Simdgroup& group = groups_[i];
      if (group.state != State::kWaiting) continue;
      if (site == abi::kFinished) site = group.site;
      one_site = one_site && group.together && group.site == site;
    }
    // Nobody is left who could still come to one of them.
    if (!one_site && waiting_ == unfinished_) hang();
    if constexpr (Policy::kObserved) {
      if (observer_ != nullptr) observer_->barrier(*threadgroup_, site, sites_[site], waiting_);
    }
    for (std::uint32_t i = 0; i < simdgroups_; ++i) {
      Simdgroup& group = groups_[i];
      if (group.state != State::kWaiting) continue;
      group.state = State::kReady;
      group.released = true;
    }
    waiting_ = 0;
  }

  [[noreturn]] void hang() {
    HangReport report(kernel_, *threadgroup_, shape_->threads() - unfinished_);
    for (std::uint32_t i = 0; i < simdgroups_; ++i) {
      const Simdgroup& group = groups_[i];
      for (std::uint32_t lanes = group.live; lanes != 0; lanes &= lanes - 1) {
        report.add(group.together ? group.site : group.next[std::countr_zero(lanes)]);
      }
    }
    report.raise();
  }

  const LoadedKernel& kernel_;
  const abi::Site* sites_;
  std::uint32_t site_count_;
  std::size_t frame_bytes_;
  Observer* observer_;
  Pause& pause_;

  const abi::Threadgroup* threadgroup_ = nullptr;
  const Shape* shape_ = nullptr;
  Random random_{0};
  std::uint32_t simdgroups_ = 0;
  std::uint32_t unfinished_ = 0;  ///< threads
  std::uint32_t waiting_ = 0;     ///< threads of simdgroups all of whose lanes are at barriers
  std::array<Simdgroup, kMaxThreads / abi::kLanes> groups_;
};

}  // namespace isometal::soft
