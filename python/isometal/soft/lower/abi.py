"""The border between generated code and the executor, as LLVM IR sees it: the twin of csrc/soft/kernel_abi.h."""

from __future__ import annotations

from typing import Final

VERSION: Final = 1
LANES: Final = 32
ARGUMENTS: Final = 31
FINISHED: Final = 0xFFFF
SEVERAL: Final = 0xFFFE

# Offsets in bytes of the fields of Threadgroup, Span and MemoryObserver.
THREADGROUP: Final = {
    "buffers": 0,
    "threadgroup_arguments": 8,
    "threadgroup_memory": 16,
    "observer": 24,
    "position": 32,
    "size": 48,
    "dispatch_size": 64,
    "grid_threads": 80,
    "grid_threadgroups": 96,
    "simdgroups": 112,
    "dispatch_simdgroups": 116,
}
SPAN: Final = {"thread": 0, "count": 4, "x": 8, "y": 12, "z": 16}
OBSERVER: Final = {"self": 0, "load": 8, "store": 16}

# SiteKind.
START: Final = 0
JOIN: Final = 1
SIMDGROUP: Final = 2
THREADGROUP_BARRIER: Final = 3

# Kernel::flags.
FLUSH_DENORMALS: Final = 1
OBSERVED: Final = 2

# Run run; Operation operation; SiteKind kind; uint16_t successor; uint32_t memory_flags
SITE_TYPE: Final = "{ ptr, ptr, i16, i16, i32 }"
# version, site_count, frame_bytes, threadgroup_bytes, flags, reserved, sites
KERNEL_TYPE: Final = "{ i32, i32, i64, i64, i32, i32, ptr }"
KERNEL_SYMBOL: Final = "isometal_kernel"

COLUMN_ALIGNMENT: Final = 64
THREADGROUP_ALIGNMENT: Final = 128
