#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/copy.h"
#include "mlx/backend/metal/kernels/arange.h"

#define copy(tname, itype, otype)                                             \
  instantiate_kernel("s_copy" tname, copy_s, itype, otype, 1)                 \
  instantiate_kernel("v_copy" tname, copy_v, itype, otype, 1)                 \
  instantiate_kernel("s2_copy" tname, copy_s2, itype, otype)                  \
  instantiate_kernel("v2_copy" tname, copy_v2, itype, otype)                  \
  instantiate_kernel("g1_copy" tname, copy_g_nd1, itype, otype, int)          \
  instantiate_kernel("g2_copy" tname, copy_g_nd2, itype, otype, int)          \
  instantiate_kernel("g3_copy" tname, copy_g_nd3, itype, otype, int)          \
  instantiate_kernel("gn2_copy" tname, copy_g, itype, otype, 2, int)
copy("float32float32", float, float) copy("float32bfloat16", float, bfloat16_t) copy("bfloat16float16", bfloat16_t, half)
copy("float16bfloat16", half, bfloat16_t) copy("bool_complex64", bool, complex64_t)
copy("complex64float32", complex64_t, float) copy("complex64bool_", complex64_t, bool) copy("int64uint8", int64_t, uint8_t)
copy("bfloat16bool_", bfloat16_t, bool) copy("uint32bfloat16", uint32_t, bfloat16_t)

#define copy_same(tname, type)                                                                  \
  instantiate_kernel("gg1_copy" tname, copy_gg_nd1, type, type, int)                            \
  instantiate_kernel("gg2large_copy" tname, copy_gg_nd2, type, type)                            \
  instantiate_kernel("gg3_copy" tname, copy_gg_nd3, type, type, int)                            \
  instantiate_kernel("ggn2_copy" tname, copy_gg, type, type, 2, int)                            \
  instantiate_kernel("gg1_dynamic_copy" tname, copy_gg_dynamic_nd1, type, type, int)            \
  instantiate_kernel("gg2_dynamic_copy" tname, copy_gg_dynamic_nd2, type, type, int)            \
  instantiate_kernel("gg3_dynamic_copy" tname, copy_gg_dynamic_nd3, type, type, int)            \
  instantiate_kernel("ggn2_dynamic_copy" tname, copy_gg_dynamic, type, type, 2, int)
copy_same("float32float32", float) copy_same("complex64complex64", complex64_t) copy_same("bool_bool_", bool)

#define range(tname, type) instantiate_kernel("arange" tname, arange, type)
range("float32", float) range("float16", half) range("bfloat16", bfloat16_t) range("uint8", uint8_t) range("int64", int64_t)
