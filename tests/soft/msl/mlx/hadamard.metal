#include <metal_common>
#include <metal_compute>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/steel/defines.h"

using namespace metal;

template <typename T>
METAL_FUNC void hadamard_radix_m(thread T* x) {
  T tmp[12];
  for (int i = 0; i < 12; i++) {
    tmp[i] = x[0];
    for (int j = 1; j < 12; j++) {
      tmp[i] += (i * j) % 3 ? x[j] : -x[j];
    }
  }
  for (int i = 0; i < 12; i++) x[i] = tmp[i];
}

#include "mlx/backend/metal/kernels/hadamard.h"

instantiate_kernel("hadamard_n_float32_1024", hadamard_n, float, 1024, 16, 4)
instantiate_kernel("hadamard_n_bfloat16_2048_64", hadamard_n, bfloat16_t, 2048, 16, 2, 64)
instantiate_kernel("hadamard_m_float32_3072", hadamard_m, float, 3072, 12, 4)
