#include <metal_stdlib>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/steel/gemm/gemm.h"
#include "mlx/backend/metal/kernels/steel/gemm/kernels/steel_gemm_gather.h"

instantiate_kernel("steel_gather_mm_rhs_nn_float16_float16_bm16_bn64_bk16_wm1_wn2", gather_mm_rhs, half, 16, 64, 16, 1, 2, false, false, float)
instantiate_kernel("steel_gather_mm_nt_float32_float32_bm64_bn64_bk16_wm2_wn2", gather_mm, float, 64, 64, 16, 2, 2, false, true, float)
instantiate_kernel("steel_gather_mm_tt_bfloat16_bfloat16_bm64_bn64_bk16_wm2_wn2", gather_mm, bfloat16_t, 64, 64, 16, 2, 2, true, true, float)
