#include <metal_integer>
#include <metal_math>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/binary_ops.h"
#include "mlx/backend/metal/kernels/binary_two.h"

#define binary(op, tname, itype, otype)                                            \
  instantiate_kernel("ss_" #op #tname, binary_ss, itype, otype, op)                \
  instantiate_kernel("sv_" #op #tname, binary_sv, itype, otype, op, 1)             \
  instantiate_kernel("vs_" #op #tname, binary_vs, itype, otype, op, 1)             \
  instantiate_kernel("vv_" #op #tname, binary_vv, itype, otype, op, 1)             \
  instantiate_kernel("vv2_" #op #tname, binary_vv2, itype, otype, op)              \
  instantiate_kernel("g1_" #op #tname, binary_g_nd1, itype, otype, op, int)        \
  instantiate_kernel("g3_" #op #tname, binary_g_nd3, itype, otype, op, int)        \
  instantiate_kernel("gn4large_" #op #tname, binary_g, itype, otype, op, 4)
binary(DivMod, float32, float, float) binary(DivMod, float16, half, half)
binary(DivMod, bfloat16, bfloat16_t, bfloat16_t) binary(DivMod, int32, int32_t, int32_t)
binary(DivMod, complex64, complex64_t, complex64_t) binary(DivMod, bool_, bool, bool)
