"""Lowering: from a kernel in AIR to LLVM IR that the executor of csrc/soft runs.

    prepare     constants, address spaces, intrinsics, inlining: one optimised function of one thread
    narrow      simdgroup matrices as pairs
    sites       where threads may wait for others
    regions     the code between, as functions over the lanes of a simdgroup
    module      the table of sites that the executor reads (csrc/soft/kernel_abi.h)

Everything but the last step, code for a processor, knows nothing of processors.
"""

from isometal.soft.lower.kernel import Lowered, SiteDescription, lower_kernel

__all__ = ["Lowered", "SiteDescription", "lower_kernel"]
