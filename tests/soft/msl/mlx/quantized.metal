#include <metal_simdgroup>
#include <metal_stdlib>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/steel/gemm/gemm.h"
#include "mlx/backend/metal/kernels/quantized_utils.h"
#include "mlx/backend/metal/kernels/quantized.h"

#define q(type, gs, b)                                                                                              \
  instantiate_kernel("affine_qmv_quad_" #type "_gs_" #gs "_b_" #b "_d_128_batch_1", affine_qmv_quad, type, gs, b, 128, true)  \
  instantiate_kernel("affine_qmv_fast_" #type "_gs_" #gs "_b_" #b "_batch_0_pr_1_hgs_0_r_4", affine_qmv_fast, type, gs, b, false, true, false, 4) \
  instantiate_kernel("affine_qmv_" #type "_gs_" #gs "_b_" #b "_batch_1_pr_0_hgs_0_r_4", affine_qmv, type, gs, b, true, false, false, 4) \
  instantiate_kernel("affine_qmv_wide_" #type "_gs_" #gs "_b_" #b "_nv_2_kl_16_batch_0", affine_qmv_wide, type, gs, b, 2, 16, false)  \
  instantiate_kernel("affine_qvm_" #type "_gs_" #gs "_b_" #b "_batch_1", affine_qvm, type, gs, b, true)             \
  instantiate_kernel("affine_qvm_split_k_" #type "_gs_" #gs "_b_" #b "_spk_8", affine_qvm_split_k, type, gs, b, 8)  \
  instantiate_kernel("affine_qmm_t_" #type "_gs_" #gs "_b_" #b "_alN_true_batch_1", affine_qmm_t, type, gs, b, true, true)    \
  instantiate_kernel("affine_qmm_t_splitk_" #type "_gs_" #gs "_b_" #b "_alN_false", affine_qmm_t_splitk, type, gs, b, false)  \
  instantiate_kernel("affine_qmm_n_" #type "_gs_" #gs "_b_" #b "_batch_0", affine_qmm_n, type, gs, b, false)        \
  instantiate_kernel("affine_gather_qmv_fast_" #type "_gs_" #gs "_b_" #b, affine_gather_qmv_fast, type, gs, b)      \
  instantiate_kernel("affine_gather_qmv_" #type "_gs_" #gs "_b_" #b, affine_gather_qmv, type, gs, b)                \
  instantiate_kernel("affine_gather_qvm_" #type "_gs_" #gs "_b_" #b, affine_gather_qvm, type, gs, b)                \
  instantiate_kernel("affine_gather_qmm_t_" #type "_gs_" #gs "_b_" #b "_alN_true", affine_gather_qmm_t, type, gs, b, true)    \
  instantiate_kernel("affine_gather_qmm_n_" #type "_gs_" #gs "_b_" #b, affine_gather_qmm_n, type, gs, b)            \
  instantiate_kernel("affine_gather_qmm_rhs_nt_" #type "_gs_" #gs "_b_" #b "_bm_16_bn_32_bk_32_wm_1_wn_2", affine_gather_qmm_rhs, type, gs, b, 16, 32, 32, 1, 2, true) \
  instantiate_kernel("affine_quantize_" #type "_gs_" #gs "_b_" #b, affine_quantize, type, gs, b)                    \
  instantiate_kernel("affine_dequantize_" #type "_gs_" #gs "_b_" #b, affine_dequantize, type, gs, b)
q(float, 32, 4) q(bfloat16_t, 64, 3) q(float16_t, 128, 6) q(float16_t, 64, 8) q(bfloat16_t, 32, 2) q(float, 64, 5)
