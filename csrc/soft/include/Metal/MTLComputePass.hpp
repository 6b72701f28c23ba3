// Metal/MTLComputePass.hpp - how a compute encoder is to work.
#pragma once

#include "../Foundation/Foundation.hpp"
#include "MTLCommandBuffer.hpp"
#include "MTLDefines.hpp"

namespace MTL {

class ComputePassDescriptor : public NS::Copying<ComputePassDescriptor> {
 public:
  static ComputePassDescriptor* alloc();
  static ComputePassDescriptor* computePassDescriptor();
  ComputePassDescriptor* init();
  DispatchType dispatchType() const;
  void setDispatchType(MTL::DispatchType dispatchType);

 protected:
  ComputePassDescriptor() = default;
  ComputePassDescriptor* clone() const override;

 private:
  DispatchType dispatch_type_ = DispatchTypeSerial;
};

}  // namespace MTL
