// Metal/MTLDevice.hpp - the software Metal device: the factory of everything else.
#pragma once

#include <dispatch/dispatch.h>

#include <cstdint>
#include <functional>

#include "../Foundation/Foundation.hpp"
#include "MTLArgument.hpp"
#include "MTLDataType.hpp"
#include "MTLDefines.hpp"
#include "MTLResource.hpp"
#include "MTLTypes.hpp"

namespace MTL {

class Architecture;
class Buffer;
class CommandQueue;
class CommandQueueDescriptor;
class CompileOptions;
class ComputePipelineDescriptor;
class ComputePipelineReflection;
class ComputePipelineState;
class Device;
class Event;
class Fence;
class Function;
class Heap;
class HeapDescriptor;
class Library;
class ResidencySet;
class ResidencySetDescriptor;
class SharedEvent;
class SharedEventHandle;

_MTL_ENUM(NS::Integer, GPUFamily){
    GPUFamilyApple1 = 1001,       GPUFamilyApple2 = 1002,       GPUFamilyApple3 = 1003,
    GPUFamilyApple4 = 1004,       GPUFamilyApple5 = 1005,       GPUFamilyApple6 = 1006,
    GPUFamilyApple7 = 1007,       GPUFamilyApple8 = 1008,       GPUFamilyApple9 = 1009,
    GPUFamilyApple10 = 1010,      GPUFamilyMac1 = 2001,         GPUFamilyMac2 = 2002,
    GPUFamilyCommon1 = 3001,      GPUFamilyCommon2 = 3002,      GPUFamilyCommon3 = 3003,
    GPUFamilyMacCatalyst1 = 4001, GPUFamilyMacCatalyst2 = 4002, GPUFamilyMetal3 = 5001,
    GPUFamilyMetal4 = 5002,
};

_MTL_ENUM(NS::UInteger, DeviceLocation){
    DeviceLocationBuiltIn = 0,
    DeviceLocationSlot = 1,
    DeviceLocationExternal = 2,
    DeviceLocationUnspecified = NS::UIntegerMax,
};

_MTL_ENUM(NS::UInteger, ReadWriteTextureTier){
    ReadWriteTextureTierNone = 0,
    ReadWriteTextureTier1 = 1,
    ReadWriteTextureTier2 = 2,
};

_MTL_ENUM(NS::UInteger, ArgumentBuffersTier){
    ArgumentBuffersTier1 = 0,
    ArgumentBuffersTier2 = 1,
};

_MTL_OPTIONS(NS::UInteger, PipelineOption){
    PipelineOptionNone = 0,
    PipelineOptionArgumentInfo = 1,
    PipelineOptionBindingInfo = 1,
    PipelineOptionBufferTypeInfo = 1 << 1,
    PipelineOptionFailOnBinaryArchiveMiss = 1 << 2,
};

using AutoreleasedComputePipelineReflection = MTL::ComputePipelineReflection*;
using NewLibraryCompletionHandlerFunction = std::function<void(MTL::Library*, NS::Error*)>;
using NewComputePipelineStateCompletionHandlerFunction =
    std::function<void(MTL::ComputePipelineState*, NS::Error*)>;
using NewComputePipelineStateWithReflectionCompletionHandlerFunction =
    std::function<void(MTL::ComputePipelineState*, MTL::ComputePipelineReflection*, NS::Error*)>;
using Timestamp = std::uint64_t;

inline const NS::ErrorUserInfoKey CommandBufferEncoderInfoErrorKey =
    MTLSTR("MTLCommandBufferEncoderInfoErrorKey");

/// The process's one device, with a reference for the caller.
Device* CreateSystemDefaultDevice();
NS::Array* CopyAllDevices();

struct SizeAndAlign {
  NS::UInteger size;
  NS::UInteger align;
};

class Architecture : public NS::Copying<Architecture> {
 public:
  static Architecture* alloc();
  Architecture* init();
  NS::String* name() const;

 protected:
  Architecture() = default;
};

class Device : public NS::Referencing<Device> {
 public:
  /// Says that this is software and on which CPU; never the name of a GPU.
  NS::String* name() const;
  Architecture* architecture() const;
  std::uint64_t registryID() const;
  DeviceLocation location() const;
  NS::UInteger locationNumber() const;
  bool isHeadless() const;
  bool isLowPower() const;
  bool isRemovable() const;
  bool hasUnifiedMemory() const;

