// Metal/MTLBlitPass.hpp - how a blit encoder is to work.
#pragma once

#include "../Foundation/Foundation.hpp"
#include "MTLDefines.hpp"

namespace MTL {

class BlitPassDescriptor : public NS::Copying<BlitPassDescriptor> {
 public:
  static BlitPassDescriptor* alloc();
  static BlitPassDescriptor* blitPassDescriptor();
  BlitPassDescriptor* init();

 protected:
  BlitPassDescriptor() = default;
  BlitPassDescriptor* clone() const override;
};

}  // namespace MTL
