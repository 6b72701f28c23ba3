// isometal: msl/pack.h
// <metal_pack>: vectors of 0..1 or -1..1 as the bits of an integer, and back. The sRGB and 565 formats are
// not declared.
#pragma once

// name: Metal's, air: AIR's format, N: the number of elements.
#define MSL_PACK(name, air, N)                                                               \
  uint pack_float_to_##name(float##N x) __asm("air.pack." air ".v" #N "f32") MSL_PURE;       \
  uint pack_half_to_##name(half##N x) __asm("air.pack." air ".v" #N "f16") MSL_PURE;         \
  float##N unpack_##name##_to_float(uint x) __asm("air.unpack." air ".v" #N "f32") MSL_PURE; \
  half##N unpack_##name##_to_half(uint x) __asm("air.unpack." air ".v" #N "f16") MSL_PURE;

namespace metal {
MSL_PACK(unorm4x8, "unorm4x8", 4)
MSL_PACK(snorm4x8, "snorm4x8", 4)
MSL_PACK(unorm2x16, "unorm2x16", 2)
MSL_PACK(snorm2x16, "snorm2x16", 2)
MSL_PACK(unorm10a2, "unorm.rgb10a2", 4)
}  // namespace metal

#undef MSL_PACK
