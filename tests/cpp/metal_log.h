// tests/cpp/metal_log.h: kernels that append numbers to a log, from which a test reads what ran and in which
// order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "metal_support.h"

namespace metal_test {

/// Elements of a log.
inline constexpr std::size_t kLog = 256;

/// Appends `number` to the log.
inline void append(MTL::ComputeCommandEncoder* encoder, MTL::ComputePipelineState* pipeline, MTL::Buffer* log,
                   std::uint32_t number) {
  encoder->setComputePipelineState(pipeline);
  encoder->setBuffer(log, 0, 0);
  encoder->setBytes(&number, sizeof(number), 1);
  encoder->dispatchThreads(MTL::Size(1, 1, 1), MTL::Size(1, 1, 1));
}

/// A command buffer that appends.
inline MTL::CommandBuffer* appending(Bench& bench, MTL::Buffer* log, std::uint32_t number) {
  MTL::CommandBuffer* const buffer = bench.queue->commandBuffer();
  MTL::ComputeCommandEncoder* const encoder = buffer->computeCommandEncoder();
  append(encoder, bench.pipeline("append"), log, number);
  encoder->endEncoding();
  return buffer;
}

inline std::vector<std::uint32_t> logged(MTL::Buffer* log) {
  auto all = values<std::uint32_t>(log);
  const std::size_t count = all[0];
  return {all.begin() + 1, all.begin() + 1 + static_cast<std::ptrdiff_t>(count)};
}

inline std::vector<std::uint32_t> counted(std::uint32_t count) {
  std::vector<std::uint32_t> result;
  for (std::uint32_t i = 0; i < count; ++i) result.push_back(i);
  return result;
}

}  // namespace metal_test
