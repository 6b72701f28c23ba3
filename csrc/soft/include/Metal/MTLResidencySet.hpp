// Metal/MTLResidencySet.hpp - what should stay in device memory. All memory always does here; the set keeps
// its books, and keeps its allocations alive.
#pragma once

#include <cstdint>

#include "../Foundation/Foundation.hpp"
#include "MTLDefines.hpp"

namespace MTL {

class Allocation;
class Device;

class ResidencySetDescriptor : public NS::Copying<ResidencySetDescriptor> {
 public:
  static ResidencySetDescriptor* alloc();
  ResidencySetDescriptor* init();
  NS::UInteger initialCapacity() const;
  NS::String* label() const;
  void setInitialCapacity(NS::UInteger initialCapacity);
  void setLabel(const NS::String* label);

 protected:
  ResidencySetDescriptor() = default;
  ResidencySetDescriptor* clone() const override;

 private:
  NS::UInteger initial_capacity_ = 0;
  NS::SharedPtr<NS::String> label_;
};

/// Additions and removals are visible at once and take effect with commit().
class ResidencySet : public NS::Referencing<ResidencySet> {
 public:
  void addAllocation(const MTL::Allocation* allocation);
  void addAllocations(const MTL::Allocation* const allocations[], NS::UInteger count);
  NS::Array* allAllocations() const;
  /// Bytes of the allocations as of the last commit().
  std::uint64_t allocatedSize() const;
  NS::UInteger allocationCount() const;
  void commit();
  bool containsAllocation(const MTL::Allocation* anAllocation);
  Device* device() const;
  void endResidency();
  NS::String* label() const;
  void removeAllAllocations();
  void removeAllocation(const MTL::Allocation* allocation);
  void removeAllocations(const MTL::Allocation* const allocations[], NS::UInteger count);
  void requestResidency();

 protected:
  ResidencySet() = default;
};

}  // namespace MTL
