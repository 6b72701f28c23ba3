// tests/cpp/metal_encoding.h: an encoder with right bindings, for tests that then break one rule.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "check.h"
#include "metal_support.h"

namespace metal_test {

inline const MTL::Size kOne(1, 1, 1);

/// A command buffer with one compute encoder whose bindings are right for the kernel `add`.
class Encoding {
 public:
  explicit Encoding(MTL::DispatchType type = MTL::DispatchTypeSerial)
      : out(bench.buffer<float>(32)),
        buffer(bench.queue->commandBuffer()),
        encoder(buffer->computeCommandEncoder(type)) {
    encoder->setLabel(MTLSTR("e"));
    encoder->setComputePipelineState(bench.pipeline("add"));
    encoder->setBuffer(bench.buffer(std::vector<float>(32, 1)), 0, 0);
    encoder->setBuffer(bench.buffer(std::vector<float>(32, 1)), 0, 1);
    encoder->setBuffer(out, 0, 2);
  }

  /// Commits; the error must be that of the failures seen so far and have `part`, and nothing may have run.
  void ends_with(const std::string& part) {
    CHECK(failures.have(part));
    encoder->endEncoding();
    buffer->commit();
    buffer->waitUntilCompleted();
    CHECK(buffer->status() == MTL::CommandBufferStatusError);
    CHECK_EQUAL(text(buffer->error()->domain()), "MTLCommandBufferErrorDomain");
    const std::string all = error_text(buffer);
    if (all.find(part) == std::string::npos) CHECK_EQUAL(all, part);
    CHECK_EQUAL(all.find("[soft] "), 0u);
    CHECK_EQUAL(values<float>(out), std::vector<float>(32));
  }

  void ends_well() {
    encoder->endEncoding();
    buffer->commit();
    buffer->waitUntilCompleted();
    CHECK(buffer->status() == MTL::CommandBufferStatusCompleted && failures.none());
  }

  const Pool pool;
  const Failures failures;
  Bench bench;
  MTL::Buffer* const out;
  MTL::CommandBuffer* const buffer;
  MTL::ComputeCommandEncoder* const encoder;
};

/// `misuse` of an encoder must fail with `part`.
inline void refused(const std::string& part, const std::function<void(Encoding&)>& misuse,
                    MTL::DispatchType type = MTL::DispatchTypeSerial) {
  Encoding encoding(type);
  encoding.encoder->dispatchThreads(MTL::Size(32, 1, 1), MTL::Size(32, 1, 1));  // right, and yet must not run
  misuse(encoding);
  encoding.ends_with(part);
}

}  // namespace metal_test
