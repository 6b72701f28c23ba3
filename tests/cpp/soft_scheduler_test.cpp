// tests/cpp/soft_scheduler_test.cpp: the scheduler by itself, on random programs that watch it, and broken on
// purpose.
#include "soft/scheduler.h"

#include <string>

#include "check.h"
#include "soft/executor.h"
#include "soft_program.h"

using namespace isometal::soft;
using soft_test::Program;
using soft_test::ProgramRun;

namespace {

constexpr std::uint64_t kSeeds = 1000;
constexpr std::uint64_t kFew = 250;  ///< enough to see what is broken on purpose

struct NoPause : Pause {
  void pause() override {}
};

/// Whole and partial simdgroups, one and several of them.
std::uint32_t threads_of(std::uint64_t seed) {
  constexpr std::uint32_t kSizes[]{1, 20, 32, 33, 64, 96, 100, 160};
  return kSizes[seed % std::size(kSizes)];
}

/// What is wrong after a threadgroup has run the program by the rules of `Policy`.
template <typename Policy>
std::string problem_with(const Program& program, std::uint32_t threads, std::uint64_t seed) {
  const LoadedKernel kernel = program.load();
  ProgramRun run(program, 1, threads);
  const Grid grid({1, 1, 1}, {threads, 1, 1}, false);
  const auto buffers = run.buffers();
  std::vector<std::uint64_t> shared(kMaxThreads, ~std::uint64_t{0});
  abi::Threadgroup threadgroup{};
  threadgroup.buffers = buffers.data();
  threadgroup.threadgroup_memory = reinterpret_cast<unsigned char*>(shared.data());
  grid.describe(threadgroup);
  grid.place(0, threadgroup);
  const Shape shape(threadgroup.size, true);
  std::vector<std::byte> frames(kernel.code().frame_bytes * shape.simdgroups());
  NoPause pause;
  try {
    Scheduler<Policy>(kernel, nullptr, pause).run(threadgroup, shape, frames.data(), Random::of(seed, 0));
  } catch (const HangError& error) {
    return error.what();
  }
  return run.problem();
}

/// The problem of the first seed that has one, or "".
template <typename Policy>
std::string first_problem(std::uint64_t seeds = kSeeds) {
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const std::string problem = problem_with<Policy>(Program(seed), threads_of(seed), seed);
    if (!problem.empty()) return "seed " + std::to_string(seed) + ": " + problem;
  }
  return "";
}

/// Seeds with which a thread sees that it passed a barrier too early.
template <typename Policy>
std::uint64_t seeds_that_see_it() {
  std::uint64_t count = 0;
  for (std::uint64_t seed = 0; seed < kFew; ++seed) {
    const std::string problem = problem_with<Policy>(Program(seed), threads_of(seed), seed);
    count += problem.find("before thread") != std::string::npos ? 1u : 0u;
  }
  return count;
}

struct OneSimdgroupIsEnough : FastPolicy {
  static constexpr bool lets_go(std::uint32_t, std::uint32_t) { return true; }
};
struct AllButOneSimdgroup : FastPolicy {
  static constexpr bool lets_go(std::uint32_t waiting, std::uint32_t unfinished) {
    return waiting + abi::kLanes >= unfinished;
  }
};
struct AllButOneThread : FastPolicy {
  static constexpr bool lets_go(std::uint32_t waiting, std::uint32_t unfinished) {
    return waiting + 1 >= unfinished;
  }
};
template <typename Broken>
struct Shuffled : Broken {
  static constexpr bool kShuffled = true;
};
struct Never : FastPolicy {
  static constexpr bool lets_go(std::uint32_t, std::uint32_t) { return false; }
};

}  // namespace

TEST_CASE(random_programs_run_as_written) {
  CHECK_EQUAL(first_problem<FastPolicy>(), "");
  CHECK_EQUAL(first_problem<ObservedPolicy>(kFew), "");
}

TEST_CASE(random_programs_run_as_written_in_any_order) {
  CHECK_EQUAL(first_problem<ShuffledPolicy>(), "");
  // One program in a thousand orders, rather than a thousand programs in one each.
  const Program program(7);
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    CHECK_EQUAL(problem_with<ShuffledPolicy>(program, 100, seed), "");
  }
}

TEST_CASE(a_scheduler_that_lets_go_early_is_caught) {
  CHECK(seeds_that_see_it<Shuffled<OneSimdgroupIsEnough>>() > kFew / 4);
  CHECK(seeds_that_see_it<Shuffled<AllButOneSimdgroup>>() > kFew / 4);
  CHECK(seeds_that_see_it<Shuffled<AllButOneThread>>() > kFew / 100);
}

TEST_CASE(barriers_at_which_nobody_waits_are_caught) {
  // In order, all simdgroups reach a barrier before the first of them has its next turn, so that letting go
  // too early does no harm; going on at once does.
  int with_barriers = 0;
  int caught = 0;
  for (std::uint64_t seed = 0; seed < kFew; ++seed) {
    Program program(seed);
    if (program.barriers() == 0) continue;
    ++with_barriers;
    program.make_barriers_joins();
    caught += problem_with<FastPolicy>(program, 160, seed).find("before thread") != std::string::npos ? 1 : 0;
  }
  CHECK(caught > with_barriers / 2);
}

TEST_CASE(a_scheduler_that_never_lets_go_is_caught) {
  CHECK(first_problem<Never>().find("hangs in threadgroup (0, 0, 0)") != std::string::npos);
}

TEST_CASE(sites_out_of_order_are_caught) {
  int tried = 0;
  int caught = 0;
  for (std::uint64_t seed = 0; seed < kFew; ++seed) {
    Program program(seed);
    if (!program.swap_two_sites()) continue;
    ++tried;
    caught += problem_with<FastPolicy>(program, 64, seed).empty() ? 0 : 1;
  }
  CHECK(tried > 25);
  CHECK(caught > tried / 2);
}

TEST_CASE(the_random_programs_have_what_they_are_for) {
  std::uint32_t barriers = 0;
  std::size_t sites = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Program program(seed);
    barriers += program.barriers() != 0 ? 1u : 0u;
    sites += program.load().code().site_count;
  }
  CHECK(barriers > kSeeds / 2);
  CHECK(sites > kSeeds * 8);
}
