// tests/cpp/metal_device_test.cpp: the device, buffers, heaps and residency sets.
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "check.h"
#include "metal_support.h"
#include "soft/error.h"

using namespace metal_test;

TEST_CASE(the_device_says_that_it_is_software) {
  const Pool pool;
  MTL::Device* const device = MTL::CreateSystemDefaultDevice();
  CHECK_EQUAL(text(device->name()).find("isometal software Metal device (CPU "), 0u);
  CHECK(text(device->name()).find("Apple") == std::string::npos);
  CHECK(text(device->architecture()->name()).find("isometal-software-") == 0);
  CHECK(device->hasUnifiedMemory() && device->isHeadless());
  for (const MTL::GPUFamily family : {MTL::GPUFamilyApple1, MTL::GPUFamilyApple7, MTL::GPUFamilyApple10,
                                      MTL::GPUFamilyMac2, MTL::GPUFamilyCommon1, MTL::GPUFamilyMetal3}) {
    CHECK(!device->supportsFamily(family));
  }
  device->release();
}

TEST_CASE(a_test_may_have_families_claimed) {
  const Pool pool;
  isometal::soft::DeviceSettings settings;
  settings.claimed_families = {MTL::GPUFamilyMetal3};
  const Settings scope(settings);
  const auto device = NS::TransferPtr(MTL::CreateSystemDefaultDevice());
  CHECK(device->supportsFamily(MTL::GPUFamilyMetal3) && !device->supportsFamily(MTL::GPUFamilyApple7));
}

TEST_CASE(the_device_has_the_limits_of_apples) {
  const Pool pool;
  const auto device = NS::TransferPtr(MTL::CreateSystemDefaultDevice());
  CHECK_EQUAL(device->maxThreadsPerThreadgroup().width, 1024u);
  CHECK_EQUAL(device->maxThreadgroupMemoryLength(), 32768u);
  CHECK(device->maxBufferLength() > (1u << 20));
  CHECK(device->recommendedMaxWorkingSetSize() >= device->maxBufferLength());
}

TEST_CASE(the_environment_sets_mode_seed_and_limits) {
  using isometal::soft::settings_from_environment;
  CHECK(settings_from_environment().mode == isometal::soft::Mode::kFast);
  setenv("ISOMETAL_SOFT_MODE", "shuffled", 1);
  setenv("ISOMETAL_SOFT_SEED", "18446744073709551615", 1);
  CHECK(settings_from_environment().mode == isometal::soft::Mode::kShuffled);
  CHECK_EQUAL(settings_from_environment().seed, ~std::uint64_t{0});
  setenv("ISOMETAL_SOFT_SEED", "1x", 1);
  CHECK_THROWS(isometal::soft::SoftError, "ISOMETAL_SOFT_SEED is '1x'", settings_from_environment());
  setenv("ISOMETAL_SOFT_SEED", "1", 1);
  CHECK_EQUAL(settings_from_environment().max_threads, std::uint64_t{1024});
  setenv("ISOMETAL_SOFT_MAX_THREADS", "96", 1);
  CHECK_EQUAL(settings_from_environment().max_threads, std::uint64_t{96});
  for (const char* wrong : {"0", "1025", "-1", "", "64 "}) {
    setenv("ISOMETAL_SOFT_MAX_THREADS", wrong, 1);
    CHECK_THROWS(isometal::soft::SoftError, "it must be a number from 1 to 1024",
                 settings_from_environment());
  }
  unsetenv("ISOMETAL_SOFT_MAX_THREADS");
  CHECK(settings_from_environment().bfloat);
  setenv("ISOMETAL_SOFT_BFLOAT", "none", 1);
  CHECK(!settings_from_environment().bfloat);
  setenv("ISOMETAL_SOFT_BFLOAT", "no", 1);
  CHECK_THROWS(isometal::soft::SoftError, "ISOMETAL_SOFT_BFLOAT is 'no'; it must be 'native' or 'none'.",
               settings_from_environment());
  unsetenv("ISOMETAL_SOFT_BFLOAT");
  setenv("ISOMETAL_SOFT_MODE", "Fast", 1);
  CHECK_THROWS(isometal::soft::SoftError, "ISOMETAL_SOFT_MODE is 'Fast'", settings_from_environment());
  unsetenv("ISOMETAL_SOFT_SEED");
  unsetenv("ISOMETAL_SOFT_MODE");
}

