// csrc/dispatcher/metal_cpp.cpp: the one place where Apple's metal-cpp defines its selectors and classes.
//
// Its constants, such as error domains and the names of counters, are left out: nothing reads them, and some
// are newer than the oldest macOS that loads this.
#define NS_PRIVATE_IMPLEMENTATION
#define MTL_PRIVATE_IMPLEMENTATION
// Of no use to another library, and MLX, in the same process, may have other ones of the same names.
#define METALCPP_SYMBOL_VISIBILITY_HIDDEN
#include <Foundation/NSPrivate.hpp>
#include <Metal/MTLPrivate.hpp>
#undef _NS_PRIVATE_DEF_CONST
#undef _MTL_PRIVATE_DEF_CONST
#undef _MTL_PRIVATE_DEF_STR
#undef _MTL_PRIVATE_DEF_WEAK_CONST
#define _NS_PRIVATE_DEF_CONST(type, symbol) static_assert(true)
#define _MTL_PRIVATE_DEF_CONST(type, symbol) static_assert(true)
#define _MTL_PRIVATE_DEF_STR(type, symbol) static_assert(true)
#define _MTL_PRIVATE_DEF_WEAK_CONST(type, symbol) static_assert(true)

#include <Foundation/Foundation.hpp>
#include <Metal/Metal.hpp>
