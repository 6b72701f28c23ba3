#include <metal_stdlib>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/steel/gemm/gemm.h"
#include "mlx/backend/metal/kernels/steel/gemm/kernels/steel_gemm_fused.h"

#define fused(tn, ta, tb, name, type, bm, bn, bk, wm, wn)                                                            \
  instantiate_kernel("steel_gemm_fused_" #tn "_" #name "_" #name "_bm" #bm "_bn" #bn "_bk" #bk "_wm" #wm "_wn" #wn, \
                     gemm, type, bm, bn, bk, wm, wn, ta, tb, float)
#define all(name, type)                                                                                            \
  fused(nn, false, false, name, type, 64, 64, 16, 2, 2) fused(nt, false, true, name, type, 64, 64, 16, 2, 2)       \
  fused(tn, true, false, name, type, 64, 64, 16, 2, 2) fused(tt, true, true, name, type, 32, 32, 16, 2, 2)
all(float32, float) all(float16, half) all(bfloat16, bfloat16_t)
