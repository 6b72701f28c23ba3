// tests/cpp/metal_execution_test.cpp: command buffers, queues and events: what runs, in which order, and who
// is told.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <thread>

#include "check.h"
#include "metal_fake_service.h"
#include "metal_support.h"

using namespace metal_test;

namespace {

constexpr std::size_t kLog = 256;

/// Appends `number` to the log.
void append(MTL::ComputeCommandEncoder* encoder, MTL::ComputePipelineState* pipeline, MTL::Buffer* log,
            std::uint32_t number) {
  encoder->setComputePipelineState(pipeline);
  encoder->setBuffer(log, 0, 0);
  encoder->setBytes(&number, sizeof(number), 1);
  encoder->dispatchThreads(MTL::Size(1, 1, 1), MTL::Size(1, 1, 1));
}

/// A command buffer that appends.
MTL::CommandBuffer* appending(Bench& bench, MTL::Buffer* log, std::uint32_t number) {
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
  MTL::ComputeCommandEncoder* const encoder = buffer->computeCommandEncoder();
  append(encoder, bench.pipeline("append"), log, number);
  encoder->endEncoding();
  return buffer;
}

std::vector<std::uint32_t> logged(MTL::Buffer* log) {
  auto all = values<std::uint32_t>(log);
  const std::size_t count = all[0];
  return {all.begin() + 1, all.begin() + 1 + static_cast<std::ptrdiff_t>(count)};
}

std::vector<std::uint32_t> counted(std::uint32_t count) {
  std::vector<std::uint32_t> result;
  for (std::uint32_t i = 0; i < count; ++i) result.push_back(i);
  return result;
}

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

TEST_CASE(a_kernel_runs_over_threads) {
  const Pool pool;
  Bench bench;
  MTL::Buffer* const a = bench.buffer<float>({1, 2, 3, 4, 5});
  MTL::Buffer* const b = bench.buffer<float>({10, 20, 30, 40, 50});
  MTL::Buffer* const out = bench.buffer<float>(5);
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
  CHECK(buffer->status() == MTL::CommandBufferStatusNotEnqueued && buffer->retainedReferences());
  MTL::ComputeCommandEncoder* const encoder = buffer->computeCommandEncoder();
  CHECK(encoder->dispatchType() == MTL::DispatchTypeSerial);
  encoder->setComputePipelineState(bench.pipeline("add"));
  const MTL::Buffer* buffers[] = {a, b, out};
  const NS::UInteger offsets[] = {0, 4, 0};
  encoder->setBuffers(buffers, offsets, NS::Range(0, 3));
  encoder->setBufferOffset(0, 1);
  encoder->dispatchThreads(MTL::Size(5, 1, 1), MTL::Size(4, 1, 1));
  encoder->endEncoding();
  CHECK_EQUAL(buffer->GPUEndTime(), 0.0);
  buffer->commit();
  buffer->waitUntilCompleted();
  CHECK(buffer->status() == MTL::CommandBufferStatusCompleted && buffer->error() == nullptr);
  CHECK_EQUAL(values<float>(out), std::vector<float>({11, 22, 33, 44, 55}));
  CHECK(0 < buffer->kernelStartTime() && buffer->kernelStartTime() <= buffer->kernelEndTime());
  CHECK(buffer->kernelEndTime() <= buffer->GPUStartTime() && buffer->GPUStartTime() <= buffer->GPUEndTime());
}

TEST_CASE(a_kernel_runs_over_threadgroups_with_barriers_and_memory) {
  const Pool pool;
  Bench bench;
  MTL::Buffer* const in = bench.buffer(counted(128));
  MTL::Buffer* const out = bench.buffer<std::uint32_t>(128);
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
  MTL::ComputeCommandEncoder* const encoder = buffer->computeCommandEncoder();
  encoder->setComputePipelineState(bench.pipeline("reverse"));
  encoder->setBuffer(in, 0, 0);
  encoder->setBuffer(out, 0, 1);
  encoder->setThreadgroupMemoryLength(256, 0);
  encoder->dispatchThreadgroups(MTL::Size(2, 1, 1), MTL::Size(64, 1, 1));
  encoder->endEncoding();
  buffer->commit();
  buffer->waitUntilCompleted();
  CHECK_EQUAL(error_text(buffer), "");
  const auto result = values<std::uint32_t>(out);
  CHECK(result[0] == 63 && result[63] == 0 && result[64] == 127 && result[127] == 64);
}

TEST_CASE(function_constants_change_the_code) {
  const Pool pool;
  Bench bench;
  const auto constants = NS::TransferPtr(MTL::FunctionConstantValues::alloc()->init());
  const std::int32_t factor = 3;
  constants->setConstantValue(&factor, MTL::DataTypeInt, NS::UInteger{0});
  MTL::Buffer* const data = bench.buffer<float>({1, 2});
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
  MTL::ComputeCommandEncoder* const encoder = buffer->computeCommandEncoder();
  encoder->setComputePipelineState(bench.pipeline("scale", constants.get()));
  encoder->setBuffer(data, 0, 0);
  float offset = 0.5f;
  encoder->setBytes(&offset, sizeof(offset), 1);
  offset = 100;  // the bytes were copied
  encoder->dispatchThreads(MTL::Size(2, 1, 1), MTL::Size(2, 1, 1));
  encoder->endEncoding();
  buffer->commit();
  buffer->waitUntilCompleted();
  CHECK_EQUAL(values<float>(data), std::vector<float>({3.5f, 6.5f}));
}

TEST_CASE(an_indirect_grid_is_read_when_the_dispatch_runs) {
  const Pool pool;
  Bench bench;
  MTL::Buffer* const grid = bench.buffer<std::uint32_t>(4);
  MTL::Buffer* const log = bench.buffer<std::uint32_t>(kLog);
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
  MTL::ComputeCommandEncoder* const encoder = buffer->computeCommandEncoder();
  append(encoder, bench.pipeline("append"), log, 9);
  encoder->dispatchThreadgroups(grid, 4, MTL::Size(1, 1, 1));
  encoder->endEncoding();
  const std::uint32_t numbers[] = {3, 1, 1};
  std::memcpy(static_cast<char*>(grid->contents()) + 4, numbers, sizeof(numbers));
  buffer->commit();
  buffer->waitUntilCompleted();
  CHECK_EQUAL(logged(log), std::vector<std::uint32_t>({9, 9, 9, 9}));
}

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

TEST_CASE(handlers_run_on_another_thread_before_waiting_ends) {
  const Pool pool;
  Bench bench;
  const std::thread::id here = std::this_thread::get_id();
  std::atomic<int> scheduled{0};
  std::atomic<int> completed{0};
  std::atomic<bool> right_state{false};
  std::atomic<bool> elsewhere{false};
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
  buffer->addScheduledHandler([&](MTL::CommandBuffer*) { ++scheduled; });
  for (int i = 0; i < 2; ++i) {
    buffer->addCompletedHandler([&](MTL::CommandBuffer* done) {
      right_state = done->status() == MTL::CommandBufferStatusCompleted && scheduled == 1;
      elsewhere = std::this_thread::get_id() != here;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      ++completed;
    });
  }
  buffer->commit();
  buffer->waitUntilScheduled();
  CHECK_EQUAL(scheduled.load(), 1);
  buffer->waitUntilCompleted();
  CHECK_EQUAL(completed.load(), 2);
  CHECK(right_state && elsewhere);
}

TEST_CASE(a_handler_may_commit_and_wait) {
  const Pool pool;
  Bench bench;
  MTL::Buffer* const log = bench.buffer<std::uint32_t>(kLog);
  MTL::CommandBuffer* const next = appending(bench, log, 1);
  MTL::CommandBuffer* const first = appending(bench, log, 0);
  first->addCompletedHandler([&](MTL::CommandBuffer* self) {
    self->waitUntilCompleted();
    next->commit();
    next->waitUntilCompleted();
  });
  first->commit();
  first->waitUntilCompleted();
  CHECK_EQUAL(logged(log), counted(2));
}

TEST_CASE(a_throwing_handler_is_reported) {
  const Pool pool;
  Bench bench;
  const Failures failures;
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
  buffer->setLabel(MTLSTR("work"));
  buffer->addCompletedHandler([](MTL::CommandBuffer*) { throw std::runtime_error("oops"); });
  buffer->commit();
  buffer->waitUntilCompleted();
  CHECK(failures.have("command buffer 'work': a completed handler threw: oops"));
}

TEST_CASE(references_are_kept_until_completion) {
  Bench bench;
  auto data = NS::TransferPtr(bench.device->newBuffer(16, 0));
  NS::SharedPtr<MTL::CommandBuffer> kept;
  NS::SharedPtr<MTL::CommandBuffer> unkept;
  {
    const Pool pool;
    kept = NS::RetainPtr(bench.queue->commandBuffer());
    unkept = NS::RetainPtr(bench.queue->commandBufferWithUnretainedReferences());
    for (MTL::CommandBuffer* buffer : {kept.get(), unkept.get()}) {
      MTL::BlitCommandEncoder* const encoder = buffer->blitCommandEncoder();
      encoder->fillBuffer(data.get(), NS::Range(0, 16), 7);
      encoder->endEncoding();
    }
  }
  CHECK(!unkept->retainedReferences());
  CHECK_EQUAL(data->retainCount(), 2u);
  for (MTL::CommandBuffer* buffer : {kept.get(), unkept.get()}) {
    buffer->commit();
    buffer->waitUntilCompleted();
  }
  CHECK_EQUAL(data->retainCount(), 1u);
}

TEST_CASE(code_is_kept_until_completion) {
  NS::SharedPtr<MTL::CommandBuffer> buffer;
  std::weak_ptr<const void> code;
  {
    const Pool pool;
    Bench bench;
    MTL::Buffer* const log = bench.buffer<std::uint32_t>(kLog);
    buffer = NS::RetainPtr(appending(bench, log, 1));
    code = isometal::soft::fake_service().last_code;
  }
  CHECK(!code.expired());
  buffer->commit();
  buffer->waitUntilCompleted();
  CHECK(code.expired());
}

TEST_CASE(blits_copy_and_fill) {
  const Pool pool;
  Bench bench;
  MTL::Buffer* const from = bench.buffer<char>({'a', 'b', 'c', 'd'});
  MTL::Buffer* const to = bench.buffer<char>(6);
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
  MTL::BlitCommandEncoder* const encoder = buffer->blitCommandEncoder();
  encoder->fillBuffer(to, NS::Range(0, 6), '-');
  encoder->copyFromBuffer(from, 1, to, 2, 3);
  encoder->endEncoding();
  buffer->commit();
  buffer->waitUntilCompleted();
  CHECK_EQUAL(values<char>(to), std::vector<char>({'-', '-', 'b', 'c', 'd', '-'}));
}

TEST_CASE(events_order_queues) {
  const Pool pool;
  Bench bench;
  const auto other = NS::TransferPtr(bench.device->newCommandQueue());
  const auto event = NS::TransferPtr(bench.device->newEvent());
  MTL::Buffer* const log = bench.buffer<std::uint32_t>(kLog);
  MTL::CommandBuffer* const second = other->commandBuffer();
  second->encodeWait(event.get(), 1);
  MTL::ComputeCommandEncoder* const encoder = second->computeCommandEncoder();
  append(encoder, bench.pipeline("append"), log, 1);
  encoder->endEncoding();
  second->commit();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(second->status() < MTL::CommandBufferStatusCompleted);
  MTL::CommandBuffer* const first = appending(bench, log, 0);
  first->encodeSignalEvent(event.get(), 1);
  first->commit();
  second->waitUntilCompleted();
  CHECK_EQUAL(logged(log), counted(2));
}

TEST_CASE(shared_events_reach_the_cpu) {
  const Pool pool;
  Bench bench;
  const auto event = NS::TransferPtr(bench.device->newSharedEvent());
  std::atomic<std::uint64_t> told{0};
  event->notifyListener(MTL::SharedEventListener::sharedListener(), 2,
                        [&](MTL::SharedEvent* which, std::uint64_t value) {
                          if (which == event.get()) told = value;
                        });
  CHECK(!event->waitUntilSignaledValue(1, 5));
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
  buffer->encodeWait(event.get(), 1);
  buffer->encodeSignalEvent(event.get(), 2);
  buffer->commit();
  event->setSignaledValue(1);
  CHECK(event->waitUntilSignaledValue(2, 60'000));
  buffer->waitUntilCompleted();
  CHECK_EQUAL(event->signaledValue(), 2u);
  while (told == 0) std::this_thread::yield();
  CHECK_EQUAL(told.load(), 2u);
  const auto handle = NS::TransferPtr(event->newSharedEventHandle());
  const auto same = NS::TransferPtr(bench.device->newSharedEvent(handle.get()));
  CHECK(same.get() == event.get());
}

TEST_CASE(a_wait_that_nothing_ends_is_an_error) {
  const Pool pool;
  isometal::soft::DeviceSettings impatient;
  impatient.stall_limit = std::chrono::milliseconds(30);
  const Settings settings(impatient);
  const Failures failures;
  Bench bench;
  const auto event = NS::TransferPtr(bench.device->newSharedEvent());
  event->setLabel(MTLSTR("never"));
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
  buffer->encodeWait(event.get(), 5);
  buffer->commit();
  buffer->waitUntilCompleted();
  CHECK(buffer->status() == MTL::CommandBufferStatusError);
  CHECK_EQUAL(buffer->error()->code(), static_cast<NS::Integer>(MTL::CommandBufferErrorTimeout));
  CHECK(error_text(buffer).find("encodeWait: event 'never' is at 0 and has waited for 5") !=
        std::string::npos);
}

TEST_CASE(a_failed_signal_ends_the_waits_for_it) {
  const Pool pool;
  const Failures failures;
  Bench bench;
  const auto other = NS::TransferPtr(bench.device->newCommandQueue());
  const auto event = NS::TransferPtr(bench.device->newSharedEvent());
  MTL::CommandBuffer* const waiting = other->commandBuffer();
  waiting->encodeWait(event.get(), 1);
  waiting->commit();
  MTL::CommandBuffer* const failing = bench.queue->commandBuffer();
  failing->setLabel(MTLSTR("culprit"));
  MTL::ComputeCommandEncoder* const encoder = failing->computeCommandEncoder();
  encoder->setComputePipelineState(bench.pipeline("hang"));
  encoder->dispatchThreads(MTL::Size(32, 1, 1), MTL::Size(32, 1, 1));
  encoder->endEncoding();
  failing->encodeSignalEvent(event.get(), 1);
  failing->commit();
  waiting->waitUntilCompleted();
  CHECK(error_text(waiting).find("the command buffer that signals it failed: command buffer 'culprit'") !=
        std::string::npos);
  CHECK(!event->waitUntilSignaledValue(1, 60'000));
}

TEST_CASE(a_hang_is_an_error_that_names_kernel_and_barrier) {
  const Pool pool;
  const Failures failures;
  Bench bench;
  const auto descriptor = NS::TransferPtr(MTL::CommandBufferDescriptor::alloc()->init());
  descriptor->setErrorOptions(MTL::CommandBufferErrorOptionEncoderExecutionStatus);
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer(descriptor.get());
  MTL::Buffer* const log = bench.buffer<std::uint32_t>(kLog);
  const char* const labels[] = {"before", "stuck", "after"};
  for (const char* label : labels) {
    MTL::ComputeCommandEncoder* const encoder = buffer->computeCommandEncoder();
    encoder->setLabel(NS::String::string(label, NS::UTF8StringEncoding));
    encoder->insertDebugSignpost(MTLSTR("here"));
    if (label == labels[1]) {
      encoder->setComputePipelineState(bench.pipeline("hang"));
      encoder->dispatchThreads(MTL::Size(32, 1, 1), MTL::Size(32, 1, 1));
    } else {
      append(encoder, bench.pipeline("append"), log, 1);
    }
    encoder->endEncoding();
  }
  buffer->commit();
  buffer->waitUntilCompleted();
  CHECK(buffer->status() == MTL::CommandBufferStatusError);
  CHECK_EQUAL(buffer->error()->code(), static_cast<NS::Integer>(MTL::CommandBufferErrorTimeout));
  for (const char* part : {"hang", "the even barrier", "the odd barrier", "encoder 'stuck'"}) {
    CHECK(error_text(buffer).find(part) != std::string::npos);
    CHECK(failures.have(part));
  }
  CHECK_EQUAL(logged(log).size(), 1u);  // what came after the hang did not run
  auto* const infos = buffer->error()->userInfo()->object<NS::Array>(MTL::CommandBufferEncoderInfoErrorKey);
  const MTL::CommandEncoderErrorState states[] = {MTL::CommandEncoderErrorStateCompleted,
                                                  MTL::CommandEncoderErrorStateFaulted,
                                                  MTL::CommandEncoderErrorStatePending};
  for (NS::UInteger i = 0; i < 3; ++i) {
    auto* const info = infos->object<MTL::CommandBufferEncoderInfo>(i);
    CHECK(text(info->label()) == labels[i] && info->errorState() == states[i]);
    CHECK_EQUAL(info->debugSignposts()->count(), 1u);
  }
  // The queue goes on with the next command buffer.
  MTL::CommandBuffer* const next = appending(bench, log, 2);
  next->commit();
  next->waitUntilCompleted();
  CHECK(next->status() == MTL::CommandBufferStatusCompleted);
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
