// Metal/MTLBuffer.hpp - linear memory for kernels.
#pragma once

#include "../Foundation/Foundation.hpp"
#include "MTLDefines.hpp"
#include "MTLGPUAddress.hpp"
#include "MTLResource.hpp"

namespace MTL {

class Buffer : public NS::Referencing<Buffer, Resource> {
 public:
  void addDebugMarker(const NS::String* marker, NS::Range range);
  /// Null for private storage.
  void* contents();
  /// Nothing to do here but to check the range: CPU and kernels share the memory.
  void didModifyRange(NS::Range range);
  GPUAddress gpuAddress() const;
  NS::UInteger length() const;
  void removeAllDebugMarkers();

 protected:
  Buffer() = default;
};

}  // namespace MTL
