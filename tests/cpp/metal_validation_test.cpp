// tests/cpp/metal_validation_test.cpp: each rule of Metal's API, broken once: the call is refused with a text
// that says what and why, the command buffer runs nothing and ends with an error.
#include <cstdint>
#include <functional>

#include "check.h"
#include "metal_encoding.h"

using namespace metal_test;

TEST_CASE(right_use_passes_validation) {
  Encoding encoding;
  encoding.encoder->dispatchThreads(MTL::Size(32, 1, 1), MTL::Size(32, 1, 1));
  encoding.encoder->setBuffer(nullptr, 0, 9);
  encoding.encoder->pushDebugGroup(MTLSTR("group"));
  encoding.encoder->popDebugGroup();
  encoding.ends_well();
  CHECK_EQUAL(values<float>(encoding.out), std::vector<float>(32, 2));
}

TEST_CASE(an_unbound_argument_is_refused) {
  refused(
      "[soft] compute encoder 'e': dispatchThreads: kernel 'add': nothing is bound to buffer 1 (b); every "
      "argument that it uses needs a value.",
      [](Encoding& e) {
        e.encoder->setBuffer(nullptr, 0, 1);
        e.encoder->dispatchThreads(kOne, kOne);
      });
}

TEST_CASE(a_binding_index_beyond_30_is_refused) {
  refused("setBuffer: index is 31; indices end at 30",
          [](Encoding& e) { e.encoder->setBuffer(e.out, 0, 31); });
  refused("setBytes: index is 31", [](Encoding& e) { e.encoder->setBytes("x", 1, 31); });
  refused("setBufferOffset: index is 40", [](Encoding& e) { e.encoder->setBufferOffset(0, 40); });
  refused("setThreadgroupMemoryLength: index is 31",
          [](Encoding& e) { e.encoder->setThreadgroupMemoryLength(16, 31); });
}

TEST_CASE(set_bytes_has_a_size) {
  const std::vector<char> bytes(4097);
  refused("setBytes: length at index 0 is 0", [&](Encoding& e) { e.encoder->setBytes(bytes.data(), 0, 0); });
  refused("length at index 0 is 4097; it must be from 1 to 4096",
          [&](Encoding& e) { e.encoder->setBytes(bytes.data(), 4097, 0); });
  refused("the bytes at index 0 are null", [](Encoding& e) { e.encoder->setBytes(nullptr, 4, 0); });
  Encoding encoding;
  encoding.encoder->setBytes(bytes.data(), 4096, 0);
  encoding.encoder->dispatchThreads(kOne, kOne);
  encoding.ends_well();
}

TEST_CASE(bytes_cannot_be_written) {
  refused("buffer 2 (out) of type float: read-only memory of setBytes, but the kernel writes to it",
          [](Encoding& e) {
            e.encoder->setBytes("abcd", 4, 2);
            e.encoder->dispatchThreads(kOne, kOne);
          });
}

TEST_CASE(an_offset_lies_inside_the_buffer) {
  refused("setBuffer: offset 128 at index 2 is not inside buffer",
          [](Encoding& e) { e.encoder->setBuffer(e.out, 128, 2); });
  refused("setBufferOffset: offset 129 at index 2 is not inside buffer",
          [](Encoding& e) { e.encoder->setBufferOffset(129, 2); });
  refused("setBufferOffset: no buffer is bound at index 5",
          [](Encoding& e) { e.encoder->setBufferOffset(0, 5); });
  refused("buffer 2 (out) of type float: bound at offset 2; a multiple of 4 is needed.", [](Encoding& e) {
    e.encoder->setBufferOffset(2, 2);
    e.encoder->dispatchThreads(kOne, kOne);
  });
}

TEST_CASE(a_buffer_has_room_for_its_argument) {
  refused("buffer 0 (struct) of type Params: 40 bytes (128 from offset 88); at least 48 are needed.",
          [](Encoding& e) {
            e.encoder->setComputePipelineState(e.bench.pipeline("wide"));
            e.encoder->setBuffer(e.out, 88, 0);
            e.encoder->dispatchThreads(kOne, kOne);
          });
  refused("buffer 0 (struct) of type Params: 4 bytes; at least 48 are needed.", [](Encoding& e) {
    e.encoder->setComputePipelineState(e.bench.pipeline("wide"));
    e.encoder->setBytes("abcd", 4, 0);
    e.encoder->dispatchThreads(kOne, kOne);
  });
}

