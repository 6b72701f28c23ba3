// tests/cpp/soft_threads_test.cpp: several OS threads: sharing, failures, cancellation.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "soft/executor.h"
#include "soft_kernel.h"

#if defined(__unix__)
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace isometal::soft;
using soft_test::region;
using soft_test::TestKernel;
using soft_test::Thread;
using Kind = abi::SiteKind;
using namespace std::chrono_literals;

namespace {

/// Long enough for others to come and help.
void slowly(const Thread& t) {
  std::this_thread::sleep_for(200us);
  t.buffer<std::thread::id>(0)[t.group.position[0]] = std::this_thread::get_id();
}

struct Failing : Observer {
  std::atomic<int> begun{0};
  const abi::MemoryObserver* threadgroup_begin(const abi::Threadgroup& group) override {
    ++begun;
    if (group.position[0] >= 50) throw std::runtime_error("threadgroup 50 or later");
    return nullptr;
  }
};

}  // namespace

TEST_CASE(several_os_threads_share_a_dispatch) {
  TestKernel kernel("slow");
  kernel.site(Kind::start, region<slowly>, abi::kFinished);
  const LoadedKernel loaded = kernel.load();
  for (const unsigned os_threads : {1u, 3u}) {
    std::vector<std::thread::id> ran(400);
    Dispatch dispatch;
    dispatch.kernel = &loaded;
    dispatch.buffers[0] = ran.data();
    dispatch.grid.x = 400;
    dispatch.threads = os_threads;
    run(dispatch);
    const std::set<std::thread::id> different(ran.begin(), ran.end());
    CHECK_EQUAL(different.count(std::thread::id()), 0u);
    CHECK(different.count(std::this_thread::get_id()) == 1);
    CHECK(os_threads == 1 ? different.size() == 1 : different.size() > 1 && different.size() <= 3);
  }
}

TEST_CASE(dispatches_of_several_threads_do_not_mix) {
  TestKernel kernel("add");
  kernel.frame(128).threadgroup_memory(512);
  kernel.site(Kind::start, region<[](const Thread& t) {
                t.column<std::uint32_t>(0) = t.buffer<std::uint32_t>(0)[0] + t.group.position[0];
                reinterpret_cast<std::uint32_t*>(t.group.threadgroup_memory)[t.index] =
                    t.column<std::uint32_t>(0);
              }>,
              1);
  kernel.site(Kind::threadgroup, region<[](const Thread& t) {
                const auto* shared = reinterpret_cast<const std::uint32_t*>(t.group.threadgroup_memory);
                t.buffer<std::uint32_t>(1)[t.group.position[0] * 64 + t.index] =
                    shared[(t.index + 5) % 64] + t.column<std::uint32_t>(0);
              }>,
              abi::kFinished);
  const LoadedKernel loaded = kernel.load();
  std::atomic<int> wrong{0};
  std::vector<std::thread> users;
  for (std::uint32_t user = 0; user < 4; ++user) {
    users.emplace_back([&loaded, &wrong, user] {
      for (int repeat = 0; repeat < 20; ++repeat) {
        std::uint32_t base = user * 1000;
        std::vector<std::uint32_t> results(200 * 64);
        Dispatch dispatch;
        dispatch.kernel = &loaded;
        dispatch.buffers[0] = &base;
        dispatch.buffers[1] = results.data();
        dispatch.grid.x = 200;
        dispatch.threadgroup.x = 64;
        dispatch.threads = 1 + user;
        dispatch.mode = repeat % 2 == 0 ? Mode::kFast : Mode::kShuffled;
        run(dispatch);
        for (std::uint32_t i = 0; i < results.size(); ++i) wrong += results[i] != 2 * (base + i / 64) ? 1 : 0;
      }
    });
  }
  for (std::thread& user : users) user.join();
  CHECK_EQUAL(wrong.load(), 0);
}

TEST_CASE(a_failure_in_any_thread_reaches_the_caller_once) {
  TestKernel kernel("slow");
  kernel.site(Kind::start, region<slowly>, abi::kFinished);
  const LoadedKernel loaded = kernel.load();
  std::vector<std::thread::id> ran(100000);
  for (const unsigned os_threads : {1u, 4u}) {
    Failing failing;
    Dispatch dispatch;
    dispatch.kernel = &loaded;
    dispatch.buffers[0] = ran.data();
    dispatch.grid.x = static_cast<std::uint32_t>(ran.size());
    dispatch.threads = os_threads;
    dispatch.observer = &failing;
    int caught = 0;
    try {
      run(dispatch);
    } catch (const std::runtime_error& error) {
      caught += std::string(error.what()) == "threadgroup 50 or later" ? 1 : 100;
    }
    CHECK_EQUAL(caught, 1);
    // The others stop as soon as they are through with theirs.
    CHECK(failing.begun < 1000);
  }
}

TEST_CASE(a_dispatch_can_be_cancelled) {
  TestKernel slow("slow");
  slow.site(Kind::start, region<[](const Thread&) { std::this_thread::sleep_for(1ms); }>, abi::kFinished);
  // Lanes that go round and round never end a threadgroup.
  TestKernel endless("endless");
  endless.site(Kind::start, region<soft_test::nothing>, 1)
      .site(Kind::simdgroup, region<soft_test::nothing>, 1);
  for (TestKernel* kernel : {&slow, &endless}) {
    const LoadedKernel loaded = kernel->load();
    for (const Mode mode : {Mode::kFast, Mode::kShuffled}) {
      for (const unsigned os_threads : {1u, 3u}) {
        int asked = 0;
        Dispatch dispatch;
        dispatch.kernel = &loaded;
        dispatch.grid.x = 1000000;
        dispatch.mode = mode;
        dispatch.threads = os_threads;
        dispatch.interrupted = [&asked] { return ++asked == 3; };
        CHECK_THROWS(Cancelled, "kernel '", run(dispatch));
        CHECK_EQUAL(asked, 3);
      }
    }
  }
}

