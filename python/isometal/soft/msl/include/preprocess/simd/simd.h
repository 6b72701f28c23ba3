// isometal: <simd/simd.h>
// No macros; the types that host and shader share, simd_float4 and so on, are in msl/simd_types.h.
#pragma once

#include <metal_config>
