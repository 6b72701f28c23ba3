// Metal/MTLHeap.hpp - one allocation that many buffers share.
#pragma once

#include "../Foundation/Foundation.hpp"
#include "MTLAllocation.hpp"
#include "MTLDefines.hpp"
#include "MTLResource.hpp"

namespace MTL {

class Buffer;
class Device;

_MTL_ENUM(NS::Integer, HeapType){
    HeapTypeAutomatic = 0,
    HeapTypePlacement = 1,
    HeapTypeSparse = 2,  // not implemented
};

class HeapDescriptor : public NS::Copying<HeapDescriptor> {
 public:
  static HeapDescriptor* alloc();
  HeapDescriptor* init();

  CPUCacheMode cpuCacheMode() const;
  HazardTrackingMode hazardTrackingMode() const;
  ResourceOptions resourceOptions() const;
  NS::UInteger size() const;
  StorageMode storageMode() const;
  HeapType type() const;

  void setCpuCacheMode(MTL::CPUCacheMode cpuCacheMode);
  void setHazardTrackingMode(MTL::HazardTrackingMode hazardTrackingMode);
  void setResourceOptions(MTL::ResourceOptions resourceOptions);
  void setSize(NS::UInteger size);
  void setStorageMode(MTL::StorageMode storageMode);
  void setType(MTL::HeapType type);

 protected:
  HeapDescriptor() = default;
  HeapDescriptor* clone() const override;

 private:
  CPUCacheMode cpu_cache_mode_ = CPUCacheModeDefaultCache;
  HazardTrackingMode hazard_tracking_mode_ = HazardTrackingModeDefault;
  NS::UInteger size_ = 0;
  StorageMode storage_mode_ = StorageModePrivate;
  HeapType type_ = HeapTypeAutomatic;
};

class Heap : public NS::Referencing<Heap, Allocation> {
 public:
  CPUCacheMode cpuCacheMode() const;
  NS::UInteger currentAllocatedSize() const;
  Device* device() const;
  HazardTrackingMode hazardTrackingMode() const;
  NS::String* label() const;
  NS::UInteger maxAvailableSize(NS::UInteger alignment);
  /// Of an automatic heap. Null where there is no room.
  Buffer* newBuffer(NS::UInteger length, MTL::ResourceOptions options);
  /// Of a placement heap.
  Buffer* newBuffer(NS::UInteger length, MTL::ResourceOptions options, NS::UInteger offset);
  ResourceOptions resourceOptions() const;
  void setLabel(const NS::String* label);
  PurgeableState setPurgeableState(MTL::PurgeableState state);
  NS::UInteger size() const;
  StorageMode storageMode() const;
  HeapType type() const;
  NS::UInteger usedSize() const;

 protected:
  Heap() = default;
};

}  // namespace MTL
