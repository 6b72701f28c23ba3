// tests/cpp/metal_events_test.cpp: events, and the errors of waits and hangs.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "check.h"
#include "metal_log.h"
#include "metal_support.h"

using namespace metal_test;

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
