// tests/cpp/metal_dispatcher_limits_test.cpp: what a pipeline allows is asked and kept to.
#include <numeric>

#include "check.h"
#include "dispatcher/dispatcher.h"
#include "error.h"
#include "launch/plan.h"
#include "metal_fake_service.h"
#include "metal_support.h"

using namespace isometal;

namespace {

std::shared_ptr<Dispatcher> dispatcher() {
  soft::fake_service();
  return Dispatcher::create(
      [](std::string_view, bool) { return KernelCode{KernelCode::Form::kSource, "kernels"}; },
      Dispatcher::Interrupt());
}

soft::DeviceSettings allowing(std::uint64_t threads) {
  soft::DeviceSettings settings;
  settings.max_threads = threads;
  return settings;
}

launch::Kernel kernel(std::string_view name) {
  return {launch::Family::kCopy, launch::KernelName(name)};
}

/// 0, 1, ... on the device.
Array ramp(Dispatcher& device, std::int64_t size) {
  Array array = device.empty({size}, DType::kFloat32);
  auto* const data = reinterpret_cast<float*>(array.mutable_data());
  std::iota(data, data + size, 0.0f);
  return array;
}

}  // namespace

TEST_CASE(a_grid_of_threads_gets_threadgroups_that_the_pipeline_allows) {
  const metal_test::Settings scope(allowing(24));
  const metal_test::Failures failures;
  const auto device = dispatcher();
  constexpr std::int64_t kSize = 1000;
  const Array a = ramp(*device, kSize), b = ramp(*device, kSize);
  const Array out = device->empty({kSize}, DType::kFloat32);
  launch::Plan plan;
  plan.add(kernel("add")).read(0, 0).read(1, 1).write(2, 2).threads({kSize}, {256});
  device->encode(plan, {&a, &b, &out});
  device->synchronize();
  out.buffer()->wait();
  const auto* const sums = reinterpret_cast<const float*>(out.data());
  for (std::int64_t i = 0; i < kSize; ++i) CHECK_EQUAL(sums[i], static_cast<float>(2 * i));
  CHECK(failures.none());
}

TEST_CASE(threadgroups_larger_than_the_pipeline_allows_are_refused_before_anything_is_encoded) {
  const metal_test::Settings scope(allowing(64));
  const metal_test::Failures failures;
  const auto device = dispatcher();
  const Array data = ramp(*device, 128);
  const auto plan = [](std::uint32_t threads) {
    launch::Plan made;
    made.add(kernel("add")).read(0, 0).read(1, 0).write(2, 1).threadgroups({1}, {threads});
    return made;
  };
  const Array out = device->empty({128}, DType::kFloat32);
  CHECK_THROWS(BackendError, "kernel add needs 65 threads in a threadgroup; this device allows 64.",
               device->encode(plan(65), {&data, &out}));
  CHECK_EQUAL(device->dispatch_stats().dispatches, std::uint64_t{0});
  device->encode(plan(64), {&data, &out});
  device->synchronize();
  CHECK(failures.none());
}

TEST_CASE(threadgroup_memory_beyond_what_the_kernel_leaves_is_refused) {
  const metal_test::Failures failures;
  const auto device = dispatcher();
  const Array in = ramp(*device, 32), out = device->empty({32}, DType::kFloat32);
  const auto plan = [](std::uint32_t bytes) {
    launch::Plan made;
    made.add(kernel("reverse")).read(0, 0).write(1, 1).threadgroup_memory(bytes).threadgroups({1}, {32});
    return made;
  };
  // The kernel declares 1024.
  CHECK_THROWS(BackendError,
               "kernel reverse needs 31760 bytes of threadgroup memory beside those that it declares; this "
               "device allows 31744.",
               device->encode(plan(31760), {&in, &out}));
  device->encode(plan(31744), {&in, &out});
  device->synchronize();
  CHECK_EQUAL(reinterpret_cast<const float*>(out.data())[0], 31.0f);
  CHECK(failures.none());
}

TEST_CASE(a_device_without_bfloat_gets_kernels_without_it) {
  soft::FakeService& service = soft::fake_service();
  for (const bool bfloat : {true, false}) {
    soft::DeviceSettings settings;
    settings.bfloat = bfloat;
    const metal_test::Settings scope(settings);
    bool asked = !bfloat;
    const auto device = Dispatcher::create(
        [&](std::string_view, bool has) {
          asked = has;
          return KernelCode{KernelCode::Form::kSource, "kernels"};
        },
        Dispatcher::Interrupt());
    CHECK_EQUAL(device->info().bfloat, bfloat);
    const Array out = device->empty({64}, DType::kInt32);
    launch::Plan plan;
    plan.add(kernel("append")).write(0, 0).params(1, std::uint32_t{7}).threads({1}, {1});
    device->encode(plan, {&out});
    device->synchronize();
    CHECK_EQUAL(asked, bfloat);
    CHECK_EQUAL(service.last_options.bfloat, bfloat);
  }
}
