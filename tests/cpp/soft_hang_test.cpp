// tests/cpp/soft_hang_test.cpp: barriers that not all threads reach, and what is said about them.
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

/// Threads of different simdgroups, or of one, go to two barriers that do not meet.
template <std::uint32_t kFirst>
TestKernel parted() {
  TestKernel kernel("parted");
  kernel
      .site(Kind::start, region<[](const Thread& t) { t.go_to(t.index < kFirst ? 1 : 2); }>, abi::kSeveral,
            nullptr, "start")
      .site(Kind::threadgroup, region<nothing>, abi::kFinished, nullptr, "threadgroup_barrier, a.metal:12")
      .site(Kind::threadgroup, region<nothing>, abi::kFinished, nullptr, "threadgroup_barrier, a.metal:15");
  return kernel;
}

void run_on(const LoadedKernel& kernel, std::uint32_t threads, Mode mode, std::uint32_t groups = 1,
            unsigned os_threads = 1) {
  Dispatch dispatch;
  dispatch.kernel = &kernel;
  dispatch.grid.x = groups;
  dispatch.threadgroup.x = threads;
  dispatch.mode = mode;
  dispatch.threads = os_threads;
  run(dispatch);
}

}  // namespace

TEST_CASE(threads_at_different_barriers_hang) {
  for (const Mode mode : {Mode::kFast, Mode::kShuffled}) {
    TestKernel by_simdgroup = parted<32>();
    CHECK_THROWS(
        HangError,
        "kernel 'parted' hangs in threadgroup (0, 0, 0): 32 threads wait at site 1 (threadgroup_barrier, "
        "a.metal:12), 64 threads wait at site 2 (threadgroup_barrier, a.metal:15); all threads",
        run_on(by_simdgroup.load(), 96, mode));
    TestKernel within_one = parted<31>();
    CHECK_THROWS(HangError,
                 "31 threads wait at site 1 (threadgroup_barrier, a.metal:12), 1 thread waits at site 2",
                 run_on(within_one.load(), 32, mode));
  }
}

TEST_CASE(threads_that_finished_are_told_of_but_not_waited_for) {
  TestKernel kernel("early");
  kernel.site(Kind::start, region<[](const Thread& t) { t.go_to(t.index % 3 == 0 ? abi::kFinished : 1); }>,
              abi::kSeveral);
  kernel.site(Kind::threadgroup, region<[](const Thread& t) { ++t.buffer<int>(0)[t.index]; }>, 2);
  kernel.site(Kind::threadgroup, region<[](const Thread& t) { t.go_to(t.index < 70 ? 3 : 4); }>,
              abi::kSeveral);
  kernel.site(Kind::threadgroup, region<nothing>, abi::kFinished);
  kernel.site(Kind::threadgroup, region<nothing>, abi::kFinished);
  const LoadedKernel loaded = kernel.load();
  int counts[100]{};
  Dispatch dispatch;
  dispatch.kernel = &loaded;
  dispatch.buffers[0] = counts;
  dispatch.threadgroup.x = 100;
  CHECK_THROWS(
      HangError,
      "46 threads wait at site 3 (threadgroup_barrier), 20 threads wait at site 4 (threadgroup_barrier), 34 "
      "have finished",
      run(dispatch));
  for (int i = 0; i < 100; ++i) CHECK_EQUAL(counts[i], i % 3 == 0 ? 0 : 1);
  dispatch.threadgroup.x = 70;
  run(dispatch);
}

TEST_CASE(a_hang_in_one_threadgroup_ends_the_dispatch_once) {
  TestKernel kernel("rare");
  kernel.site(Kind::start, region<[](const Thread& t) {
                const bool apart = t.group.position[0] == 777 && t.index == 40;
                t.go_to(apart ? 2 : 1);
              }>,
              abi::kSeveral);
  kernel.site(Kind::threadgroup, region<nothing>, abi::kFinished);
  kernel.site(Kind::threadgroup, region<nothing>, abi::kFinished);
  for (const unsigned os_threads : {1u, 4u}) {
    CHECK_THROWS(HangError, "hangs in threadgroup (777, 0, 0): 63 threads wait at site 1",
                 run_on(kernel.load(), 64, Mode::kFast, 2000, os_threads));
    CHECK_THROWS(HangError, "hangs in threadgroup (777, 0, 0): 63 threads wait at site 1",
                 run_on(kernel.load(), 64, Mode::kShuffled, 1000, os_threads));
  }
}

TEST_CASE(a_simdgroup_site_that_some_lanes_never_reach_is_no_hang) {
  TestKernel kernel("uneven");
  kernel.frame(128);
  kernel.site(Kind::start, region<[](const Thread& t) { t.go_to(t.lane < 5 ? 1 : abi::kFinished); }>,
              abi::kSeveral);
  kernel.site(
      Kind::simdgroup,
      region<[](const Thread& t) { t.buffer<std::uint32_t>(0)[t.index] = t.column<std::uint32_t>(0); }>,
      abi::kFinished, [](void* frame, std::uint32_t mask) {
        for (std::uint32_t lane = 0; lane < 5; ++lane) static_cast<std::uint32_t*>(frame)[lane] = mask;
      });
  const LoadedKernel loaded = kernel.load();
  std::uint32_t masks[32]{};
  Dispatch dispatch;
  dispatch.kernel = &loaded;
  dispatch.buffers[0] = masks;
  dispatch.threadgroup.x = 32;
  run(dispatch);
  for (std::uint32_t lane = 0; lane < 32; ++lane) CHECK_EQUAL(masks[lane], lane < 5 ? 0x1Fu : 0u);
}

TEST_CASE(a_region_that_leads_nowhere_is_reported) {
  TestKernel kernel("lost");
  kernel.site(Kind::start,
              region<[](const Thread& t) { t.go_to(static_cast<std::uint16_t>(t.buffer<int>(0)[t.index])); }>,
              abi::kSeveral);
  kernel.site(Kind::join, region<nothing>, abi::kFinished);
  const LoadedKernel loaded = kernel.load();
  int to[32];
  Dispatch dispatch;
  dispatch.kernel = &loaded;
  dispatch.buffers[0] = to;
  dispatch.threadgroup.x = 32;
  for (const int all : {0, 2, 500, int{abi::kSeveral}}) {
    for (int& site : to) site = all;
    CHECK_THROWS(SoftError, "kernel 'lost' went on to site " + std::to_string(all), run(dispatch));
  }
  for (int& site : to) site = 1;
  to[7] = 9;
  CHECK_THROWS(SoftError, "kernel 'lost' went on to site 9", run(dispatch));
}
