// tests/cpp/metal_execution_test.cpp: command buffers: what runs, what is kept, and who is told.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.h"
#include "metal_fake_service.h"
#include "metal_log.h"
#include "metal_support.h"

using namespace metal_test;

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
