// Metal/MTLGPUAddress.hpp - an address as kernels see it; on the software device, the CPU's address.
#pragma once

#include <cstdint>

namespace MTL {

using GPUAddress = std::uint64_t;

}  // namespace MTL
