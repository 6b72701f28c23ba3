// Metal/MTLDefines.hpp - the macros with which enumerations and options are declared.
// Drop-in subset of metal-cpp for the software Metal device: the same names as Apple's header, our own code.
#pragma once

#include "../Foundation/NSDefines.hpp"

#define _MTL_INLINE _NS_INLINE
#define _MTL_ENUM(type, name) _NS_ENUM(type, name)
#define _MTL_OPTIONS(type, name) _NS_OPTIONS(type, name)

namespace isometal::soft {
/// The device's door to what these classes keep to themselves.
struct Access;
}  // namespace isometal::soft
