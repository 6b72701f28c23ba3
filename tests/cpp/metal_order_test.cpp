// tests/cpp/metal_order_test.cpp: the order in which dispatches, command buffers and queues run.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "check.h"
#include "metal_log.h"
#include "metal_support.h"

using namespace metal_test;

namespace {

isometal::soft::DeviceSettings shuffled(std::uint64_t seed) {
  isometal::soft::DeviceSettings settings;
  settings.mode = isometal::soft::Mode::kShuffled;
  settings.seed = seed;
  return settings;
}

/// What a concurrent encoder of `encode` appends to the log.
std::vector<std::uint32_t> concurrently(Bench& bench,
                                        const std::function<void(MTL::ComputeCommandEncoder*)>& encode,
                                        MTL::Buffer* log) {
  const Pool pool;
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
  MTL::ComputeCommandEncoder* const encoder = buffer->computeCommandEncoder(MTL::DispatchTypeConcurrent);
  encode(encoder);
  encoder->endEncoding();
  buffer->commit();
  buffer->waitUntilCompleted();
  CHECK_EQUAL(error_text(buffer), "");
  return logged(log);
}

}  // namespace

TEST_CASE(serial_dispatches_and_command_buffers_run_in_order_in_every_mode) {
  for (const std::uint64_t seed : {0u, 1u, 2u, 3u}) {
    const Pool pool;
    Bench bench;
    const Settings settings(seed == 0 ? isometal::soft::DeviceSettings() : shuffled(seed));
    MTL::Buffer* const log = bench.buffer<std::uint32_t>(kLog);
    MTL::CommandBuffer* last = nullptr;
    for (std::uint32_t i = 0; i < 20; i += 4) {
      last = bench.queue->commandBuffer();
      for (std::uint32_t j = 0; j < 4; j += 2) {
        MTL::ComputeCommandEncoder* const encoder = last->computeCommandEncoder();
        append(encoder, bench.pipeline("append"), log, i + j);
        append(encoder, bench.pipeline("append"), log, i + j + 1);
        encoder->endEncoding();
      }
      last->commit();
    }
    last->waitUntilCompleted();
    CHECK_EQUAL(logged(log), counted(20));
  }
}

TEST_CASE(enqueue_reserves_a_place) {
  const Pool pool;
  Bench bench;
  MTL::Buffer* const log = bench.buffer<std::uint32_t>(kLog);
  MTL::CommandBuffer* const first = appending(bench, log, 0);
  MTL::CommandBuffer* const second = appending(bench, log, 1);
  first->enqueue();
  CHECK(first->status() == MTL::CommandBufferStatusEnqueued);
  second->commit();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(second->status() == MTL::CommandBufferStatusCommitted);
  first->commit();
  second->waitUntilCompleted();
  CHECK_EQUAL(logged(log), counted(2));
}

TEST_CASE(an_enqueued_buffer_that_is_never_committed_gives_its_place_up) {
  Bench bench;
  MTL::Buffer* const log = bench.buffer<std::uint32_t>(kLog);
  NS::SharedPtr<MTL::CommandBuffer> second;
  {
    const Pool pool;
    appending(bench, log, 0)->enqueue();
    second = NS::RetainPtr(appending(bench, log, 1));
    second->commit();
  }
  second->waitUntilCompleted();
  CHECK_EQUAL(logged(log), std::vector<std::uint32_t>({1}));
}

TEST_CASE(concurrent_dispatches_keep_their_order_in_fast_mode) {
  Bench bench;
  MTL::Buffer* const log = bench.buffer<std::uint32_t>(kLog);
  const auto encode = [&](MTL::ComputeCommandEncoder* encoder) {
    for (std::uint32_t i = 0; i < 10; ++i) append(encoder, bench.pipeline("append"), log, i);
  };
  CHECK_EQUAL(concurrently(bench, encode, log), counted(10));
}