TEST_CASE(there_is_one_device) {
  const Pool pool;
  const auto device = NS::TransferPtr(MTL::CreateSystemDefaultDevice());
  const auto devices = NS::TransferPtr(MTL::CopyAllDevices());
  CHECK_EQUAL(devices->count(), 1u);
  CHECK(devices->object<MTL::Device>(0) == device.get());
  CHECK_EQUAL(devices->object<MTL::Device>(0)->registryID(), device->registryID());
}

TEST_CASE(buffers_are_zero_or_copies) {
  const Bench bench;
  const std::size_t before = bench.device->currentAllocatedSize();
  {
    const auto zeros = NS::TransferPtr(bench.device->newBuffer(5, MTL::ResourceStorageModeShared));
    CHECK_EQUAL(zeros->length(), 5u);
    CHECK_EQUAL(values<char>(zeros.get()), std::vector<char>(5));
    CHECK_EQUAL(bench.device->currentAllocatedSize(), before + 5);
    CHECK_EQUAL(zeros->gpuAddress(), reinterpret_cast<std::uintptr_t>(zeros->contents()));
    CHECK_EQUAL(zeros->gpuAddress() % 256, 0u);
    CHECK(zeros->storageMode() == MTL::StorageModeShared);
    CHECK(zeros->hazardTrackingMode() == MTL::HazardTrackingModeTracked && zeros->heap() == nullptr);
    const int numbers[] = {1, 2, 3};
    const auto copy = NS::TransferPtr(bench.device->newBuffer(numbers, sizeof(numbers), 0));
    CHECK_EQUAL(values<int>(copy.get()), std::vector<int>({1, 2, 3}));
  }
  CHECK_EQUAL(bench.device->currentAllocatedSize(), before);
}

TEST_CASE(private_buffers_have_no_contents) {
  const Bench bench;
  const auto buffer = NS::TransferPtr(bench.device->newBuffer(
      64, MTL::ResourceStorageModePrivate | MTL::ResourceHazardTrackingModeUntracked));
  CHECK(buffer->contents() == nullptr);
  CHECK(buffer->storageMode() == MTL::StorageModePrivate);
  CHECK(buffer->hazardTrackingMode() == MTL::HazardTrackingModeUntracked);
}

TEST_CASE(a_buffer_without_a_copy_is_the_callers_memory) {
  const Bench bench;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const memory = std::aligned_alloc(page, page);
  void* given_back = nullptr;
  const auto deallocator = [&](void* pointer, NS::UInteger length) {
    if (length == page) given_back = pointer;
  };
  MTL::Buffer* const buffer =
      bench.device->newBuffer(memory, page, MTL::ResourceStorageModeShared, deallocator);
  CHECK(buffer->contents() == memory);
  CHECK(given_back == nullptr);
  buffer->release();
  CHECK(given_back == memory);
  bench.device->newBuffer(memory, page, MTL::ResourceStorageModeShared, nullptr)->release();
  const Failures failures;
  char* const inside = static_cast<char*>(memory) + 8;
  CHECK(bench.device->newBuffer(inside, page, 0, nullptr) == nullptr);
  CHECK(failures.have("both must be multiples of the page size"));
  CHECK(bench.device->newBuffer(memory, page - 1, 0, nullptr) == nullptr);
  CHECK_EQUAL(failures.count(), 2u);
  std::free(memory);
}

