#include <metal_common>
#include <metal_math>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/steel/defines.h"
#include "mlx/backend/metal/kernels/fft.h"

#define ffts(size, in, out)                                                                  \
  instantiate_kernel("fft_mem_" #size "_" #in "_" #out, fft, size, in, out)                  \
  instantiate_kernel("rader_fft_mem_" #size "_" #in "_" #out, rader_fft, size, in, out)      \
  instantiate_kernel("bluestein_fft_mem_" #size "_" #in "_" #out, bluestein_fft, size, in, out)
ffts(256, float2, float2) ffts(256, complex32_t, complex32_t) ffts(512, float, float2) ffts(1024, float2, float)
instantiate_kernel("four_step_mem_256_float2_float2_0_false", four_step_fft, 256, float2, float2, 0, false)
instantiate_kernel("four_step_mem_256_float2_float2_1_false", four_step_fft, 256, float2, float2, 1, false)
