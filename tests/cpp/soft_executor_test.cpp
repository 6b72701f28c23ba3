// tests/cpp/soft_executor_test.cpp: dispatches: every thread once, in the right place, with the right memory.
#include "soft/executor.h"

#include <cstring>
#include <vector>

#include "check.h"
#include "soft_kernel.h"
#include "soft_program.h"

using namespace isometal::soft;
using soft_test::nothing;
using soft_test::Program;
using soft_test::ProgramRun;
using soft_test::region;
using soft_test::TestKernel;
using soft_test::Thread;
using Kind = abi::SiteKind;

namespace {

constexpr Mode kModes[]{Mode::kFast, Mode::kShuffled};

/// Counts a visit of the thread's place in the grid; anything out of place counts in element 0 of buffer 1.
void count_place(const Thread& t) {
  const abi::Threadgroup& group = t.group;
  const std::uint32_t place[3]{t.position, t.span.y, t.span.z};
  std::uint32_t at[3];
  bool right = (place[2] * group.size[1] + place[1]) * group.size[0] + place[0] == t.index;
  for (int axis = 0; axis < 3; ++axis) {
    at[axis] = group.position[axis] * group.dispatch_size[axis] + place[axis];
    right = right && place[axis] < group.size[axis] && at[axis] < group.grid_threads[axis];
  }
  if (!right) {
    ++t.buffer<int>(1)[0];
    return;
  }
  ++t.buffer<int>(0)[(at[2] * group.grid_threads[1] + at[1]) * group.grid_threads[0] + at[0]];
}

/// As above, for a thread that has been through a barrier; the place is kept in the frame.
void keep_place(const Thread& t) {
  count_place(t);
  t.column<std::uint32_t>(0) = t.index;
}
void count_again(const Thread& t) {
  const bool within_simdgroup = t.span.thread % abi::kLanes + t.span.count <= abi::kLanes;
  if (t.column<std::uint32_t>(0) != t.index || !within_simdgroup) ++t.buffer<int>(1)[0];
  ++t.buffer<int>(2)[t.group.position[0]];
}

}  // namespace

TEST_CASE(every_thread_of_a_grid_runs_once) {
  TestKernel one("one");
  one.site(Kind::start, region<count_place>, abi::kFinished);
  TestKernel two("two");
  two.frame(128).site(Kind::start, region<keep_place>, 1);
  two.site(Kind::threadgroup, region<count_again>, abi::kFinished);
  struct Case {
    Size3 grid, threadgroup;
    bool threads;
  };
  const Case cases[]{
      {{1000, 1, 1}, {256, 1, 1}, true}, {{33, 1, 1}, {33, 1, 1}, true},  {{4, 3, 2}, {8, 8, 2}, false},
      {{70, 9, 5}, {24, 4, 3}, true},    {{5, 200, 1}, {3, 64, 1}, true}, {{3, 1, 1}, {1024, 1, 1}, false},
      {{1, 1, 1}, {1, 1, 1}, true},      {{2, 5, 90}, {2, 5, 40}, true},
  };
  Random random(5);
  for (const auto& [grid, threadgroup, threads] : cases) {
    for (const Mode mode : kModes) {
      for (const unsigned os_threads : {1u, 3u}) {
        const Size3 scale = threads ? Size3{1, 1, 1} : threadgroup;
        std::vector<int> counts(std::size_t{grid.x} * scale.x * grid.y * scale.y * grid.z * scale.z);
        int misplaced = 0;
        std::vector<int> again(grid.x + 1);
        Dispatch dispatch;
        dispatch.grid = grid;
        dispatch.threadgroup = threadgroup;
        dispatch.grid_is_threads = threads;
        dispatch.mode = mode;
        dispatch.seed = random.next();
        dispatch.threads = os_threads;
        dispatch.buffers[0] = counts.data();
        dispatch.buffers[1] = &misplaced;
        dispatch.buffers[2] = again.data();
        const LoadedKernel first = one.load();
        dispatch.kernel = &first;
        run(dispatch);
        CHECK(counts == std::vector<int>(counts.size(), 1));
        if (os_threads == 1) {
          const LoadedKernel second = two.load();
          dispatch.kernel = &second;
          run(dispatch);
          CHECK(counts == std::vector<int>(counts.size(), 2));
          int all = 0;
          for (const int count : again) all += count;
          CHECK_EQUAL(all, static_cast<int>(counts.size()));
        }
        CHECK_EQUAL(misplaced, 0);
      }
    }
  }
}

