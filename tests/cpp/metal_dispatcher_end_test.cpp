// tests/cpp/metal_dispatcher_end_test.cpp: the end of a dispatcher that has work which was never committed.
#include "check.h"
#include "dispatcher/dispatcher.h"
#include "launch/plan.h"
#include "metal_fake_service.h"
#include "metal_support.h"

using namespace isometal;

TEST_CASE(what_is_encoded_and_held_by_nobody_ends_with_the_dispatcher) {
  soft::fake_service();
  const metal_test::Failures failures;
  {
    const auto dispatcher = Dispatcher::create(
        [](std::string_view, bool) { return KernelCode{KernelCode::Form::kSource, "kernels"}; },
        Dispatcher::Interrupt());
    launch::Plan plan;
    plan.add(launch::Kernel(launch::Family::kCopy, launch::KernelName("append")))
        .write(0, 0)
        .params(1, std::uint32_t{7})
        .threads({1}, {1});
    {
      const Array out = dispatcher->empty({64}, DType::kInt32);
      dispatcher->encode(plan, {&out});
    }
    CHECK_EQUAL(dispatcher->dispatch_stats().command_buffers, std::uint64_t{0});
    CHECK_EQUAL(dispatcher->dispatch_stats().dispatches, std::uint64_t{1});
  }
  CHECK(failures.none());
}
