#include <metal_stdlib>

using namespace metal;

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/gated_delta_update.h"

#define gated(type)                                                                                          \
  instantiate_kernel("seq_gated_delta_" #type "_128_128_24_24_1", gated_delta_seq, type, 128, 128, 24, 24, 1)   \
  instantiate_kernel("seq_gated_delta_" #type "_128_128_16_64_16", gated_delta_seq, type, 128, 128, 16, 64, 16) \
  instantiate_kernel("gated_delta_fused_chunk_" #type "_128_128_16_64_8", gated_delta_fused_chunk, type, 128, 128, 16, 64, 8)
gated(float) gated(bfloat16_t) gated(float16_t)
