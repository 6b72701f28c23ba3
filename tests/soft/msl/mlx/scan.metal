#include <metal_integer>
#include <metal_math>
#include <metal_simdgroup>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/binary_ops.h"
#include "mlx/backend/metal/kernels/scan.h"

#define scans(name, itype, otype, op, nreads)                                                                        \
  instantiate_kernel("contig_scan_inclusive_" name, contiguous_scan, itype, otype, op<otype>, nreads, true, false)   \
  instantiate_kernel("contig_scan_exclusive_" name, contiguous_scan, itype, otype, op<otype>, nreads, false, false)  \
  instantiate_kernel("contig_scan_reverse_inclusive_" name, contiguous_scan, itype, otype, op<otype>, nreads, true, true) \
  instantiate_kernel("strided_scan_inclusive_" name, strided_scan, itype, otype, op<otype>, nreads, true, false)     \
  instantiate_kernel("strided_scan_reverse_exclusive_" name, strided_scan, itype, otype, op<otype>, nreads, false, true)
scans("sum_float32_float32", float, float, CumSum, 4) scans("sum_bfloat16_bfloat16", bfloat16_t, bfloat16_t, CumSum, 4)
scans("sum_bool__int32", bool, int32_t, CumSum, 4) scans("prod_float16_float16", half, half, CumProd, 4)
scans("sum_complex64_complex64", complex64_t, complex64_t, CumSum, 2) scans("prod_complex64_complex64", complex64_t, complex64_t, CumProd, 2)
scans("max_float32_float32", float, float, CumMax, 4) scans("min_int64_int64", int64_t, int64_t, CumMin, 2)
scans("prod_bool__bool_", bool, bool, CumProd, 4) scans("logaddexp_float32_float32", float, float, CumLogaddexp, 4)
