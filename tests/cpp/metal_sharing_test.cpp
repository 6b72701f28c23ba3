// tests/cpp/metal_sharing_test.cpp: Metal buffers of other libraries as Arrays, in place.
#include <Metal/Metal.hpp>
#include <memory>
#include <vector>

#include "check.h"
#include "dispatcher/dispatcher.h"
#include "error.h"
#include "metal_helpers.h"

using namespace isometal;

namespace {

std::shared_ptr<Dispatcher> dispatcher() {
  return Dispatcher::create([](std::string_view, bool) { return KernelCode{}; }, Dispatcher::Interrupt());
}

/// 1024 float32 that count from 0.
NS::SharedPtr<MTL::Buffer> counting() {
  const auto device = NS::TransferPtr(MTL::CreateSystemDefaultDevice());
  auto buffer = NS::TransferPtr(device->newBuffer(4096, MTL::ResourceStorageModeShared));
  auto* const values = static_cast<float*>(buffer->contents());
  for (int i = 0; i < 1024; ++i) values[i] = static_cast<float>(i);
  return buffer;
}

Foreign floats(Dims shape, Dims byte_strides) {
  Foreign foreign;
  foreign.shape = std::move(shape);
  foreign.byte_strides = std::move(byte_strides);
  foreign.itemsize = 4;
  foreign.dtype = DType::kFloat32;
  foreign.type_name = "float32";
  return foreign;
}

}  // namespace

TEST_CASE(a_metal_buffer_of_others_is_shared_in_place_and_kept) {
  const Pool pool;
  const auto device = dispatcher();
  const auto buffer = counting();
  bool released = false;
  {
    Foreign foreign = floats({2, 3}, {64, -4});
    foreign.readonly = true;
    foreign.owner = std::shared_ptr<void>(&released, [](void* flag) { *static_cast<bool*>(flag) = true; });
    const Array array = device->share(buffer.get(), 40, std::move(foreign));
    CHECK(device->holds(array));
    CHECK(array.readonly());
    CHECK_EQUAL(array.strides(), (Dims{16, -1}));
    CHECK_EQUAL(static_cast<const void*>(array.data()),
                static_cast<const void*>(static_cast<const std::byte*>(buffer->contents()) + 40));
    const Array copy = array.copy();
    const auto* const values = reinterpret_cast<const float*>(copy.data());
    CHECK_EQUAL(std::vector<float>(values, values + 6), (std::vector<float>{10, 9, 8, 26, 25, 24}));
    CHECK_EQUAL(device->memory_stats().active_bytes, std::uint64_t{4096});
    CHECK(!released);
  }
  CHECK(released);
  CHECK_EQUAL(device->memory_stats().active_bytes, std::uint64_t{0});
  CHECK_EQUAL(device->memory_stats().cached_bytes, std::uint64_t{0});
}

TEST_CASE(an_empty_tensor_needs_no_metal_buffer) {
  const Array array = dispatcher()->share(nullptr, 0, floats({0, 3}, {0, 0}));
  CHECK_EQUAL(array.shape(), (Dims{0, 3}));
}

TEST_CASE(a_metal_buffer_that_no_array_can_use_is_refused) {
  const Pool pool;
  const auto device = dispatcher();
  const auto buffer = counting();
  Foreign unknown = floats({2}, {8});
  unknown.dtype.reset();
  unknown.type_name = "float64";
  CHECK_THROWS(DTypeError, "dtype float64 is not supported", device->share(buffer.get(), 0, unknown));
  CHECK_THROWS(ShapeError, "begins at byte 2", device->share(buffer.get(), 2, floats({2}, {4})));
  CHECK_THROWS(ShapeError, "1025", device->share(buffer.get(), 0, floats({1025}, {4})));
  CHECK_THROWS(ShapeError, "", device->share(buffer.get(), 4, floats({3}, {-4})));
  CHECK_THROWS(BackendError, "of another device", device->share(nullptr, 0, floats({2}, {4})));
  CHECK_EQUAL(device->memory_stats().active_bytes, std::uint64_t{0});
}
