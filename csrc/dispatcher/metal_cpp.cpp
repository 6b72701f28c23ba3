// csrc/dispatcher/metal_cpp.cpp: the one place where Apple's metal-cpp defines its selectors and constants.
#define NS_PRIVATE_IMPLEMENTATION
#define MTL_PRIVATE_IMPLEMENTATION
#include <Foundation/Foundation.hpp>
#include <Metal/Metal.hpp>
