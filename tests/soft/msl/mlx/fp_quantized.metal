#include <metal_simdgroup>
#include <metal_stdlib>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/steel/gemm/gemm.h"
#include "mlx/backend/metal/kernels/quantized_utils.h"
#include "mlx/backend/metal/kernels/fp_quantized.h"

#define q(mode, type, gs, b)                                                                                          \
  instantiate_kernel(#mode "_qmv_quad_" #type "_gs_" #gs "_b_" #b "_d_64_batch_1", fp_qmv_quad, type, gs, b, 64, true)          \
  instantiate_kernel(#mode "_qmv_fast_" #type "_gs_" #gs "_b_" #b "_batch_1_pr_1_hgs_0_r_4", fp_qmv_fast, type, gs, b, true, true, false, 4) \
  instantiate_kernel(#mode "_qmv_" #type "_gs_" #gs "_b_" #b "_batch_1_pr_0_hgs_0_r_4", fp_qmv, type, gs, b, true, false, false, 4) \
  instantiate_kernel(#mode "_qmv_wide_" #type "_gs_" #gs "_b_" #b "_nv_2_kl_16_batch_0", fp_qmv_wide, type, gs, b, 2, 16, false)    \
  instantiate_kernel(#mode "_qvm_" #type "_gs_" #gs "_b_" #b "_batch_1", fp_qvm, type, gs, b, true)                   \
  instantiate_kernel(#mode "_qvm_split_k_" #type "_gs_" #gs "_b_" #b "_spk_8", fp_qvm_split_k, type, gs, b, 8)        \
  instantiate_kernel(#mode "_qmm_t_" #type "_gs_" #gs "_b_" #b "_alN_true_batch_1", fp_qmm_t, type, gs, b, true, true)          \
  instantiate_kernel(#mode "_qmm_t_splitk_" #type "_gs_" #gs "_b_" #b "_alN_true", fp_qmm_t_splitk, type, gs, b, true)          \
  instantiate_kernel(#mode "_qmm_n_" #type "_gs_" #gs "_b_" #b "_batch_1", fp_qmm_n, type, gs, b, true)               \
  instantiate_kernel(#mode "_gather_qmv_fast_" #type "_gs_" #gs "_b_" #b, fp_gather_qmv_fast, type, gs, b)            \
  instantiate_kernel(#mode "_gather_qmv_" #type "_gs_" #gs "_b_" #b, fp_gather_qmv, type, gs, b)                      \
  instantiate_kernel(#mode "_gather_qvm_" #type "_gs_" #gs "_b_" #b, fp_gather_qvm, type, gs, b)                      \
  instantiate_kernel(#mode "_gather_qmm_t_" #type "_gs_" #gs "_b_" #b "_alN_true", fp_gather_qmm_t, type, gs, b, true)          \
  instantiate_kernel(#mode "_gather_qmm_n_" #type "_gs_" #gs "_b_" #b, fp_gather_qmm_n, type, gs, b)                  \
  instantiate_kernel(#mode "_gather_qmm_rhs_nt_" #type "_gs_" #gs "_b_" #b "_bm_16_bn_32_bk_32_wm_1_wn_2", fp_gather_qmm_rhs, type, gs, b, 16, 32, 32, 1, 2, true) \
  instantiate_kernel(#mode "_quantize_" #type "_gs_" #gs "_b_" #b "_hgs_false", fp_quantize, type, gs, b, false)      \
  instantiate_kernel(#mode "_dequantize_" #type "_gs_" #gs "_b_" #b "_hgs_false", fp_dequantize, type, gs, b, false)  \
  instantiate_kernel(#mode "_quantize_dequantize_" #type "_gs_" #gs "_b_" #b "_hgs_false", fp_quantize_dequantize, type, gs, b, false)
q(mxfp8, float, 32, 8) q(mxfp4, bfloat16_t, 32, 4) q(nvfp4, float16_t, 16, 4)
