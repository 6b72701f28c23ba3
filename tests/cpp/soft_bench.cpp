// tests/cpp/soft_bench.cpp: what the executor costs beside the kernel: nanoseconds per visit of a site by a
// simdgroup, and per threadgroup. Kernels do as little as the ABI lets them. Run it by hand; it asserts
// nothing.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>

#include "soft/executor.h"
#include "soft_kernel.h"

namespace {

using namespace isometal::soft;
using soft_test::TestKernel;
using Kind = abi::SiteKind;

constexpr std::uint32_t kRounds = 1000;

void empty(const abi::Threadgroup*, const abi::Span*, void*, std::uint16_t*) {}

/// Counts rounds in the frame's first column and goes on to `kAgain` or ends.
template <std::uint16_t kAgain>
void loop(const abi::Threadgroup*, const abi::Span* span, void* frame, std::uint16_t* next) {
  auto* rounds = static_cast<std::uint32_t*>(frame);
  const std::uint32_t first = span->thread % abi::kLanes;
  for (std::uint32_t lane = first; lane < first + span->count; ++lane) {
    next[lane] = ++rounds[lane] < kRounds ? kAgain : abi::kFinished;
  }
}

void clear(const abi::Threadgroup*, const abi::Span* span, void* frame, std::uint16_t*) {
  auto* rounds = static_cast<std::uint32_t*>(frame);
  const std::uint32_t first = span->thread % abi::kLanes;
  for (std::uint32_t lane = first; lane < first + span->count; ++lane) rounds[lane] = 0;
}

/// Even lanes to site 1, odd lanes to site 2.
void part(const abi::Threadgroup*, const abi::Span* span, void* frame, std::uint16_t* next) {
  auto* rounds = static_cast<std::uint32_t*>(frame);
  const std::uint32_t first = span->thread % abi::kLanes;
  for (std::uint32_t lane = first; lane < first + span->count; ++lane) {
    rounds[lane] = 0;
    next[lane] = lane % 2 == 0 ? 1 : 2;
  }
}

/// From site 3, where they meet, the same way again.
void part_again(const abi::Threadgroup*, const abi::Span* span, void* frame, std::uint16_t* next) {
  auto* rounds = static_cast<std::uint32_t*>(frame);
  const std::uint32_t first = span->thread % abi::kLanes;
  for (std::uint32_t lane = first; lane < first + span->count; ++lane) {
    const std::uint16_t side = lane % 2 == 0 ? 1 : 2;
    next[lane] = ++rounds[lane] < kRounds ? side : abi::kFinished;
  }
}

void work_together(void*, std::uint32_t) {}

class Watcher final : public Observer {};

double nanoseconds(const Dispatch& dispatch) {
  double best = std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < 7; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    run(dispatch);
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - start;
    best = std::min(best, time.count());
  }
  return best;
}

void report(const char* what, TestKernel& kernel, std::uint32_t threads, std::uint32_t threadgroups,
            double visits_per_simdgroup) {
  const LoadedKernel loaded = kernel.load();
  Watcher watcher;
  Dispatch dispatch;
  dispatch.kernel = &loaded;
  dispatch.grid.x = threadgroups;
  dispatch.threadgroup.x = threads;
  dispatch.threads = 1;
  const double units =
      visits_per_simdgroup == 0 ? threadgroups : visits_per_simdgroup * threadgroups * simdgroups_of(threads);
  std::printf("%-42s %5u threads  fast %7.2f", what, threads, nanoseconds(dispatch) / units);
  dispatch.observer = &watcher;
  std::printf("  observed %7.2f", nanoseconds(dispatch) / units);
  dispatch.observer = nullptr;
  dispatch.mode = Mode::kShuffled;
  std::printf("  shuffled %8.2f  ns per %s\n", nanoseconds(dispatch) / units,
              visits_per_simdgroup == 0 ? "threadgroup" : "visit");
}

}  // namespace

int main() {
  TestKernel one("one_site");
  one.site(Kind::start, empty, abi::kFinished);
  report("one site", one, 32, 1000000, 0);
  report("one site", one, 256, 1000000, 0);
  TestKernel memory("threadgroup_memory");
  memory.site(Kind::start, empty, abi::kFinished).threadgroup_memory(32768);
  report("one site, 32 KiB of threadgroup memory", memory, 256, 20000, 0);
  TestKernel two("two_sites");
  two.site(Kind::start, empty, 1).site(Kind::simdgroup, empty, abi::kFinished, work_together);
  report("two sites", two, 32, 1000000, 0);
  report("two sites", two, 256, 200000, 0);
  TestKernel straight("straight");
  straight.site(Kind::start, empty, 1);
  for (std::uint16_t i = 1; i < 20; ++i)
    straight.site(Kind::simdgroup, empty, static_cast<std::uint16_t>(i + 1), work_together);
  straight.site(Kind::simdgroup, empty, abi::kFinished);
  report("20 simdgroup sites in a row", straight, 32, 100000, 21);
  TestKernel looped("looped");
  looped.frame(128).site(Kind::start, clear, 1).site(Kind::simdgroup, loop<1>, abi::kSeveral, work_together);
  report("simdgroup site in a loop", looped, 32, 100, kRounds);
  report("simdgroup site in a loop", looped, 256, 20, kRounds);
  report("simdgroup site in a loop", looped, 20, 100, kRounds);
  TestKernel barrier("barrier");
  barrier.frame(128).site(Kind::start, clear, 1).site(Kind::threadgroup, loop<1>, abi::kSeveral);
  report("threadgroup barrier in a loop", barrier, 32, 100, kRounds);
  report("threadgroup barrier in a loop", barrier, 256, 20, kRounds);
  report("threadgroup barrier in a loop", barrier, 1024, 5, kRounds);
  TestKernel parting("parting");
  parting.frame(128).site(Kind::start, part, abi::kSeveral);
  parting.site(Kind::simdgroup, empty, 3, work_together).site(Kind::simdgroup, empty, 3, work_together);
  parting.site(Kind::join, part_again, abi::kSeveral);
  report("even and odd lanes part and meet", parting, 32, 100, 3 * kRounds);
}
