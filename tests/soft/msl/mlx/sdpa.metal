#include <metal_stdlib>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/sdpa_vector.h"
#include "mlx/backend/metal/kernels/sdpa_blocked.h"

using namespace metal;

#define sdpa(type, d, v)                                                                                  \
  instantiate_kernel("sdpa_vector_" #type "_" #d "_" #v, sdpa_vector, type, d, v)                         \
  instantiate_kernel("sdpa_vector_2pass_1_" #type "_" #d "_" #v, sdpa_vector_2pass_1, type, d, v)         \
  instantiate_kernel("sdpa_vector_2pass_2_" #type "_" #v, sdpa_vector_2pass_2, type, v)
sdpa(float, 64, 64) sdpa(bfloat16_t, 96, 96) sdpa(float16_t, 128, 128)
instantiate_kernel("sdpa_vector_2pass_1_gqa_8_float_64_64", sdpa_vector_2pass_1_gqa, float, 64, 64, 8, 2)
instantiate_kernel("sdpa_blocked_scale_copy_bfloat16", sdpa_blocked_scale_copy, bfloat16_t)
instantiate_kernel("sdpa_blocked_causal_mask_bfloat16", sdpa_blocked_causal_mask, bfloat16_t)
