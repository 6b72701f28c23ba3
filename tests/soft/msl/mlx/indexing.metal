#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/atomic.h"
#include "mlx/backend/metal/kernels/reduction/ops.h"
#include "mlx/backend/metal/kernels/indexing/gather.h"
#include "mlx/backend/metal/kernels/indexing/gather_axis.h"
#include "mlx/backend/metal/kernels/indexing/gather_front.h"
#include "mlx/backend/metal/kernels/indexing/masked_scatter.h"
#include "mlx/backend/metal/kernels/indexing/scatter.h"
#include "mlx/backend/metal/kernels/indexing/scatter_axis.h"

#define axis(tname, type)                                                                                  \
  instantiate_kernel("gather_axis_" tname, gather_axis, type, uint32_t, int, true, false)                  \
  instantiate_kernel("gather_front_" tname, gather_front, type, int64_t, int64_t, 2)                       \
  instantiate_kernel("masked_" tname, masked_assign_impl, type, true)                                      \
  instantiate_kernel("masked_nc_" tname, masked_assign_impl, type, false)                                  \
  instantiate_kernel("scatter_axis_none_" tname, scatter_axis, type, uint32_t, int, None, true, true)      \
  instantiate_kernel("scatter_axis_sum_" tname, scatter_axis, type, int32_t, int64_t, Sum<type>, false, true)
axis("float32", float) axis("bfloat16", bfloat16_t) axis("int32", int32_t)

// What MLX writes around gather_impl and scatter_impl at run time.
[[kernel]] void gather_two(const device float* src [[buffer(0)]], device float* out [[buffer(1)]],
    const constant int* src_shape [[buffer(2)]], const constant int64_t* src_strides [[buffer(3)]],
    const constant size_t& src_ndim [[buffer(4)]], const constant int* slice_sizes [[buffer(5)]],
    const constant int* axes [[buffer(6)]], const constant int* idx_shapes [[buffer(7)]],
    const constant int64_t* idx_strides [[buffer(8)]], const constant bool* idx_contigs [[buffer(9)]],
    const constant int& idx_ndim [[buffer(10)]], const device uint32_t* idx0 [[buffer(20)]],
    const device uint32_t* idx1 [[buffer(21)]], uint3 index [[thread_position_in_grid]],
    uint3 grid_dim [[threads_per_grid]]) {
  Indices<uint32_t, 2> idxs{{{idx0, idx1}}, idx_shapes, idx_strides, idx_contigs, idx_ndim};
  return gather_impl<float, uint32_t, 2, 2, int>(
      src, out, src_shape, src_strides, src_ndim, slice_sizes, axes, idxs, index, grid_dim);
}

[[kernel]] void scatter_sum(const device float* updates [[buffer(1)]], device mlx_atomic<float>* out [[buffer(2)]],
    const constant int* upd_shape [[buffer(3)]], const constant int64_t* upd_strides [[buffer(4)]],
    const constant size_t& upd_ndim [[buffer(5)]], const constant size_t& upd_size [[buffer(6)]],
    const constant int* out_shape [[buffer(7)]], const constant int64_t* out_strides [[buffer(8)]],
    const constant size_t& out_ndim [[buffer(9)]], const constant int* axes [[buffer(10)]],
    const constant int* idx_shapes [[buffer(11)]], const constant int64_t* idx_strides [[buffer(12)]],
    const constant bool* idx_contigs [[buffer(13)]], const constant int& idx_ndim [[buffer(14)]],
    const constant size_t& idx_size [[buffer(15)]], const device uint32_t* idx0 [[buffer(20)]],
    uint2 gid [[thread_position_in_grid]]) {
  Indices<uint32_t, 1> idxs{{{idx0}}, idx_shapes, idx_strides, idx_contigs, idx_ndim};
  return scatter_impl<float, uint32_t, Sum<float>, 1, true, 4, int>(
      updates, out, upd_shape, upd_strides, upd_ndim, upd_size, out_shape, out_strides, out_ndim, axes, idx_size, idxs, gid);
}
