// tests/cpp/soft_hooks_test.cpp: what observers are told, and in which order.
#include <set>
#include <string>
#include <vector>

#include "check.h"
#include "soft/executor.h"
#include "soft_kernel.h"

using namespace isometal::soft;
using soft_test::nothing;
using soft_test::region;
using soft_test::TestKernel;
using soft_test::Thread;
using Kind = abi::SiteKind;

namespace {

struct Trace : Observer {
  std::vector<std::string> events;
  std::string stop_at;

  void note(const std::string& event) {
    events.push_back(event);
    if (event == stop_at) throw std::runtime_error("stopped at " + event);
  }
  static std::string where(const abi::Threadgroup& group) { return std::to_string(group.position[0]); }

  void dispatch_begin(const DispatchInfo& info) override {
    note("dispatch " + info.kernel.name() + " of " + std::to_string(info.grid.count()));
  }
  void dispatch_end(const DispatchInfo&, bool completed) override { note(completed ? "done" : "failed"); }
  const abi::MemoryObserver* threadgroup_begin(const abi::Threadgroup& group) override {
    note("begin " + where(group));
    return nullptr;
  }
  void threadgroup_end(const abi::Threadgroup& group) override { note("end " + where(group)); }
  void barrier(const abi::Threadgroup& group, std::uint32_t site, const abi::Site& what,
               std::uint32_t threads) override {
    note("barrier " + where(group) + " site " + std::to_string(site) + " flags " +
         std::to_string(what.memory_flags) + " threads " + std::to_string(threads));
  }
  void rendezvous(const abi::Threadgroup& group, std::uint32_t simdgroup, std::uint32_t site,
                  const abi::Site&, std::uint32_t lanes) override {
    note("rendezvous " + where(group) + "." + std::to_string(simdgroup) + " site " + std::to_string(site) +
         " lanes " + std::to_string(lanes));
  }
};

/// A sum in each simdgroup, then a barrier; threads 33 and up have left before it.
TestKernel kernel_with_all() {
  TestKernel kernel("all");
  kernel.site(Kind::start, region<nothing>, 1);
  kernel.site(Kind::simdgroup, region<[](const Thread& t) { t.go_to(t.index < 33 ? 2 : abi::kFinished); }>,
              abi::kSeveral);
  kernel.site(Kind::threadgroup, region<nothing>, 3).site(Kind::join, region<nothing>, abi::kFinished);
  return kernel;
}

Dispatch dispatch_of(const LoadedKernel& kernel, Observer& observer) {
  Dispatch dispatch;
  dispatch.kernel = &kernel;
  dispatch.grid.x = 2;
  dispatch.threadgroup.x = 40;
  dispatch.threads = 1;
  dispatch.observer = &observer;
  return dispatch;
}

}  // namespace

TEST_CASE(observers_see_everything_in_order) {
  TestKernel kernel = kernel_with_all();
  const LoadedKernel loaded = kernel.load();
  Trace trace;
  run(dispatch_of(loaded, trace));
  std::vector<std::string> expected{"dispatch all of 2"};
  for (const std::string group : {"0", "1"}) {
    expected.push_back("begin " + group);
    expected.push_back("rendezvous " + group + ".0 site 1 lanes 4294967295");
    expected.push_back("rendezvous " + group + ".1 site 1 lanes 255");
    expected.push_back("barrier " + group + " site 2 flags 2 threads 33");
    expected.push_back("end " + group);
  }
  expected.emplace_back("done");
  CHECK(trace.events == expected);
}

TEST_CASE(observers_see_the_same_in_shuffled_order) {
  TestKernel kernel = kernel_with_all();
  const LoadedKernel loaded = kernel.load();
  Trace fast;
  run(dispatch_of(loaded, fast));
  std::set<std::vector<std::string>> orders;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Trace trace;
    Dispatch dispatch = dispatch_of(loaded, trace);
    dispatch.mode = Mode::kShuffled;
    dispatch.seed = seed;
    run(dispatch);
    orders.insert(trace.events);
    CHECK(std::multiset<std::string>(trace.events.begin(), trace.events.end()) ==
          std::multiset<std::string>(fast.events.begin(), fast.events.end()));
  }
  // Two threadgroups with two simdgroups each, in either order.
  CHECK(orders.size() > 4);
}

TEST_CASE(one_site_kernels_are_observed_too) {
  TestKernel kernel("one");
  kernel.site(Kind::start, region<nothing>, abi::kFinished);
  const LoadedKernel loaded = kernel.load();
  Trace trace;
  run(dispatch_of(loaded, trace));
  CHECK(trace.events ==
        (std::vector<std::string>{"dispatch one of 2", "begin 0", "end 0", "begin 1", "end 1", "done"}));
}

TEST_CASE(what_an_observer_throws_ends_the_dispatch) {
  TestKernel kernel = kernel_with_all();
  const LoadedKernel loaded = kernel.load();
  for (const std::string stop : {"begin 0", "barrier 1 site 2 flags 2 threads 33", "end 1"}) {
    Trace trace;
    trace.stop_at = stop;
    std::string caught;
    try {
      run(dispatch_of(loaded, trace));
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    CHECK_EQUAL(caught, "stopped at " + stop);
    CHECK_EQUAL(trace.events.back(), "failed");
  }
}

namespace {

/// Sends stores elsewhere and counts loads, as a checker does with wild accesses.
struct Redirect : Observer {
  int loads = 0;
  int spare = 0;
  abi::MemoryObserver functions{
      this,
      [](void* self, void* address, std::uint64_t bytes, std::uint32_t, std::uint32_t, std::uint32_t) {
        static_cast<Redirect*>(self)->loads += static_cast<int>(bytes);
        return address;
      },
      [](void* self, void*, std::uint64_t, std::uint32_t, std::uint32_t, std::uint32_t) -> void* {
        return &static_cast<Redirect*>(self)->spare;
      }};
  const abi::MemoryObserver* threadgroup_begin(const abi::Threadgroup&) override { return &functions; }
};

/// What code compiled for observation does for `buffer0[thread] = buffer1[thread]`.
void observed_copy(const Thread& t) {
  const abi::MemoryObserver& observer = *t.group.observer;
  void* from = observer.load(observer.self, t.buffer<int>(1) + t.index, 4, 1, 0, t.index);
  void* to = observer.store(observer.self, t.buffer<int>(0) + t.index, 4, 1, 1, t.index);
  *static_cast<int*>(to) = *static_cast<int*>(from);
}

}  // namespace

TEST_CASE(loads_and_stores_go_through_the_observer) {
  TestKernel kernel("copy");
  kernel.site(Kind::start, region<observed_copy>, abi::kFinished).flags(abi::kObserved);
  const LoadedKernel loaded = kernel.load();
  int from[8]{1, 2, 3, 4, 5, 6, 7, 8};
  int to[8]{};
  Redirect redirect;
  Dispatch dispatch = dispatch_of(loaded, redirect);
  dispatch.grid.x = 1;
  dispatch.threadgroup.x = 8;
  dispatch.buffers[0] = to;
  dispatch.buffers[1] = from;
  run(dispatch);
  CHECK_EQUAL(redirect.loads, 32);
  CHECK_EQUAL(redirect.spare, 8);
  CHECK_EQUAL(to[7], 0);
  // Without an observer, such a kernel works all the same.
  dispatch.observer = nullptr;
  run(dispatch);
  CHECK_EQUAL(to[7], 8);
}
