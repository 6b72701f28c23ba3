#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/atomic.h"
#include "mlx/backend/metal/kernels/binary_ops.h"
#include "mlx/backend/metal/kernels/indexing/scatter.h"

#define update(tname, type)                                                                                       \
  instantiate_kernel("slice_update_" tname, slice_update_op_impl, type, int, Add, true, true, false, 1, 3)        \
  instantiate_kernel("slice_update_max_" tname, slice_update_op_impl, type, int64_t, Maximum, false, false, true, 2, 4)
update("float32", float) update("bfloat16", bfloat16_t) update("int32", int32_t) update("complex64", complex64_t)
