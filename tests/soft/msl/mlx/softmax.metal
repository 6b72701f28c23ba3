#include <metal_common>
#include <metal_simdgroup>

using namespace metal;

#include "mlx/backend/metal/kernels/defines.h"
#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/softmax.h"
#include "mlx/backend/metal/kernels/logsumexp.h"
#include "mlx/backend/metal/kernels/cross_entropy.h"

#define softmax(name, itype)                                                \
  instantiate_kernel("block_softmax_" name, softmax_single_row, itype)      \
  instantiate_kernel("looped_softmax_" name, softmax_looped, itype)         \
  instantiate_kernel("block_logsumexp_" name, logsumexp, itype)             \
  instantiate_kernel("looped_logsumexp_" name, logsumexp_looped, itype)     \
  instantiate_kernel("cross_entropy_" name, cross_entropy, itype)           \
  instantiate_kernel("cross_entropy_vjp_" name, cross_entropy_vjp, itype)
softmax("float32", float) softmax("float16", half) softmax("bfloat16", bfloat16_t)
instantiate_kernel("block_softmax_precise_float16", softmax_single_row, half, float)
instantiate_kernel("looped_softmax_precise_bfloat16", softmax_looped, bfloat16_t, float)
