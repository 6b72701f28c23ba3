#include <metal_stdlib>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/steel/gemm/mma.h"
#include "mlx/backend/metal/kernels/steel/conv/conv.h"
#include "mlx/backend/metal/kernels/steel/conv/params.h"
#include "mlx/backend/metal/kernels/steel/utils.h"
#include "mlx/backend/metal/kernels/steel/conv/kernels/steel_conv_general.h"

using namespace metal;
using namespace mlx::steel;

instantiate_kernel("implicit_gemm_conv_2d_general_float32_bm32_bn8_bk16_wm4_wn1", implicit_gemm_conv_2d_general, float, 32, 8, 16, 4, 1)
instantiate_kernel("implicit_gemm_conv_2d_general_bfloat16_bm64_bn64_bk16_wm2_wn2", implicit_gemm_conv_2d_general, bfloat16_t, 64, 64, 16, 2, 2)
