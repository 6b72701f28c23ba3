#include <metal_atomic>
#include <metal_simdgroup>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/atomic.h"
#include "mlx/backend/metal/kernels/reduction/ops.h"
#include "mlx/backend/metal/kernels/reduce.h"

#define reduce(name, itype, otype, op)                                                                                \
  instantiate_kernel("all_reduce_" name, all_reduce, itype, otype, op)                                                \
  instantiate_kernel("row_reduce_small_1_reduce_" name, row_reduce_small, itype, otype, op, int, 1)                   \
  instantiate_kernel("row_reduce_small_2_reduce_" name, row_reduce_small, itype, otype, op, int, 2)                   \
  instantiate_kernel("row_reduce_looped_1_reduce_" name, row_reduce_looped, itype, otype, op, int, 1)                 \
  instantiate_kernel("row_reduce_looped_large_5_reduce_" name, row_reduce_looped, itype, otype, op, int64_t, 5)       \
  instantiate_kernel("row_reduce_simple_" name, row_reduce_simple, itype, otype, op)                                  \
  instantiate_kernel("col_reduce_small_1_reduce_" name, col_reduce_small, itype, otype, op, int, 1)                   \
  instantiate_kernel("col_reduce_longcolumn_1_reduce_" name, col_reduce_longcolumn, itype, otype, op, int, 1)         \
  instantiate_kernel("col_reduce_looped_1_32_32_reduce_" name, col_reduce_looped, itype, otype, op, int, 1, 32, 32)   \
  instantiate_kernel("col_reduce_2pass_1_32_32_reduce_" name, col_reduce_2pass, itype, otype, op, int, 1, 32, 32)
reduce("andbool_", bool, bool, And<bool>) reduce("orbool_", bool, bool, Or<bool>)
reduce("sumfloat32", float, float, Sum<float>) reduce("sumfloat16", half, half, Sum<half>)
reduce("sumbfloat16", bfloat16_t, bfloat16_t, Sum<bfloat16_t>) reduce("sumint32", int32_t, int32_t, Sum<int32_t>)
reduce("sumcomplex64", complex64_t, complex64_t, Sum<complex64_t>)
reduce("prodfloat32", float, float, Prod<float>) reduce("prodint64", int64_t, int64_t, Prod<int64_t>)
reduce("minfloat32", float, float, Min<float>) reduce("maxbfloat16", bfloat16_t, bfloat16_t, Max<bfloat16_t>)
reduce("maxint64", int64_t, int64_t, Max<int64_t>) reduce("minuint8", uint8_t, uint8_t, Min<uint8_t>)
reduce("maxcomplex64", complex64_t, complex64_t, Max<complex64_t>)
instantiate_kernel("init_reduce_sumfloat32", init_reduce, float, Sum<float>)
instantiate_kernel("init_reduce_prodcomplex64", init_reduce, complex64_t, Prod<complex64_t>)
instantiate_kernel("init_reduce_andbool_", init_reduce, bool, And<bool>)