TEST_CASE(impossible_buffers_are_refused) {
  const Bench bench;
  const Failures failures;
  CHECK(bench.device->newBuffer(0, MTL::ResourceStorageModeShared) == nullptr);
  CHECK(failures.have("newBuffer: length is 0"));
  CHECK(bench.device->newBuffer(bench.device->maxBufferLength() + 1, 0) == nullptr);
  CHECK(failures.have("(maxBufferLength)"));
  CHECK(bench.device->newBuffer(16, NS::UInteger{1} << 12) == nullptr);
  CHECK(failures.have("options are 4096"));
  CHECK(bench.device->newBuffer(static_cast<const void*>(nullptr), 16, NS::UInteger{0}) == nullptr);
  CHECK(failures.have("the bytes to copy are null"));
  const auto buffer = NS::TransferPtr(bench.device->newBuffer(16, 0));
  buffer->didModifyRange(NS::Range(0, 16));
  CHECK_EQUAL(failures.count(), 4u);
  buffer->didModifyRange(NS::Range(8, 9));
  CHECK(failures.have("didModifyRange: the range is 8 + 9; the buffer has 16"));
}

TEST_CASE(the_policy_throw_stops_at_the_failing_call) {
  const Bench bench;
  const Failures failures;
  isometal::soft::set_validation_policy(isometal::soft::ValidationPolicy::kThrow);
  CHECK_THROWS(isometal::soft::ValidationError, "newBuffer: length is 0", bench.device->newBuffer(0, 0));
  isometal::soft::set_validation_policy(isometal::soft::ValidationPolicy::kRecord);
  CHECK_EQUAL(failures.count(), 1u);
}

TEST_CASE(objects_have_labels) {
  const Pool pool;
  const Bench bench;
  const auto buffer = NS::TransferPtr(bench.device->newBuffer(16, 0));
  CHECK(buffer->label() == nullptr);
  buffer->setLabel(MTLSTR("weights"));
  CHECK_EQUAL(text(buffer->label()), "weights");
  bench.queue->setLabel(MTLSTR("queue"));
  CHECK_EQUAL(text(bench.queue->label()), "queue");
}

TEST_CASE(an_automatic_heap_lends_its_bytes) {
  const Bench bench;
  const auto descriptor = NS::TransferPtr(MTL::HeapDescriptor::alloc()->init());
  descriptor->setSize(1024);
  descriptor->setStorageMode(MTL::StorageModeShared);
  const auto copy = NS::TransferPtr(descriptor->copy());
  CHECK(copy.get() != descriptor.get() && copy->size() == 1024);
  const auto heap = NS::TransferPtr(bench.device->newHeap(descriptor.get()));
  const auto first = NS::TransferPtr(heap->newBuffer(200, MTL::ResourceStorageModeShared));
  auto second = NS::TransferPtr(heap->newBuffer(512, MTL::ResourceStorageModeShared));
  CHECK(first->heap() == heap.get() && second->heapOffset() == 256);
  CHECK_EQUAL(heap->usedSize(), 768u);
  CHECK_EQUAL(heap->maxAvailableSize(256), 256u);
  CHECK(heap->newBuffer(257, MTL::ResourceStorageModeShared) == nullptr);  // full: no failure
  second.reset();
  CHECK_EQUAL(heap->maxAvailableSize(256), 768u);
  const auto third = NS::TransferPtr(heap->newBuffer(300, MTL::ResourceStorageModeShared));
  CHECK_EQUAL(third->heapOffset(), 256u);
  third->makeAliasable();
  CHECK(third->isAliasable());
  CHECK_EQUAL(heap->usedSize(), 256u);
  const Failures failures;
  CHECK(heap->newBuffer(16, MTL::ResourceStorageModePrivate) == nullptr);
  CHECK(failures.have("storage and cache mode must be the same"));
  CHECK(heap->newBuffer(16, MTL::ResourceStorageModeShared, 0) == nullptr);
  CHECK(failures.have("an automatic heap takes no offset"));
  bench.device->newBuffer(16, 0)->autorelease()->makeAliasable();
  CHECK(failures.have("makeAliasable: the resource is on no heap"));
}

