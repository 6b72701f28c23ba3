// Foundation/NSTypes.hpp - integers and times of the API.
#pragma once

#include <cstdint>

#include "NSDefines.hpp"

/// Seconds. CoreFoundation has it; command buffers return it.
using CFTimeInterval = double;

namespace NS {

using TimeInterval = double;
using Integer = std::intptr_t;
using UInteger = std::uintptr_t;

inline constexpr Integer IntegerMax = INTPTR_MAX;
inline constexpr Integer IntegerMin = INTPTR_MIN;
inline constexpr UInteger UIntegerMax = UINTPTR_MAX;

}  // namespace NS
