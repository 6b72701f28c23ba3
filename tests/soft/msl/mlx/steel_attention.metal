#include <metal_stdlib>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/steel/attn/attn.h"
#include "mlx/backend/metal/kernels/steel/attn/kernels/steel_attention.h"

#define attn(tname, type, bq, bk, bd, wm, wn, mname, mtype) \
  instantiate_kernel("steel_attention_" #tname "_bq" #bq "_bk" #bk "_bd" #bd "_bv" #bd "_wm" #wm "_wn" #wn "_mask" #mname, attention, type, bq, bk, bd, bd, wm, wn, mtype, float)
attn(float16, half, 32, 16, 128, 4, 1, float16, half) attn(float32, float, 32, 32, 64, 4, 1, bool_, bool)
attn(bfloat16, bfloat16_t, 32, 32, 80, 4, 1, bfloat16, bfloat16_t)
