#include <metal_simdgroup>
#include <metal_stdlib>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/gemv.h"

using namespace metal;

#define gemvs(tname, type)                                                                                      \
  instantiate_kernel("gemv_" tname "_bm4_bn1_sm1_sn32_tm4_tn4_nc0_axpby0", gemv, type, 4, 1, 1, 32, 4, 4, false, false)   \
  instantiate_kernel("gemv_" tname "_bm4_bn1_sm1_sn32_tm4_tn4_nc1_axpby1", gemv, type, 4, 1, 1, 32, 4, 4, true, true)     \
  instantiate_kernel("gemv_gather_" tname "_bm4_bn1_sm1_sn32_tm1_tn4", gemv_gather, type, 4, 1, 1, 32, 1, 4)    \
  instantiate_kernel("gemv_t_" tname "_bm1_bn2_sm8_sn4_tm4_tn1_nc0_axpby0", gemv_t, type, 1, 2, 8, 4, 4, 1, false, false) \
  instantiate_kernel("gemv_t_gather_" tname "_bm1_bn2_sm8_sn4_tm4_tn1", gemv_t_gather, type, 1, 2, 8, 4, 4, 1)  \
  instantiate_kernel("gemv_wide_" tname "_nv2_kl16", gemv_wide, type, 2, 16)                                    \
  instantiate_kernel("gemv_wide_gather_" tname "_nv2_kl16", gemv_wide_gather, type, 2, 16)
gemvs("float32", float) gemvs("float16", half) gemvs("bfloat16", bfloat16_t)
