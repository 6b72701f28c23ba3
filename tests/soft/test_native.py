"""Objects become kernels in memory, and leave it again."""

from __future__ import annotations

import gc
import mmap
import sys
from pathlib import Path

import numpy as np
import pytest
from reference.launch import Grid
from reference.small import Kernel, air

from isometal.soft import native
from isometal.soft.errors import LoweringError
from isometal.soft.lower import lower_kernel

_THREAD = """
entry:
  %p = getelementptr i32, ptr addrspace(1) %out, i32 %thread_position_in_grid
  store i32 %thread_position_in_grid, ptr addrspace(1) %p, align 4
  ret void
"""
_MANY = 40 * native._LOADS_PER_LINKER


@pytest.fixture(scope="module")
def code() -> bytes:
    return native.build(lower_kernel(air(_THREAD), "k", {}).ir)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's /proc")
def test_kernels_that_are_gone_leave_nothing(code: bytes) -> None:
    def resident() -> int:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

    def load(times: int) -> None:
        for _ in range(times):
            native.load(code)

    load(4 * native._LOADS_PER_LINKER)
    before = resident()
    load(_MANY)
    # Of a linker that lives on, LLVM would keep 9 KB a load.
    assert resident() - before < _MANY * 2000


def test_a_kernel_outlives_its_linker(code: bytes) -> None:
    kernel = Kernel(air(_THREAD))
    for _ in range(2 * native._LOADS_PER_LINKER):
        native.load(code)
    gc.collect()
    out = np.zeros(32, np.uint32)
    kernel.run({0: out}, Grid((32, 1, 1), (32, 1, 1)))
    assert out.tolist() == list(range(32))


@pytest.mark.parametrize("damaged", [b"", b"no object", b"\x7fELF" + bytes(60)])
def test_what_is_no_object_is_refused(damaged: bytes, code: bytes) -> None:
    with pytest.raises(LoweringError, match=r"^\[soft\] a compiled kernel cannot be loaded: "):
        native.load(damaged)
    assert native.load(code).address