TEST_CASE(concurrent_dispatches_are_shuffled_between_barriers) {
  std::vector<std::vector<std::uint32_t>> orders;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const Settings settings(shuffled(seed));
    Bench bench;
    MTL::Buffer* const log = bench.buffer<std::uint32_t>(kLog);
    const auto encode = [&](MTL::ComputeCommandEncoder* encoder) {
      for (std::uint32_t i = 0; i < 12; ++i) {
        if (i == 6) encoder->memoryBarrier(MTL::BarrierScopeBuffers);
        append(encoder, bench.pipeline("append"), log, i);
      }
    };
    const auto order = concurrently(bench, encode, log);
    CHECK_EQUAL(order.size(), 12u);
    CHECK(std::all_of(order.begin(), order.begin() + 6, [](std::uint32_t i) { return i < 6; }));
    auto sorted = order;
    std::sort(sorted.begin(), sorted.end());
    CHECK_EQUAL(sorted, counted(12));
    // A seed's order is its own: the same again for another queue.
    Bench again;
    MTL::Buffer* const second = again.buffer<std::uint32_t>(kLog);
    const auto repeat = [&](MTL::ComputeCommandEncoder* encoder) {
      for (std::uint32_t i = 0; i < 12; ++i) {
        if (i == 6) encoder->memoryBarrier(MTL::BarrierScopeBuffers);
        append(encoder, again.pipeline("append"), second, i);
      }
    };
    CHECK_EQUAL(concurrently(again, repeat, second), order);
    orders.push_back(order);
  }
  std::sort(orders.begin(), orders.end());
  CHECK(std::unique(orders.begin(), orders.end()) - orders.begin() >= 7);
}

TEST_CASE(a_barrier_for_a_resource_orders_only_who_touches_it) {
  std::size_t before_other = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Settings settings(shuffled(seed));
    Bench bench;
    MTL::Buffer* const log = bench.buffer<std::uint32_t>(kLog);
    MTL::Buffer* const shared = bench.buffer<std::uint32_t>(1);
    MTL::Buffer* const other = bench.buffer<std::uint32_t>(1);
    const auto encode = [&](MTL::ComputeCommandEncoder* encoder) {
      encoder->setBuffer(shared, 0, 5);
      append(encoder, bench.pipeline("append"), log, 0);
      append(encoder, bench.pipeline("append"), log, 1);
      const MTL::Resource* resources[] = {shared};
      encoder->memoryBarrier(resources, 1);
      append(encoder, bench.pipeline("append"), log, 2);  // touches `shared`
      encoder->setBuffer(other, 0, 5);
      append(encoder, bench.pipeline("append"), log, 3);  // does not
    };
    const auto order = concurrently(bench, encode, log);
    const auto place = [&](std::uint32_t i) {
      return std::find(order.begin(), order.end(), i) - order.begin();
    };
    CHECK(place(2) > place(0) && place(2) > place(1));
    if (place(3) < place(0)) ++before_other;
  }
  CHECK(before_other > 5);
}

TEST_CASE(queues_are_independent) {
  const Pool pool;
  Bench bench;
  const auto other = NS::TransferPtr(bench.device->newCommandQueue());
  MTL::Buffer* const flag = bench.buffer<std::uint32_t>(1);
  MTL::CommandBuffer* const waiting = bench.queue->commandBuffer();
  MTL::ComputeCommandEncoder* const encoder = waiting->computeCommandEncoder();
  encoder->setComputePipelineState(bench.pipeline("spin"));
  encoder->setBuffer(flag, 0, 0);
  encoder->dispatchThreads(MTL::Size(1, 1, 1), MTL::Size(1, 1, 1));
  encoder->endEncoding();
  waiting->commit();
  MTL::CommandBuffer* const quick = other->commandBuffer();
  quick->commit();
  quick->waitUntilCompleted();
  CHECK(waiting->status() < MTL::CommandBufferStatusCompleted);
  std::atomic_ref<std::uint32_t>(*static_cast<std::uint32_t*>(flag->contents())) = 1;
  waiting->waitUntilCompleted();
  CHECK(waiting->status() == MTL::CommandBufferStatusCompleted);
}

