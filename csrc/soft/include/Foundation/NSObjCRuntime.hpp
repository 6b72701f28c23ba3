// Foundation/NSObjCRuntime.hpp - results of comparisons and searches.
#pragma once

#include "NSDefines.hpp"
#include "NSTypes.hpp"

namespace NS {

_NS_ENUM(Integer, ComparisonResult){
    OrderedAscending = -1L,
    OrderedSame,
    OrderedDescending,
};

inline constexpr Integer NotFound = IntegerMax;

}  // namespace NS