TEST_CASE(an_empty_grid_runs_nothing) {
  TestKernel kernel("none");
  kernel.site(Kind::start, region<[](const Thread& t) { ++t.buffer<int>(0)[0]; }>, abi::kFinished);
  const LoadedKernel loaded = kernel.load();
  int ran = 0;
  for (const Mode mode : kModes) {
    Dispatch dispatch;
    dispatch.kernel = &loaded;
    dispatch.buffers[0] = &ran;
    dispatch.mode = mode;
    dispatch.grid = {5, 0, 1};
    run(dispatch);
    dispatch.grid = {1, 1, 1};
    run(dispatch);
  }
  CHECK_EQUAL(ran, 2);
}

TEST_CASE(programs_run_as_written_on_several_threads) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Program program(seed);
    const LoadedKernel kernel = program.load();
    for (const Mode mode : kModes) {
      ProgramRun memory(program, 10, 70);
      Dispatch dispatch;
      dispatch.kernel = &kernel;
      dispatch.buffers = memory.buffers();
      dispatch.threadgroup_lengths[3] = 100;
      dispatch.grid.x = 10;
      dispatch.threadgroup.x = 70;
      dispatch.mode = mode;
      dispatch.seed = seed;
      dispatch.threads = 4;
      run(dispatch);
      CHECK_EQUAL(memory.problem(), "");
    }
  }
}

namespace {

/// Notes the order in which threads come: buffer 0 is a counter, then one number per visit.
void note_order(const Thread& t) {
  auto* log = t.buffer<std::uint32_t>(0);
  log[++log[0]] = t.group.position[0] * kMaxThreads + t.index;
}

std::vector<std::uint32_t> order_of(TestKernel& kernel, Mode mode, std::uint64_t seed, std::uint32_t visits) {
  const LoadedKernel loaded = kernel.load();
  std::vector<std::uint32_t> log(16 * 100 * visits + 1);
  Dispatch dispatch;
  dispatch.kernel = &loaded;
  dispatch.buffers[0] = log.data();
  dispatch.grid.x = 16;
  dispatch.threadgroup.x = 100;
  dispatch.mode = mode;
  dispatch.seed = seed;
  dispatch.threads = 1;
  run(dispatch);
  CHECK_EQUAL(log[0], 16 * 100 * visits);
  return log;
}

}  // namespace

TEST_CASE(a_seed_is_a_schedule) {
  TestKernel one("one");
  one.site(Kind::start, region<note_order>, abi::kFinished);
  TestKernel three("three");
  three.site(Kind::start, region<note_order>, 1);
  three.site(Kind::simdgroup, region<note_order>, 2)
      .site(Kind::threadgroup, region<note_order>, abi::kFinished);
  for (TestKernel* kernel : {&one, &three}) {
    const std::uint32_t visits = kernel == &one ? 1 : 3;
    const std::vector<std::uint32_t> first = order_of(*kernel, Mode::kShuffled, 1, visits);
    CHECK(first == order_of(*kernel, Mode::kShuffled, 1, visits));
    CHECK(first != order_of(*kernel, Mode::kShuffled, 2, visits));
    const std::vector<std::uint32_t> fast = order_of(*kernel, Mode::kFast, 1, visits);
    CHECK(fast == order_of(*kernel, Mode::kFast, 2, visits));
    CHECK(first != fast);
    // Threadgroups and lanes are out of order too, not only one of them.
    CHECK(first[1] / kMaxThreads != 0 || first[1 + 100 * visits] / kMaxThreads != 1);
    CHECK(first[2] != first[1] + 1 || first[3] != first[2] + 1 || first[4] != first[3] + 1);
  }
}

