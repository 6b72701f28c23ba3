#include <metal_stdlib>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/dot.h"

instantiate_kernel("dot_product_float32_it32_tg512_sg16", dot_product, float, 32, 512, 16)
instantiate_kernel("dot_product_bfloat16_it32_tg512_sg16", dot_product, bfloat16_t, 32, 512, 16)
