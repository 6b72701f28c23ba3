// Metal/MTLBlitCommandEncoder.hpp - records copies and fills of buffers.
#pragma once

#include <cstdint>

#include "../Foundation/Foundation.hpp"
#include "MTLCommandEncoder.hpp"
#include "MTLDefines.hpp"
#include "MTLTypes.hpp"

namespace MTL {

class Buffer;
class Fence;
class Resource;

class BlitCommandEncoder : public NS::Referencing<BlitCommandEncoder, CommandEncoder> {
 public:
  void copyFromBuffer(const MTL::Buffer* sourceBuffer, NS::UInteger sourceOffset,
                      const MTL::Buffer* destinationBuffer, NS::UInteger destinationOffset,
                      NS::UInteger size);
  void fillBuffer(const MTL::Buffer* buffer, NS::Range range, std::uint8_t value);
  /// Nothing to do here: CPU and kernels share the memory.
  void synchronizeResource(const MTL::Resource* resource);
  void updateFence(const MTL::Fence* fence);
  void waitForFence(const MTL::Fence* fence);

 protected:
  BlitCommandEncoder() = default;
};

}  // namespace MTL
