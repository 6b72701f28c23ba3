#include <metal_simdgroup>
#include <metal_stdlib>

#include "mlx/backend/metal/kernels/defines.h"
#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/gemv_masked.h"

using namespace metal;

#define masked(tname, type)                                                                                              \
  instantiate_kernel("gemv_outmask_bool__opmask_bool__" tname "_bm2_bn1_sm4_sn8_tm1_tn4_nc0", gemv_masked, type, bool, bool, 2, 1, 4, 8, 1, 4, false)  \
  instantiate_kernel("gemv_outmask_nomask_opmask_" tname "_" tname "_bm2_bn1_sm4_sn8_tm1_tn4_nc0", gemv_masked, type, nomask_t, type, 2, 1, 4, 8, 1, 4, false) \
  instantiate_kernel("gemv_t_outmask_bool__opmask_nomask_" tname "_bm1_bn1_sm8_sn4_tm4_tn1_nc0", gemv_t_masked, type, bool, nomask_t, 1, 1, 8, 4, 4, 1, false)
masked("float32", float) masked("bfloat16", bfloat16_t)