TEST_CASE(threadgroup_memory_is_bound_and_fits) {
  const auto reverse = [](Encoding& e, NS::UInteger length) {
    e.encoder->setComputePipelineState(e.bench.pipeline("reverse"));
    if (length != 0) e.encoder->setThreadgroupMemoryLength(length, 0);
    e.encoder->dispatchThreads(kOne, kOne);
  };
  refused("kernel 'reverse': nothing is bound to threadgroup 0 (scratch)",
          [&](Encoding& e) { reverse(e, 0); });
  refused("setThreadgroupMemoryLength: threadgroup 0: 100 bytes; a multiple of 16 is needed.",
          [&](Encoding& e) { reverse(e, 100); });
  refused(
      "1024 bytes of its own threadgroup memory and 32000 of arguments; at most 32768 in all are possible.",
      [&](Encoding& e) { reverse(e, 32000); });
  refused("threadgroup 1: 32784 bytes; a threadgroup has at most 32768.",
          [](Encoding& e) { e.encoder->setThreadgroupMemoryLength(32784, 1); });
}

TEST_CASE(threads_of_a_threadgroup_are_limited) {
  refused("a threadgroup of 1025x1x1 threads; at most 1024 in all are possible.",
          [](Encoding& e) { e.encoder->dispatchThreads(kOne, MTL::Size(1025, 1, 1)); });
  refused("a threadgroup of 32x32x2 threads; at most 1024 in all are possible.",
          [](Encoding& e) { e.encoder->dispatchThreadgroups(kOne, MTL::Size(32, 32, 2)); });
  refused("4294967296x4294967296x1", [](Encoding& e) {
    e.encoder->dispatchThreadgroups(kOne, MTL::Size(NS::UInteger{1} << 32, NS::UInteger{1} << 32, 1));
  });
  refused("a threadgroup of 8x0x1 threads; no size may be 0.",
          [](Encoding& e) { e.encoder->dispatchThreads(kOne, MTL::Size(8, 0, 1)); });
  refused("kernel 'append': a threadgroup of 2x1x1 threads; at most 1 in all are possible.", [](Encoding& e) {
    e.encoder->setComputePipelineState(e.bench.pipeline("append"));
    e.encoder->dispatchThreads(kOne, MTL::Size(2, 1, 1));
  });
}

TEST_CASE(a_pipeline_may_demand_a_threadgroup_size) {
  const auto with = [](Encoding& e, const std::function<void(MTL::ComputePipelineDescriptor*)>& set) {
    const auto function = NS::TransferPtr(e.bench.library->newFunction(MTLSTR("add")));
    const auto descriptor = NS::TransferPtr(MTL::ComputePipelineDescriptor::alloc()->init());
    descriptor->setComputeFunction(function.get());
    set(descriptor.get());
    NS::Error* error = nullptr;
    const auto pipeline = NS::TransferPtr(
        e.bench.device->newComputePipelineState(descriptor.get(), MTL::PipelineOptionNone, nullptr, &error));
    e.encoder->setComputePipelineState(pipeline.get());
    e.encoder->dispatchThreads(MTL::Size(16, 1, 1), MTL::Size(16, 1, 1));
  };
  refused("a threadgroup of 16x1x1 threads; the pipeline was made for multiples of 32", [&](Encoding& e) {
    with(e, [](auto* descriptor) { descriptor->setThreadGroupSizeIsMultipleOfThreadExecutionWidth(true); });
  });
  refused("the pipeline was made for 8x2x1 (requiredThreadsPerThreadgroup)", [&](Encoding& e) {
    with(e, [](auto* descriptor) { descriptor->setRequiredThreadsPerThreadgroup(MTL::Size(8, 2, 1)); });
  });
}

