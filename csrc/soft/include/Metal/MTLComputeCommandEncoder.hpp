// Metal/MTLComputeCommandEncoder.hpp - records dispatches of kernels.
#pragma once

#include <cstdint>

#include "../Foundation/Foundation.hpp"
#include "MTLCommandBuffer.hpp"
#include "MTLCommandEncoder.hpp"
#include "MTLDefines.hpp"
#include "MTLTypes.hpp"

namespace MTL {

class Buffer;
class ComputePipelineState;
class Fence;
class Heap;
class Resource;

struct DispatchThreadgroupsIndirectArguments {
  std::uint32_t threadgroupsPerGrid[3];
};

struct DispatchThreadsIndirectArguments {
  std::uint32_t threadsPerGrid[3];
  std::uint32_t threadsPerThreadgroup[3];
};

/// Every call is checked as Metal's API validation does. A call that fails is recorded: the command buffer
/// then executes nothing and ends with status Error and the text of the failures.
class ComputeCommandEncoder : public NS::Referencing<ComputeCommandEncoder, CommandEncoder> {
 public:
  void dispatchThreadgroups(MTL::Size threadgroupsPerGrid, MTL::Size threadsPerThreadgroup);
  void dispatchThreadgroups(const MTL::Buffer* indirectBuffer, NS::UInteger indirectBufferOffset,
                            MTL::Size threadsPerThreadgroup);
  void dispatchThreads(MTL::Size threadsPerGrid, MTL::Size threadsPerThreadgroup);
  DispatchType dispatchType() const;

  void memoryBarrier(MTL::BarrierScope scope);
  void memoryBarrier(const MTL::Resource* const resources[], NS::UInteger count);

  void setBuffer(const MTL::Buffer* buffer, NS::UInteger offset, NS::UInteger index);
  void setBufferOffset(NS::UInteger offset, NS::UInteger index);
  void setBuffers(const MTL::Buffer* const buffers[], const NS::UInteger offsets[], NS::Range range);
  void setBytes(const void* bytes, NS::UInteger length, NS::UInteger index);
  void setComputePipelineState(const MTL::ComputePipelineState* state);
  void setThreadgroupMemoryLength(NS::UInteger length, NS::UInteger index);

  void updateFence(const MTL::Fence* fence);
  void waitForFence(const MTL::Fence* fence);

  void useHeap(const MTL::Heap* heap);
  void useHeaps(const MTL::Heap* const heaps[], NS::UInteger count);
  void useResource(const MTL::Resource* resource, MTL::ResourceUsage usage);
  void useResources(const MTL::Resource* const resources[], NS::UInteger count, MTL::ResourceUsage usage);

 protected:
  ComputeCommandEncoder() = default;
};

}  // namespace MTL
