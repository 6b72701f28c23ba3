// Metal/MTLResource.hpp - memory that kernels use; here, buffers only.
#pragma once

#include "../Foundation/Foundation.hpp"
#include "MTLAllocation.hpp"
#include "MTLDefines.hpp"

namespace isometal::soft {
class BufferImpl;
}

namespace MTL {

class Device;
class Heap;

_MTL_ENUM(NS::UInteger, PurgeableState){
    PurgeableStateKeepCurrent = 1,
    PurgeableStateNonVolatile = 2,
    PurgeableStateVolatile = 3,
    PurgeableStateEmpty = 4,
};

_MTL_ENUM(NS::UInteger, CPUCacheMode){
    CPUCacheModeDefaultCache = 0,
    CPUCacheModeWriteCombined = 1,
};

_MTL_ENUM(NS::UInteger, StorageMode){
    StorageModeShared = 0,
    StorageModeManaged = 1,
    StorageModePrivate = 2,
    StorageModeMemoryless = 3,
};

_MTL_ENUM(NS::UInteger, HazardTrackingMode){
    HazardTrackingModeDefault = 0,
    HazardTrackingModeUntracked = 1,
    HazardTrackingModeTracked = 2,
};

_MTL_OPTIONS(NS::UInteger, ResourceOptions){
    ResourceCPUCacheModeDefaultCache = 0,
    ResourceCPUCacheModeWriteCombined = 1,
    ResourceStorageModeShared = 0,
    ResourceStorageModeManaged = 1 << 4,
    ResourceStorageModePrivate = 1 << 5,
    ResourceStorageModeMemoryless = 1 << 5,  // Apple's header, too, has the bit of private storage
    ResourceHazardTrackingModeDefault = 0,
    ResourceHazardTrackingModeUntracked = 1 << 8,
    ResourceHazardTrackingModeTracked = 1 << 9,
    ResourceOptionCPUCacheModeDefault = 0,
    ResourceOptionCPUCacheModeWriteCombined = 1,
};

class Resource : public NS::Referencing<Resource, Allocation> {
 public:
  CPUCacheMode cpuCacheMode() const;
  Device* device() const;
  HazardTrackingMode hazardTrackingMode() const;
  /// The heap that the resource was made on, or null.
  Heap* heap() const;
  NS::UInteger heapOffset() const;
  bool isAliasable();
  NS::String* label() const;
  void makeAliasable();
  ResourceOptions resourceOptions() const;
  void setLabel(const NS::String* label);
  /// The software device never discards contents: returns that they are non-volatile.
  PurgeableState setPurgeableState(MTL::PurgeableState state);
  StorageMode storageMode() const;

 protected:
  friend struct isometal::soft::Access;
  Resource() = default;
  virtual isometal::soft::BufferImpl& buffer() const = 0;
};

}  // namespace MTL
