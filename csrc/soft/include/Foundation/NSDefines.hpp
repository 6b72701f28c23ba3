// Foundation/NSDefines.hpp - the macros with which enumerations and options are declared.
// Drop-in subset of metal-cpp for the software Metal device: the same names as Apple's header, our own code.
#pragma once

/// Tells this implementation from Apple's at compile time.
#define ISOMETAL_SOFT_METAL 1

#define _NS_INLINE inline
#define _NS_ENUM(type, name) enum name : type
#define _NS_OPTIONS(type, name) \
  using name = type;            \
  enum : name
