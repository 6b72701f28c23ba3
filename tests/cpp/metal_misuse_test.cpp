// tests/cpp/metal_misuse_test.cpp: calls at the wrong time: after endEncoding, after commit, twice. And what
// the error of a command buffer then says.
#include <functional>
#include <thread>

#include "check.h"
#include "metal_encoding.h"
#include "soft/error.h"

using namespace metal_test;

TEST_CASE(nothing_is_encoded_after_end_encoding) {
  Encoding encoding;
  encoding.encoder->endEncoding();
  encoding.encoder->dispatchThreads(kOne, kOne);
  encoding.encoder->setBuffer(encoding.out, 0, 0);
  CHECK(encoding.failures.have("setBuffer: called after endEncoding"));
  encoding.ends_with("dispatchThreads: called after endEncoding");
  CHECK(encoding.failures.have("endEncoding: called after endEncoding"));
}

TEST_CASE(a_command_buffer_has_one_open_encoder) {
  Encoding encoding;
  MTL::ComputeCommandEncoder* const second = encoding.buffer->computeCommandEncoder();
  CHECK(second != nullptr);  // usable, so that the caller does not crash, but without effect
  second->setBuffer(encoding.out, 0, 99);
  second->dispatchThreads(kOne, kOne);
  second->endEncoding();
  MTL::BlitCommandEncoder* const third = encoding.buffer->blitCommandEncoder();
  third->fillBuffer(encoding.out, NS::Range(0, 4), 1);
  third->endEncoding();
  CHECK_EQUAL(encoding.failures.count(), 2u);
  CHECK(encoding.failures.have("blitCommandEncoder: an encoder is open"));
  const auto event = NS::TransferPtr(encoding.bench.device->newEvent());
  encoding.buffer->encodeSignalEvent(event.get(), 1);
  encoding.buffer->encodeWait(event.get(), 1);
  CHECK_EQUAL(encoding.failures.count(), 4u);
  encoding.ends_with("computeCommandEncoder: an encoder is open; call its endEncoding first");
}

TEST_CASE(commit_needs_closed_encoders) {
  Encoding encoding;
  encoding.encoder->dispatchThreads(kOne, kOne);
  encoding.buffer->commit();
  encoding.encoder->dispatchThreads(kOne, kOne);
  encoding.buffer->waitUntilCompleted();
  CHECK(encoding.failures.have("commit: an encoder is open"));
  CHECK(encoding.failures.have("dispatchThreads: the command buffer is committed"));
  CHECK(encoding.buffer->status() == MTL::CommandBufferStatusError);
}

TEST_CASE(an_encoder_is_not_released_while_open) {
  const Failures failures;
  Bench bench;
  NS::SharedPtr<MTL::CommandBuffer> buffer;
  {
    const Pool pool;
    buffer = NS::RetainPtr(bench.queue->commandBuffer());
    buffer->blitCommandEncoder()->setLabel(MTLSTR("lost"));
  }
  CHECK(failures.have("blit encoder 'lost': released without endEncoding"));
  buffer->commit();
  buffer->waitUntilCompleted();
  CHECK(buffer->status() == MTL::CommandBufferStatusError);
}

TEST_CASE(a_command_buffer_is_committed_once) {
  const Pool pool;
  const Failures failures;
  const Bench bench;
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
  buffer->commit();
  buffer->waitUntilCompleted();
  CHECK(buffer->status() == MTL::CommandBufferStatusCompleted && buffer->error() == nullptr);
  buffer->commit();
  CHECK(failures.have("commit: it is committed already"));
  CHECK(buffer->status() == MTL::CommandBufferStatusError);
  CHECK(error_text(buffer).find("commit: it is committed already") != std::string::npos);
}

TEST_CASE(a_committed_buffer_takes_nothing_more) {
  const Pool pool;
  const Failures failures;
  const Bench bench;
  const auto event = NS::TransferPtr(bench.device->newEvent());
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
  buffer->commit();
  buffer->waitUntilCompleted();
  buffer->computeCommandEncoder()->endEncoding();
  buffer->blitCommandEncoder()->endEncoding();
  buffer->encodeSignalEvent(event.get(), 1);
  buffer->encodeWait(event.get(), 1);
  buffer->addCompletedHandler([](MTL::CommandBuffer*) {});
  buffer->addScheduledHandler([](MTL::CommandBuffer*) {});
  buffer->enqueue();
  buffer->useResidencySet(nullptr);
  CHECK_EQUAL(failures.count(), 8u);
  CHECK(failures.have("command buffer 0: addCompletedHandler: the command buffer is committed"));
}

