// tests/cpp/metal_dispatcher_end_test.cpp: the end of a dispatcher that has work which was never committed,
// or that another thread still uses.
#include <cstring>
#include <thread>

#include "check.h"
#include "dispatcher/dispatcher.h"
#include "error.h"
#include "launch/plan.h"
#include "metal_fake_service.h"
#include "metal_support.h"

using namespace isometal;

namespace {

/// Appends `value` to the log that is its operand.
launch::Plan append(std::uint32_t value) {
  launch::Plan plan;
  plan.add(launch::Kernel(launch::Family::kCopy, launch::KernelName("append")))
      .write(0, 0)
      .params(1, value)
      .threads({1}, {1});
  return plan;
}

}  // namespace

TEST_CASE(what_is_encoded_and_held_by_nobody_ends_with_the_dispatcher) {
  soft::fake_service();
  const metal_test::Failures failures;
  {
    const auto dispatcher = Dispatcher::create(
        [](std::string_view, bool) { return KernelCode{KernelCode::Form::kSource, "kernels"}; },
        Dispatcher::Interrupt());
    {
      const Array out = dispatcher->empty({64}, DType::kInt32);
      dispatcher->encode(append(7), {&out});
    }
    CHECK_EQUAL(dispatcher->dispatch_stats().command_buffers, std::uint64_t{0});
    CHECK_EQUAL(dispatcher->dispatch_stats().dispatches, std::uint64_t{1});
  }
  CHECK(failures.none());
}

TEST_CASE(the_end_of_a_dispatcher_waits_for_a_thread_that_encodes) {
  soft::fake_service();
  const metal_test::Failures failures;
  std::shared_ptr<Dispatcher> dispatcher;
  std::thread other;
  const auto is_open = [&] {
    try {
      dispatcher->empty({1}, DType::kInt32);
      return true;
    } catch (const BackendError&) {
      return false;
    }
  };
  dispatcher = Dispatcher::create(
      [&](std::string_view, bool) {
        // Called while encode() makes the pipeline.
        other = std::thread([&] { dispatcher->shut_down(); });
        while (is_open()) std::this_thread::yield();
        return KernelCode{KernelCode::Form::kSource, "kernels"};
      },
      Dispatcher::Interrupt());
  Array out = dispatcher->empty({64}, DType::kUInt32);
  std::memset(out.mutable_data(), 0, 64 * sizeof(std::uint32_t));
  dispatcher->encode(append(7), {&out});
  other.join();
  CHECK_EQUAL(dispatcher->dispatch_stats().command_buffers, std::uint64_t{1});
  CHECK_EQUAL(reinterpret_cast<const std::uint32_t*>(out.data())[1], std::uint32_t{7});
  CHECK_EQUAL(dispatcher->pipeline_count(), std::size_t{0});
  CHECK_THROWS(BackendError, "was shut down", dispatcher->encode(append(8), {&out}));
  CHECK(failures.none());
}
