// Metal/MTLCommandQueue.hpp - runs command buffers, one after the other.
#pragma once

#include "../Foundation/Foundation.hpp"
#include "MTLDefines.hpp"

namespace MTL {

class CommandBuffer;
class CommandBufferDescriptor;
class Device;
class ResidencySet;

class CommandQueue : public NS::Referencing<CommandQueue> {
 public:
  void addResidencySet(const MTL::ResidencySet* residencySet);
  void addResidencySets(const MTL::ResidencySet* const residencySets[], NS::UInteger count);

  /// Waits while the queue has its maximum of command buffers that are not completed.
  CommandBuffer* commandBuffer();
  CommandBuffer* commandBuffer(const MTL::CommandBufferDescriptor* descriptor);
  /// The caller keeps what it uses alive until the command buffer is completed.
  CommandBuffer* commandBufferWithUnretainedReferences();

  Device* device() const;
  NS::String* label() const;
  void removeResidencySet(const MTL::ResidencySet* residencySet);
  void removeResidencySets(const MTL::ResidencySet* const residencySets[], NS::UInteger count);
  void setLabel(const NS::String* label);

 protected:
  CommandQueue() = default;
};

class CommandQueueDescriptor : public NS::Copying<CommandQueueDescriptor> {
 public:
  static CommandQueueDescriptor* alloc();
  CommandQueueDescriptor* init();
  NS::UInteger maxCommandBufferCount() const;
  void setMaxCommandBufferCount(NS::UInteger maxCommandBufferCount);

 protected:
  CommandQueueDescriptor() = default;
  CommandQueueDescriptor* clone() const override;

 private:
  NS::UInteger max_command_buffer_count_ = 64;
};

}  // namespace MTL
