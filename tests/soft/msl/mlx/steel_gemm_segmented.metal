#include <metal_stdlib>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/steel/gemm/gemm.h"
#include "mlx/backend/metal/kernels/steel/gemm/kernels/steel_gemm_segmented.h"

instantiate_kernel("steel_segmented_mm_nn_float16_float16_bm64_bn64_bk16_wm2_wn2", segmented_mm, half, 64, 64, 16, 2, 2, false, false, float)
instantiate_kernel("steel_segmented_mm_tt_float32_float32_bm64_bn64_bk16_wm2_wn2", segmented_mm, float, 64, 64, 16, 2, 2, true, true, float)