TEST_CASE(a_grid_is_not_empty) {
  refused("dispatchThreads: kernel 'add': a grid of 0x1x1; sizes from 1 to 2^32 - 1 are possible.",
          [](Encoding& e) { e.encoder->dispatchThreads(MTL::Size(0, 1, 1), kOne); });
  refused("dispatchThreadgroups: kernel 'add': a grid of 1x1x0;",
          [](Encoding& e) { e.encoder->dispatchThreadgroups(MTL::Size(1, 1, 0), kOne); });
  refused("a grid of 4294967296x1x1; sizes from 1 to 2^32 - 1",
          [](Encoding& e) { e.encoder->dispatchThreads(MTL::Size(NS::UInteger{1} << 32, 1, 1), kOne); });
  refused("the grid's place is 120 + 12 bytes; the buffer has 128",
          [](Encoding& e) { e.encoder->dispatchThreadgroups(e.out, 120, kOne); });
  refused("offset is 2; it must be a multiple of 4",
          [](Encoding& e) { e.encoder->dispatchThreadgroups(e.out, 2, kOne); });
}

TEST_CASE(a_dispatch_needs_a_pipeline) {
  refused("dispatchThreads: no pipeline is set", [](Encoding& e) {
    e.encoder->endEncoding();
    MTL::ComputeCommandEncoder* const next = e.buffer->computeCommandEncoder();
    next->dispatchThreads(kOne, kOne);
    next->endEncoding();
  });
  refused("setComputePipelineState: the pipeline is null",
          [](Encoding& e) { e.encoder->setComputePipelineState(nullptr); });
}

TEST_CASE(barriers_and_uses_have_arguments) {
  constexpr auto kConcurrent = MTL::DispatchTypeConcurrent;
  refused(
      "memoryBarrier: scope is 4",
      [](Encoding& e) { e.encoder->memoryBarrier(MTL::BarrierScopeRenderTargets); }, kConcurrent);
  refused(
      "memoryBarrier: there are no resources", [](Encoding& e) { e.encoder->memoryBarrier(nullptr, 0); },
      kConcurrent);
  refused("useResource: the resource is null",
          [](Encoding& e) { e.encoder->useResource(nullptr, MTL::ResourceUsageRead); });
  refused("useResource: usage is 0", [](Encoding& e) { e.encoder->useResource(e.out, 0); });
  refused("useHeap: the heap is null", [](Encoding& e) { e.encoder->useHeap(nullptr); });
  refused("popDebugGroup: no group is open", [](Encoding& e) { e.encoder->popDebugGroup(); });
}

TEST_CASE(a_fence_is_waited_for_before_it_is_updated) {
  refused("waitForFence: the encoder itself has updated the fence", [](Encoding& e) {
    const auto fence = NS::TransferPtr(e.bench.device->newFence());
    e.encoder->waitForFence(fence.get());
    e.encoder->updateFence(fence.get());
    e.encoder->waitForFence(fence.get());
  });
  refused("updateFence: the fence is null", [](Encoding& e) { e.encoder->updateFence(nullptr); });
}

TEST_CASE(blits_stay_inside_their_buffers) {
  const auto blit = [](const std::string& part,
                       const std::function<void(MTL::BlitCommandEncoder*, MTL::Buffer*)>& use) {
    Encoding encoding;
    encoding.encoder->endEncoding();
    MTL::BlitCommandEncoder* const encoder = encoding.buffer->blitCommandEncoder();
    use(encoder, encoding.out);
    encoder->endEncoding();
    encoding.ends_with(part);
  };
  blit("copyFromBuffer: the source is 100 + 29 bytes; the buffer has 128",
       [](auto* encoder, auto* buffer) { encoder->copyFromBuffer(buffer, 100, buffer, 0, 29); });
  blit("copyFromBuffer: the destination is 128 + 1 bytes",
       [](auto* encoder, auto* buffer) { encoder->copyFromBuffer(buffer, 0, buffer, 128, 1); });
  blit("source and destination overlap",
       [](auto* encoder, auto* buffer) { encoder->copyFromBuffer(buffer, 0, buffer, 8, 16); });
  blit("copyFromBuffer: size is 0",
       [](auto* encoder, auto* buffer) { encoder->copyFromBuffer(buffer, 0, buffer, 8, 0); });
  blit("fillBuffer: the range is 120 + 9 bytes",
       [](auto* encoder, auto* buffer) { encoder->fillBuffer(buffer, NS::Range(120, 9), 1); });
  blit("synchronizeResource: storage of buffer",
       [](auto* encoder, auto* buffer) { encoder->synchronizeResource(buffer); });
}
