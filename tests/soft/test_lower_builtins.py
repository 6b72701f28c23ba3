"""The values that a kernel gets of its thread, its threadgroup and its grid, at the start and behind rendezvous."""

from __future__ import annotations

import math

import numpy as np
import pytest
from reference.launch import Grid, launch
from reference.small import Kernel
from reference.writer import KernelWriter, Value

_VECTORS = [
    "thread_position_in_grid",
    "thread_position_in_threadgroup",
    "threadgroup_position_in_grid",
    "threads_per_threadgroup",
    "dispatch_threads_per_threadgroup",
    "threads_per_grid",
    "threadgroups_per_grid",
]
_SCALARS = [
    "thread_index_in_threadgroup",
    "thread_index_in_simdgroup",
    "simdgroup_index_in_threadgroup",
    "thread_index_in_quadgroup",
    "quadgroup_index_in_threadgroup",
    "simdgroups_per_threadgroup",
    "dispatch_simdgroups_per_threadgroup",
    "threads_per_simdgroup",
    "thread_execution_width",
]
_SLOTS = 3 * len(_VECTORS) + len(_SCALARS)


def _kernel(width: int, element: str, *, behind: bool) -> str:
    """Stores all values; `behind` a barrier and a rendezvous, where only what was kept is known."""
    w = KernelWriter("k")
    out = w.buffer("out", 0, 1)
    parts: list[Value] = []
    for name in _VECTORS:
        type_ = f"<{width} x {element}>" if width > 1 else element
        value = w.builtin(name, type_)
        if width == 1:
            parts.append(value)
            continue
        parts += [w.value(element, f"extractelement {value}, i64 {axis}") for axis in range(width)]
    parts += [w.builtin(name, element) for name in _SCALARS]
    thread = _thread(w)
    if behind:
        w.rendezvous("void", "air.wg.barrier", Value("i32", "1"), Value("i32", "1"))
        w.rendezvous("i32", "air.simd_sum.u.i32", thread)
    base = w.binary("mul", thread, Value("i32", str(_SLOTS)))
    for slot, part in enumerate(parts):
        wide = part if element == "i32" else w.cast("trunc" if element == "i64" else "zext", part, "i32")
        w.store(wide, w.address("i32", out, w.binary("add", base, Value("i32", str(slot)))), 4)
    w.end("ret void")
    return w.text(flush=False)


def _thread(w: KernelWriter) -> Value:
    """The index of the thread in the grid, from parameters of a full width under other names."""
    where = w.parameter(Value("<3 x i32>", "%where"), '!"air.thread_position_in_grid"')
    size = w.parameter(Value("<3 x i32>", "%size"), '!"air.threads_per_grid"')
    x, y, z = (w.value("i32", f"extractelement {where}, i64 {axis}") for axis in range(3))
    sx, sy = (w.value("i32", f"extractelement {size}, i64 {axis}") for axis in range(2))
    return w.binary("add", x, w.binary("mul", sx, w.binary("add", y, w.binary("mul", z, sy))))


_GRIDS = [
    Grid((64, 1, 1), (32, 1, 1)),
    Grid((50, 3, 2), (16, 2, 2)),
    Grid((7, 5, 3), (7, 5, 3)),
    Grid((33, 2, 1), (40, 1, 1)),
]


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize(("width", "element"), [(3, "i32"), (2, "i32"), (1, "i32"), (3, "i16"), (2, "i16"), (1, "i16")])
def test_all_values(width: int, element: str, behind: bool) -> None:
    text = _kernel(width, element, behind=behind)
    kernel = Kernel(text)
    for number, grid in enumerate(_GRIDS):
        total = math.prod(grid.threads) * _SLOTS
        expected = bytearray(4 * total)
        launch(text, "k", {0: expected}, grid)
        out = np.zeros(total, np.uint32)
        kernel.run({0: out}, grid, mode="shuffled" if number % 2 else "fast", seed=number)
        different = np.flatnonzero(out != np.frombuffer(bytes(expected), np.uint32))
        assert different.size == 0, (grid, divmod(int(different[0]), _SLOTS))


def test_what_needs_no_frame_is_made_anew() -> None:
    """Behind a rendezvous only positions are kept: everything else is read or computed again."""
    kept = Kernel(_kernel(3, "i32", behind=True)).lowered.frame_bytes
    # Two vectors of three, the index of the thread and the sum, each with 32 elements.
    assert kept <= 32 * (2 * 16 + 16 + 4 + 4 + 4 * 6)