  /// False for all: every family promises textures and rendering, which this device has not. A test can have
  /// families claimed (isometal::soft::DeviceSettings).
  bool supportsFamily(MTL::GPUFamily gpuFamily);
  bool supports32BitFloatFiltering() const;
  bool supportsDynamicLibraries() const;
  bool supportsFunctionPointers() const;
  bool supportsRaytracing() const;
  ArgumentBuffersTier argumentBuffersSupport() const;
  ReadWriteTextureTier readWriteTextureSupport() const;

  NS::UInteger currentAllocatedSize() const;
  NS::UInteger maxBufferLength() const;
  NS::UInteger maxThreadgroupMemoryLength() const;
  Size maxThreadsPerThreadgroup() const;
  std::uint64_t maxTransferRate() const;
  NS::UInteger maximumConcurrentCompilationTaskCount() const;
  std::uint64_t recommendedMaxWorkingSetSize() const;
  void sampleTimestamps(MTL::Timestamp* cpuTimestamp, MTL::Timestamp* gpuTimestamp);

  /// Zeroed.
  Buffer* newBuffer(NS::UInteger length, MTL::ResourceOptions options);
  /// A copy of the bytes.
  Buffer* newBuffer(const void* pointer, NS::UInteger length, MTL::ResourceOptions options);
  /// The bytes themselves: pointer and length are multiples of the page size. The deallocator is called when
  /// the buffer goes. (A block in Apple's header, so portable code passes nullptr.)
  Buffer* newBuffer(const void* pointer, NS::UInteger length, MTL::ResourceOptions options,
                    const std::function<void(void*, NS::UInteger)>& deallocator);

  CommandQueue* newCommandQueue();
  CommandQueue* newCommandQueue(NS::UInteger maxCommandBufferCount);
  CommandQueue* newCommandQueue(const MTL::CommandQueueDescriptor* descriptor);

  ComputePipelineState* newComputePipelineState(const MTL::Function* computeFunction, NS::Error** error);
  ComputePipelineState* newComputePipelineState(const MTL::Function* computeFunction,
                                                MTL::PipelineOption options,
                                                const MTL::AutoreleasedComputePipelineReflection* reflection,
                                                NS::Error** error);
  ComputePipelineState* newComputePipelineState(const MTL::ComputePipelineDescriptor* descriptor,
                                                MTL::PipelineOption options,
                                                const MTL::AutoreleasedComputePipelineReflection* reflection,
                                                NS::Error** error);
  void newComputePipelineState(
      const MTL::Function* pFunction,
      const MTL::NewComputePipelineStateCompletionHandlerFunction& completionHandler);
  void newComputePipelineState(
      const MTL::Function* pFunction, MTL::PipelineOption options,
      const MTL::NewComputePipelineStateWithReflectionCompletionHandlerFunction& completionHandler);
  void newComputePipelineState(
      const MTL::ComputePipelineDescriptor* pDescriptor, MTL::PipelineOption options,
      const MTL::NewComputePipelineStateWithReflectionCompletionHandlerFunction& completionHandler);

  Event* newEvent();
  Fence* newFence();
  SharedEvent* newSharedEvent();
  SharedEvent* newSharedEvent(const MTL::SharedEventHandle* sharedEventHandle);

  SizeAndAlign heapBufferSizeAndAlign(NS::UInteger length, MTL::ResourceOptions options);
  Heap* newHeap(const MTL::HeapDescriptor* descriptor);
  ResidencySet* newResidencySet(const MTL::ResidencySetDescriptor* desc, NS::Error** error);

  /// The kernels that isometal ships.
  Library* newDefaultLibrary();
  Library* newLibrary(const NS::String* filepath, NS::Error** error);
  Library* newLibrary(const NS::URL* url, NS::Error** error);
  Library* newLibrary(const dispatch_data_t data, NS::Error** error);
  /// As Apple's: with warnings, both a library and an error of code LibraryErrorCompileWarning.
  Library* newLibrary(const NS::String* source, const MTL::CompileOptions* options, NS::Error** error);
  void newLibrary(const NS::String* pSource, const MTL::CompileOptions* pOptions,
                  const MTL::NewLibraryCompletionHandlerFunction& completionHandler);

  void setShouldMaximizeConcurrentCompilation(bool shouldMaximizeConcurrentCompilation);
  bool shouldMaximizeConcurrentCompilation() const;

 protected:
  Device() = default;
};

}  // namespace MTL