TEST_CASE(a_full_queue_waits_for_room) {
  const Pool pool;
  isometal::soft::DeviceSettings impatient;
  impatient.stall_limit = std::chrono::milliseconds(30);
  const Settings settings(impatient);
  Bench bench;
  const auto queue = NS::TransferPtr(bench.device->newCommandQueue(2));
  for (int i = 0; i < 10; ++i) queue->commandBuffer()->commit();
  MTL::CommandBuffer* const first = queue->commandBuffer();
  MTL::CommandBuffer* const second = queue->commandBuffer();
  const Failures failures;
  CHECK(queue->commandBuffer() == nullptr);
  CHECK(failures.have("the queue has 2 command buffers, and none of them is committed"));
  first->commit();
  second->commit();
  CHECK(queue->commandBuffer() != nullptr);
}

TEST_CASE(a_queue_may_be_released_with_work_in_it) {
  Bench bench;
  MTL::Buffer* const log = bench.buffer<std::uint32_t>(kLog);
  NS::SharedPtr<MTL::CommandBuffer> last;
  {
    const Pool pool;
    for (std::uint32_t i = 0; i < 20; ++i) {
      last = NS::RetainPtr(appending(bench, log, i));
      last->commit();
    }
    bench.queue.reset();
  }
  last->waitUntilCompleted();
  CHECK_EQUAL(logged(log), counted(20));
}

TEST_CASE(threads_that_wait_share_the_work) {
  Bench bench;
  constexpr std::uint32_t kThreads = 3;
  constexpr std::uint32_t kEach = 40;
  MTL::Buffer* const log = bench.buffer<std::uint32_t>(kLog);
  MTL::ComputePipelineState* const pipeline = bench.pipeline("append");
  std::atomic<int> untold{0};
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint32_t i = 0; i < kEach; ++i) {
        const Pool pool;
        std::atomic<bool> told{false};
        MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
        MTL::ComputeCommandEncoder* const encoder = buffer->computeCommandEncoder();
        append(encoder, pipeline, log, t * kEach + i);
        encoder->endEncoding();
        if (i % 3 == 0) buffer->addCompletedHandler([&](MTL::CommandBuffer*) { told = true; });
        buffer->commit();
        buffer->waitUntilCompleted();
        if (told != (i % 3 == 0)) ++untold;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQUAL(untold.load(), 0);
  // Each once, and those of a thread in its order.
  const auto order = logged(log);
  CHECK_EQUAL(order.size(), kThreads * kEach);
  std::vector<std::uint32_t> next(kThreads);
  for (const std::uint32_t entry : order) CHECK_EQUAL(entry % kEach, next[entry / kEach]++);
}

TEST_CASE(threads_encode_and_commit_at_the_same_time) {
  Bench bench;
  constexpr std::uint32_t kThreads = 4;
  constexpr std::uint32_t kEach = 25;
  MTL::Buffer* const log = bench.buffer<std::uint32_t>(kLog);
  MTL::ComputePipelineState* const pipeline = bench.pipeline("append");
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const Pool pool;
      MTL::CommandBuffer* buffer = nullptr;
      for (std::uint32_t i = 0; i < kEach; ++i) {
        buffer = bench.queue->commandBuffer();
        MTL::ComputeCommandEncoder* const encoder = buffer->computeCommandEncoder();
        append(encoder, pipeline, log, t);
        encoder->endEncoding();
        buffer->commit();
      }
      buffer->waitUntilCompleted();
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto order = logged(log);
  for (std::uint32_t t = 0; t < kThreads; ++t) CHECK_EQUAL(std::count(order.begin(), order.end(), t), kEach);
}
