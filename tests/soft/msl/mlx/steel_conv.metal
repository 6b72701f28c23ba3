#include <metal_stdlib>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/steel/gemm/mma.h"
#include "mlx/backend/metal/kernels/steel/conv/conv.h"
#include "mlx/backend/metal/kernels/steel/conv/params.h"
#include "mlx/backend/metal/kernels/steel/utils.h"
#include "mlx/backend/metal/kernels/steel/conv/kernels/steel_conv.h"
#include "mlx/backend/metal/kernels/steel/conv/kernels/steel_conv_3d.h"

using namespace metal;
using namespace mlx::steel;

#define conv(tname, type)                                                                                            \
  instantiate_kernel("implicit_gemm_conv_2d_" tname "_bm32_bn8_bk16_wm4_wn1_channel_l_filter_s", implicit_gemm_conv_2d, type, 32, 8, 16, 4, 1, 0, true) \
  instantiate_kernel("implicit_gemm_conv_2d_" tname "_bm32_bn8_bk16_wm4_wn1_channel_l_filter_l", implicit_gemm_conv_2d, type, 32, 8, 16, 4, 1, 0, false) \
  instantiate_kernel("implicit_gemm_conv_2d_" tname "_bm32_bn8_bk16_wm4_wn1_channel_1_filter_l", implicit_gemm_conv_2d, type, 32, 8, 16, 4, 1, 1, false) \
  instantiate_kernel("implicit_gemm_conv_3d_" tname "_bm32_bn8_bk16_wm4_wn1_filter_s", implicit_gemm_conv_3d, type, 32, 8, 16, 4, 1, true) \
  instantiate_kernel("implicit_gemm_conv_3d_" tname "_bm32_bn8_bk16_wm4_wn1_filter_l", implicit_gemm_conv_3d, type, 32, 8, 16, 4, 1, false)
conv("float32", float) conv("float16", half) conv("bfloat16", bfloat16_t)
