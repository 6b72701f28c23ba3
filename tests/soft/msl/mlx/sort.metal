#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/sort.h"
#include "mlx/backend/metal/kernels/searchsorted.h"

#define sort(tname, type)                                                                                      \
  instantiate_kernel("c_block_sort_" tname "_" tname "_bn128_tn4", block_sort, type, type, false, 128, 4)      \
  instantiate_kernel("carg_block_sort_" tname "_uint32_bn128_tn4", block_sort, type, uint32_t, true, 128, 4)   \
  instantiate_kernel("nc_block_sort_" tname "_" tname "_bn128_tn4", block_sort_nc, type, type, false, 128, 4)  \
  instantiate_kernel("sort_mbsort_" tname "_uint32_bn512_tn4", mb_block_sort, type, uint32_t, true, 512, 4)    \
  instantiate_kernel("partition_mbsort_" tname "_uint32_bn512_tn4", mb_block_partition, type, uint32_t, true, 512, 4) \
  instantiate_kernel("merge_mbsort_" tname "_uint32_bn512_tn4", mb_block_merge, type, uint32_t, true, 512, 4)  \
  instantiate_kernel("searchsorted_" tname "_left", searchsorted, type, false)                                 \
  instantiate_kernel("searchsorted_" tname "_right", searchsorted, type, true)
sort("float32", float) sort("bfloat16", bfloat16_t) sort("uint8", uint8_t) sort("int32", int32_t)
