// metal/params/types.h: the integer types of parameter structs, for host and shader alike.
#pragma once

#ifdef __METAL_VERSION__
#include <metal_stdlib>
#else
#include <cstdint>
using std::int32_t;
using std::int64_t;
using std::uint32_t;
using std::uint64_t;
#endif

/// Axes that a strided kernel can walk, after those that memory order lets us merge.
#define ISOMETAL_MAX_AXES 32