namespace {

struct Parties {
  std::thread::id caller;
  std::atomic<bool> helped{false};
};

/// The caller's threads end, but the later ones not before a helper has come; a helper's go on for ever.
void end_if_caller(const Thread& t) {
  auto& parties = *t.buffer<Parties>(0);
  const bool caller = parties.caller == std::this_thread::get_id();
  if (!caller) parties.helped = true;
  while (caller && t.group.position[0] != 0 && !parties.helped) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(1ms);
  t.go_to(caller ? abi::kFinished : 1);
}

}  // namespace

TEST_CASE(a_caller_that_waits_for_helpers_can_be_cancelled) {
  TestKernel kernel("uneven");
  kernel.site(Kind::start, region<end_if_caller>, abi::kSeveral)
      .site(Kind::join, region<soft_test::nothing>, 1);
  const LoadedKernel loaded = kernel.load();
  Parties parties;
  parties.caller = std::this_thread::get_id();
  int asked = 0;
  Dispatch dispatch;
  dispatch.kernel = &loaded;
  dispatch.buffers[0] = &parties;
  dispatch.grid.x = 50;
  dispatch.threads = 2;
  // Long after the caller's own share is done.
  dispatch.interrupted = [&] { return parties.helped && ++asked == 20; };
  CHECK_THROWS(Cancelled, "kernel 'uneven' was interrupted", run(dispatch));
  CHECK_EQUAL(asked, 20);
}

TEST_CASE(a_dispatch_within_a_dispatch_has_memory_of_its_own) {
  TestKernel inner("inner");
  inner.threadgroup_memory(1024).site(
      Kind::start, region<[](const Thread& t) { t.group.threadgroup_memory[0] = 7; }>, abi::kFinished);
  TestKernel outer("outer");
  outer.threadgroup_memory(1024);
  outer.site(Kind::start, region<[](const Thread& t) { t.group.threadgroup_memory[0] = 3; }>, 1);
  outer.site(Kind::threadgroup,
             region<[](const Thread& t) { t.buffer<int>(0)[0] = t.group.threadgroup_memory[0]; }>,
             abi::kFinished);
  const LoadedKernel loaded = inner.load();
  const LoadedKernel outer_loaded = outer.load();
  struct Nested : Observer {
    const LoadedKernel* inner;
    void barrier(const abi::Threadgroup&, std::uint32_t, const abi::Site&, std::uint32_t) override {
      Dispatch dispatch;
      dispatch.kernel = inner;
      run(dispatch);
    }
  } nested;
  nested.inner = &loaded;
  int result = 0;
  Dispatch dispatch;
  dispatch.kernel = &outer_loaded;
  dispatch.buffers[0] = &result;
  dispatch.observer = &nested;
  run(dispatch);
  CHECK_EQUAL(result, 3);
}

TEST_CASE(simdgroups_take_turns) {
  // The first spins, by way of a site, until the last has written; that is no hang.
  TestKernel kernel("spin");
  kernel.site(Kind::start, region<[](const Thread& t) {
                if (t.index == 64) *t.buffer<int>(0) = 1;
              }>,
              1);
  kernel.site(
      Kind::simdgroup,
      region<[](const Thread& t) { t.go_to(t.index >= 32 || *t.buffer<int>(0) == 1 ? abi::kFinished : 1); }>,
      abi::kSeveral);
  const LoadedKernel loaded = kernel.load();
  for (const Mode mode : {Mode::kFast, Mode::kShuffled}) {
    int flag = 0;
    Dispatch dispatch;
    dispatch.kernel = &loaded;
    dispatch.buffers[0] = &flag;
    dispatch.threadgroup.x = 96;
    dispatch.mode = mode;
    run(dispatch);
    CHECK_EQUAL(flag, 1);
  }
}

#if defined(__unix__)

TEST_CASE(the_environment_says_how_many_threads) {
  const char* before = std::getenv("ISOMETAL_SOFT_THREADS");
  const std::string saved = before == nullptr ? "" : before;
  unsetenv("ISOMETAL_SOFT_THREADS");
  CHECK(default_threads() >= 1);
  setenv("ISOMETAL_SOFT_THREADS", "3", 1);
  CHECK_EQUAL(default_threads(), 3u);
  for (const char* wrong : {"", "0", "-1", "two", "2 ", "1025", "99999999999"}) {
    setenv("ISOMETAL_SOFT_THREADS", wrong, 1);
    CHECK_THROWS(SoftError, std::string("ISOMETAL_SOFT_THREADS is '") + wrong + "'", default_threads());
  }
  unsetenv("ISOMETAL_SOFT_THREADS");
  if (before != nullptr) setenv("ISOMETAL_SOFT_THREADS", saved.c_str(), 1);
}

TEST_CASE(a_forked_process_has_threads_of_its_own) {
  TestKernel kernel("slow");
  kernel.site(Kind::start, region<slowly>, abi::kFinished);
  const LoadedKernel loaded = kernel.load();
  std::vector<std::thread::id> ran(1000);
  Dispatch dispatch;
  dispatch.kernel = &loaded;
  dispatch.buffers[0] = ran.data();
  dispatch.grid.x = 1000;
  dispatch.threads = 3;
  run(dispatch);
  const pid_t child = fork();
  if (child == 0) {
    std::fill(ran.begin(), ran.end(), std::thread::id());
    run(dispatch);
    const std::set<std::thread::id> different(ran.begin(), ran.end());
    _exit(different.size() > 1 && different.count(std::thread::id()) == 0 ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK_EQUAL(status, 0);
}

#endif