TEST_CASE(simdgroups_interleave_in_shuffled_order) {
  // While simdgroup 0 is between its sites, another one runs: with some seed at least.
  TestKernel kernel("long");
  kernel.site(Kind::start, region<note_order>, 1);
  for (std::uint16_t site = 1; site < 6; ++site) {
    kernel.site(Kind::simdgroup, region<note_order>,
                site == 5 ? abi::kFinished : static_cast<std::uint16_t>(site + 1));
  }
  const std::vector<std::uint32_t> log = order_of(kernel, Mode::kShuffled, 3, 6);
  int changes = 0;
  for (std::size_t i = 2; i < log.size(); ++i) changes += log[i] / 32 != log[i - 1] / 32 ? 1 : 0;
  // 16 threadgroups of 4 simdgroups with 6 visits each: 384 visits, nearly all after one of another
  // simdgroup.
  CHECK(changes > 200);
}

namespace {

/// What the first thread of a threadgroup finds: bytes of its memory, and addresses.
struct Found {
  bool poisoned, zeros;
  std::uintptr_t own, first, second, frame;
};
void look(const Thread& t) {
  if (t.index != 0) return;
  Found& found = t.buffer<Found>(0)[t.group.position[0]];
  found.poisoned = true;
  auto* own = t.group.threadgroup_memory;
  auto* first = static_cast<unsigned char*>(t.group.threadgroup_arguments[0]);
  auto* second = static_cast<unsigned char*>(t.group.threadgroup_arguments[30]);
  for (auto [memory, bytes] : {std::pair{own, 200}, {first, 16}, {second, 5000}}) {
    for (int i = 0; i < bytes; ++i) found.poisoned = found.poisoned && memory[i] == 0xFF;
    std::memset(memory, 1, static_cast<std::size_t>(bytes));
  }
  found.zeros = true;
  for (const void* unbound : {t.group.buffers[5], t.group.threadgroup_arguments[7]}) {
    for (int i = 0; i < 4096; ++i)
      found.zeros = found.zeros && static_cast<const unsigned char*>(unbound)[i] == 0;
  }
  found.own = reinterpret_cast<std::uintptr_t>(own);
  found.first = reinterpret_cast<std::uintptr_t>(first);
  found.second = reinterpret_cast<std::uintptr_t>(second);
  found.frame = reinterpret_cast<std::uintptr_t>(t.frame);
}

}  // namespace

TEST_CASE(memory_is_apart_aligned_and_poisoned_every_time) {
  TestKernel kernel("look");
  kernel.frame(64 * 3).threadgroup_memory(200).site(Kind::start, region<look>, 1);
  kernel.site(Kind::threadgroup, region<nothing>, abi::kFinished);
  const LoadedKernel loaded = kernel.load();
  Found found[20];
  Dispatch dispatch;
  dispatch.kernel = &loaded;
  dispatch.buffers[0] = found;
  dispatch.threadgroup_lengths[0] = 16;
  dispatch.threadgroup_lengths[30] = 5000;
  dispatch.grid.x = 20;
  dispatch.threadgroup.x = 96;
  run(dispatch);
  for (const Found& one : found) {
    CHECK(one.poisoned && one.zeros);
    CHECK(one.own % 128 == 0 && one.first % 128 == 0 && one.second % 128 == 0 && one.frame % 64 == 0);
    CHECK(one.own >= one.frame + 3 * 192 && one.first >= one.own + 200 && one.second >= one.first + 16);
  }
}

TEST_CASE(wrong_dispatches_are_refused) {
  TestKernel kernel("k");
  kernel.site(Kind::start, region<nothing>, abi::kFinished);
  const LoadedKernel loaded = kernel.load();
  Dispatch dispatch;
  CHECK_THROWS(ValidationError, "without a kernel", run(dispatch));
  dispatch.kernel = &loaded;
  dispatch.threads = 2000;
  CHECK_THROWS(ValidationError, "on 2000 OS threads", run(dispatch));
  dispatch.threads = 1;
  dispatch.threadgroup.x = 1025;
  CHECK_THROWS(ValidationError, "a threadgroup of (1025, 1, 1) threads", run(dispatch));
}
