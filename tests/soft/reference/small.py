"""Kernels written by hand, and what the device makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from isometal import _core
from isometal.soft import native
from isometal.soft.lower import Lowered, lower_kernel
from reference.launch import Grid
from reference.loaded import soft_kernel
from reference.writer import RENDEZVOUS, KernelWriter

#: Parameters of most kernels here: results, the thread, its lane.
USUAL = ("out 0 1", "thread_position_in_grid i32", "thread_index_in_simdgroup i32")

_DECLARATIONS = {
    "air.simd_sum.u.i32": "i32 (i32)",
    "air.simd_max.u.i32": "i32 (i32)",
    "air.simd_sum.f32": "float (float)",
    "air.simd_active_threads_mask.i64": "i64 ()",
    "air.simdgroup.barrier": "void (i32, i32)",
    "air.wg.barrier": "void (i32, i32)",
}


def air(body: str, *parameters: str, extra: str = "", name: str = "k", flush: bool = False) -> str:
    """A module with one kernel.

    Args:
        body: its instructions; the block at the start is `entry`. Rendezvous of _DECLARATIONS need no declaration.
        parameters: `NAME INDEX SPACE` for a buffer, `NAME TYPE` for a built-in value; USUAL where there are none.
        extra: globals, functions and declarations beside it.
    """
    writer = KernelWriter(name)
    for parameter in parameters or USUAL:
        words = parameter.split(" ", 1)
        if words[1][0].isdigit():
            index, space = map(int, words[1].split())
            writer.buffer(words[0], index, space)
        else:
            writer.builtin(words[0], words[1])
    writer.lines = body.strip("\n").removeprefix("entry:").strip("\n").split("\n")
    writer.functions = [extra]
    for callee, type_ in _DECLARATIONS.items():
        if f"@{callee}(" in body + extra and f"@{callee}(" not in "".join(
            line for line in extra.split("\n") if line.startswith("declare")
        ):
            returns, _, arguments = type_.partition(" ")
            writer.declarations[callee] = f"declare {returns} @{callee}{arguments} {RENDEZVOUS}"
    return writer.text(flush=flush)


class Kernel:
    """A kernel made native.

    Args:
        text: a module in AIR with the kernel `k`.
        constants: function constants by index.
    """

    def __init__(self, text: str, constants: Mapping[int, Any] | None = None) -> None:
        self.lowered: Lowered = lower_kernel(text, "k", constants or {})
        self.native = native.load(native.build(self.lowered.ir))
        self.kernel = soft_kernel(self.native, self.lowered, "k")

    def run(
        self,
        buffers: Mapping[int, np.ndarray],
        grid: Grid,
        *,
        lengths: Mapping[int, int] | None = None,
        mode: str = "fast",
        seed: int = 0,
    ) -> None:
        bindings = list(buffers.items())
        lent = list((lengths or {}).items())
        _core.soft_dispatch(self.kernel, bindings, lent, grid.threads, grid.threadgroup, True, mode, seed, 1)


def results(text: str, threads: int = 32, constants: Mapping[int, Any] | None = None) -> np.ndarray:
    """What a kernel of the USUAL parameters leaves in `out`, one u32 per thread, in one threadgroup."""
    out = np.zeros(threads, np.uint32)
    Kernel(text, constants).run({0: out}, Grid((threads, 1, 1), (threads, 1, 1)))
    return out
