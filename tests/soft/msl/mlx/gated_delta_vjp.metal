#include <metal_stdlib>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/gated_delta_update_vjp.h"

#define gated(type) \
  instantiate_kernel("seq_gated_delta_vjp_" #type "_128_128_24_24_8", gated_delta_vjp_seq, type, 128, 128, 24, 24, 8)
gated(float) gated(bfloat16_t) gated(float16_t)
