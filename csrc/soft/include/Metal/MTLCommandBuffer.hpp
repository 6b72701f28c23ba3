// Metal/MTLCommandBuffer.hpp - work for a queue: encoders in order, and what became of them.
#pragma once

#include <cstdint>
#include <functional>

#include "../Foundation/Foundation.hpp"
#include "MTLDefines.hpp"

namespace MTL {

class BlitCommandEncoder;
class BlitPassDescriptor;
class CommandBuffer;
class CommandQueue;
class ComputeCommandEncoder;
class ComputePassDescriptor;
class Device;
class Event;
class ResidencySet;

_MTL_ENUM(NS::UInteger, CommandBufferStatus){
    CommandBufferStatusNotEnqueued = 0, CommandBufferStatusEnqueued = 1,  CommandBufferStatusCommitted = 2,
    CommandBufferStatusScheduled = 3,   CommandBufferStatusCompleted = 4, CommandBufferStatusError = 5,
};

_MTL_ENUM(NS::UInteger, CommandBufferError){
    CommandBufferErrorNone = 0,
    CommandBufferErrorInternal = 1,
    CommandBufferErrorTimeout = 2,
    CommandBufferErrorPageFault = 3,
    CommandBufferErrorBlacklisted = 4,
    CommandBufferErrorAccessRevoked = 4,
    CommandBufferErrorNotPermitted = 7,
    CommandBufferErrorOutOfMemory = 8,
    CommandBufferErrorInvalidResource = 9,
    CommandBufferErrorMemoryless = 10,
    CommandBufferErrorDeviceRemoved = 11,
    CommandBufferErrorStackOverflow = 12,
};

_MTL_ENUM(NS::Integer, CommandEncoderErrorState){
    CommandEncoderErrorStateUnknown = 0,  CommandEncoderErrorStateCompleted = 1,
    CommandEncoderErrorStateAffected = 2, CommandEncoderErrorStatePending = 3,
    CommandEncoderErrorStateFaulted = 4,
};

_MTL_ENUM(NS::UInteger, DispatchType){
    DispatchTypeSerial = 0,
    DispatchTypeConcurrent = 1,
};

_MTL_OPTIONS(NS::UInteger, CommandBufferErrorOption){
    CommandBufferErrorOptionNone = 0,
    CommandBufferErrorOptionEncoderExecutionStatus = 1,
};

using HandlerFunction = std::function<void(CommandBuffer*)>;

class CommandBufferDescriptor : public NS::Copying<CommandBufferDescriptor> {
 public:
  static CommandBufferDescriptor* alloc();
  CommandBufferDescriptor* init();
  CommandBufferErrorOption errorOptions() const;
  bool retainedReferences() const;
  void setErrorOptions(MTL::CommandBufferErrorOption errorOptions);
  void setRetainedReferences(bool retainedReferences);

 protected:
  CommandBufferDescriptor() = default;
  CommandBufferDescriptor* clone() const override;

 private:
  CommandBufferErrorOption error_options_ = CommandBufferErrorOptionNone;
  bool retained_references_ = true;
};

/// How far an encoder came; found in the error's userInfo under CommandBufferEncoderInfoErrorKey where the
/// command buffer was made with CommandBufferErrorOptionEncoderExecutionStatus.
class CommandBufferEncoderInfo : public NS::Referencing<CommandBufferEncoderInfo> {
 public:
  NS::Array* debugSignposts() const;
  CommandEncoderErrorState errorState() const;
  NS::String* label() const;

 protected:
  CommandBufferEncoderInfo() = default;
};

class CommandBuffer : public NS::Referencing<CommandBuffer> {
 public:
  /// Host time in seconds, on the clock of CLOCK_MONOTONIC; 0 before.
  CFTimeInterval GPUEndTime() const;
  CFTimeInterval GPUStartTime() const;
  CFTimeInterval kernelEndTime() const;
  CFTimeInterval kernelStartTime() const;

  /// Handlers run on a thread of the queue's, in the order in which command buffers run.
  void addCompletedHandler(const MTL::HandlerFunction& function);
  void addScheduledHandler(const MTL::HandlerFunction& function);

  BlitCommandEncoder* blitCommandEncoder();
  BlitCommandEncoder* blitCommandEncoder(const MTL::BlitPassDescriptor* blitPassDescriptor);
  ComputeCommandEncoder* computeCommandEncoder(const MTL::ComputePassDescriptor* computePassDescriptor);
  ComputeCommandEncoder* computeCommandEncoder();
  ComputeCommandEncoder* computeCommandEncoder(MTL::DispatchType dispatchType);

  void encodeSignalEvent(const MTL::Event* event, std::uint64_t value);
  void encodeWait(const MTL::Event* event, std::uint64_t value);

  /// Takes a place in the queue; commit() does so too.
  void enqueue();
  void commit();
  void waitUntilCompleted();
  void waitUntilScheduled();

  CommandQueue* commandQueue() const;
  Device* device() const;
  NS::Error* error() const;
  CommandBufferErrorOption errorOptions() const;
  NS::String* label() const;
  bool retainedReferences() const;
  void setLabel(const NS::String* label);
  CommandBufferStatus status() const;

  void popDebugGroup();
  void pushDebugGroup(const NS::String* string);

  void useResidencySet(const MTL::ResidencySet* residencySet);
  void useResidencySets(const MTL::ResidencySet* const residencySets[], NS::UInteger count);

 protected:
  CommandBuffer() = default;
};

}  // namespace MTL
