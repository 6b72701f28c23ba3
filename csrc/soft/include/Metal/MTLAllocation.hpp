// Metal/MTLAllocation.hpp - whatever takes device memory and can be in a residency set.
#pragma once

#include "../Foundation/Foundation.hpp"
#include "MTLDefines.hpp"

namespace MTL {

class Allocation : public NS::Referencing<Allocation> {
 public:
  NS::UInteger allocatedSize() const { return allocated_bytes(); }

 protected:
  Allocation() = default;
  virtual NS::UInteger allocated_bytes() const = 0;
};

}  // namespace MTL