TEST_CASE(a_placement_heap_puts_buffers_where_it_is_told) {
  const Bench bench;
  const auto descriptor = NS::TransferPtr(MTL::HeapDescriptor::alloc()->init());
  descriptor->setSize(1024);
  descriptor->setType(MTL::HeapTypePlacement);
  descriptor->setResourceOptions(MTL::ResourceStorageModeShared);
  const auto heap = NS::TransferPtr(bench.device->newHeap(descriptor.get()));
  const auto one = NS::TransferPtr(heap->newBuffer(512, MTL::ResourceStorageModeShared, 256));
  const auto two = NS::TransferPtr(heap->newBuffer(512, MTL::ResourceStorageModeShared, 512));
  static_cast<char*>(one->contents())[256] = 'x';
  CHECK_EQUAL(*static_cast<char*>(two->contents()), 'x');
  const Failures failures;
  CHECK(heap->newBuffer(16, MTL::ResourceStorageModeShared, 100) == nullptr);
  CHECK(heap->newBuffer(512, MTL::ResourceStorageModeShared, 768) == nullptr);
  CHECK(heap->newBuffer(16, MTL::ResourceStorageModeShared) == nullptr);
  CHECK_EQUAL(failures.count(), 3u);
}

TEST_CASE(a_heap_lives_as_long_as_its_buffers) {
  const Bench bench;
  const std::size_t before = bench.device->currentAllocatedSize();
  const auto descriptor = NS::TransferPtr(MTL::HeapDescriptor::alloc()->init());
  descriptor->setSize(4096);
  descriptor->setStorageMode(MTL::StorageModeShared);
  auto heap = NS::TransferPtr(bench.device->newHeap(descriptor.get()));
  auto buffer = NS::TransferPtr(heap->newBuffer(100, MTL::ResourceStorageModeShared));
  heap.reset();
  std::memset(buffer->contents(), 1, 100);
  CHECK_EQUAL(bench.device->currentAllocatedSize(), before + 4096);
  buffer.reset();
  CHECK_EQUAL(bench.device->currentAllocatedSize(), before);
}

TEST_CASE(a_residency_set_keeps_books) {
  const Pool pool;
  Bench bench;
  const auto descriptor = NS::TransferPtr(MTL::ResidencySetDescriptor::alloc()->init());
  descriptor->setLabel(MTLSTR("set"));
  descriptor->setInitialCapacity(4);
  NS::Error* error = nullptr;
  const auto set = NS::TransferPtr(bench.device->newResidencySet(descriptor.get(), &error));
  CHECK(error == nullptr && text(set->label()) == "set");
  MTL::Buffer* const a = bench.buffer<char>(100);
  MTL::Buffer* const b = bench.buffer<char>(50);
  const MTL::Allocation* both[] = {a, b};
  set->addAllocations(both, 2);
  set->addAllocation(a);
  CHECK_EQUAL(set->allocationCount(), 2u);
  CHECK(set->containsAllocation(b) && set->allAllocations()->count() == 2);
  CHECK_EQUAL(set->allocatedSize(), 0u);
  set->commit();
  CHECK_EQUAL(set->allocatedSize(), 150u);
  CHECK_EQUAL(a->retainCount(), 3u);  // bench, set, and the array in the pool
  set->removeAllocation(b);
  CHECK(!set->containsAllocation(b));
  set->removeAllAllocations();
  CHECK_EQUAL(set->allocationCount(), 0u);
  set->requestResidency();
  bench.queue->addResidencySet(set.get());
  bench.queue->removeResidencySet(set.get());
  const Failures failures;
  set->addAllocation(nullptr);
  CHECK(failures.have("addAllocation: the allocation is null"));
}