TEST_CASE(waiting_needs_a_commit) {
  const Pool pool;
  const Failures failures;
  const Bench bench;
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
  buffer->waitUntilCompleted();
  buffer->waitUntilScheduled();
  CHECK(failures.have("waitUntilCompleted: it is not committed"));
  CHECK(failures.have("waitUntilScheduled: it is not committed"));
}

TEST_CASE(null_handlers_and_events_are_refused) {
  Encoding encoding;
  encoding.encoder->endEncoding();
  encoding.buffer->addCompletedHandler(MTL::HandlerFunction());
  encoding.buffer->addScheduledHandler(MTL::HandlerFunction());
  encoding.buffer->encodeWait(nullptr, 1);
  encoding.buffer->popDebugGroup();
  CHECK_EQUAL(encoding.failures.count(), 4u);
  encoding.ends_with("encodeWait: the event is null");
}

TEST_CASE(an_error_quotes_failures_and_counts_the_rest) {
  Encoding encoding;
  for (NS::UInteger i = 0; i < 20; ++i) encoding.encoder->setBuffer(encoding.out, 0, 100 + i);
  encoding.ends_with("index is 115;");
  const std::string all = error_text(encoding.buffer);
  CHECK(all.find("index is 116;") == std::string::npos);
  CHECK(all.find("and 5 more failures") != std::string::npos ||
        all.find("and 4 more failures") != std::string::npos);
  CHECK_EQUAL(encoding.failures.count(), 20u);
}

TEST_CASE(the_error_is_there_once_the_buffer_has_ended) {
  Encoding encoding;
  encoding.encoder->setBuffer(encoding.out, 0, 31);
  CHECK(encoding.buffer->error() == nullptr);
  encoding.ends_with("index is 31");
  CHECK_EQUAL(encoding.buffer->error()->code(),
              static_cast<NS::Integer>(MTL::CommandBufferErrorInvalidResource));
}

TEST_CASE(under_the_policy_throw_the_encoding_call_throws) {
  Encoding encoding;
  isometal::soft::set_validation_policy(isometal::soft::ValidationPolicy::kThrow);
  CHECK_THROWS(isometal::soft::ValidationError, "setBuffer: index is 31",
               encoding.encoder->setBuffer(encoding.out, 0, 31));
  isometal::soft::set_validation_policy(isometal::soft::ValidationPolicy::kRecord);
  encoding.ends_with("setBuffer: index is 31");
}

TEST_CASE(an_encoder_may_be_misused_while_its_buffer_runs) {
  // For ThreadSanitizer as well: the queue's thread and those that break rules write to the same report.
  const Pool pool;
  const Failures failures;
  Bench bench;
  const auto descriptor = NS::TransferPtr(MTL::CommandBufferDescriptor::alloc()->init());
  descriptor->setErrorOptions(MTL::CommandBufferErrorOptionEncoderExecutionStatus);
  for (int round = 0; round < 50; ++round) {
    MTL::CommandBuffer* const buffer = bench.queue->commandBuffer(descriptor.get());
    MTL::BlitCommandEncoder* const encoder = buffer->blitCommandEncoder();
    MTL::Buffer* const memory = bench.buffer<float>(32);
    encoder->fillBuffer(memory, NS::Range(0, 128), 1);
    encoder->endEncoding();
    buffer->commit();
    const auto misuse = [&] {
      encoder->setLabel(MTLSTR("late"));
      encoder->fillBuffer(memory, NS::Range(0, 128), 2);
    };
    std::thread other(misuse);
    buffer->waitUntilCompleted();
    other.join();
    misuse();
    CHECK(buffer->status() == MTL::CommandBufferStatusError);
    const auto* const infos =
        static_cast<NS::Array*>(buffer->error()->userInfo()->object(MTL::CommandBufferEncoderInfoErrorKey));
    const auto* const info = infos->object<MTL::CommandBufferEncoderInfo>(0);
    CHECK(info->errorState() == MTL::CommandEncoderErrorStateFaulted);
    CHECK_EQUAL(text(info->label()), "");
  }
  CHECK_EQUAL(failures.count(), 100u);
}
