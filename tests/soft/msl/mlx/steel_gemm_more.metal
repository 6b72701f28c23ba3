#include <metal_stdlib>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/steel/gemm/gemm.h"
#include "mlx/backend/metal/kernels/steel/gemm/kernels/steel_gemm_masked.h"
#include "mlx/backend/metal/kernels/steel/gemm/kernels/steel_gemm_splitk.h"

instantiate_kernel("steel_gemm_splitk_nn_float16_float32_bm16_bn16_bk16_wm2_wn2_MN_taligned_K_naligned", gemm_splitk, half, float, 16, 16, 16, 2, 2, false, false, true, false)
instantiate_kernel("steel_gemm_splitk_tt_float32_float32_bm32_bn32_bk16_wm2_wn2_MN_naligned_K_taligned", gemm_splitk, float, float, 32, 32, 16, 2, 2, true, true, false, true)
instantiate_kernel("steel_gemm_splitk_accum_bfloat16_float32", gemm_splitk_accum, float, bfloat16_t)
instantiate_kernel("steel_gemm_splitk_accum_bfloat16_float32_axbpy", gemm_splitk_accum_axpby, float, bfloat16_t)
instantiate_kernel("steel_gemm_block_outmask_bool__opmask_bool__nn_float16_float16_bm32_bn32_bk16_wm2_wn2_MN_taligned_K_taligned", block_masked_gemm, half, bool, bool, 32, 32, 16, 2, 2, false, false, true, true)
instantiate_kernel("steel_gemm_block_outmask_nomask_opmask_float32_nt_float32_float32_bm64_bn64_bk16_wm2_wn2_MN_naligned_K_naligned", block_masked_gemm, float, nomask_t, float, 64, 64, 16, 2, 2, false, true, false, false)
