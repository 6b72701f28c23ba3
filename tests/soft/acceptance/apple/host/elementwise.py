"""Unary, binary, ternary and copy kernels.

Contiguous ones (v, s, vv, vs, sv) come three times: one element per thread; "n": 8 bytes per thread, taken from 65,536
elements on; "2": int64 sizes on a 2D grid, taken where uint32 does not hold the size. General ones (g, gg) read through
strides: up to three dimensions are the grid itself, more (gn2, ggn2) take shape and strides and two elements per
thread in the last dimension; "large" ones use int64 indices (and four elements).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from apple.launch import Launch, NDArray, Program, block, ceil_div, flat, i32, i64, poisoned, type_name, u32

#: Of a binary operation, which operand is one element.
SCALARS = {"vv": (False, False), "vs": (False, True), "sv": (True, False)}


def _contiguous(
    kernel: str, operands: Sequence[NDArray], outputs: Sequence[NDArray], per_thread: int, wide: bool
) -> Launch:
    buffers: dict[int, NDArray | bytes] = dict(enumerate([*operands, *outputs]))
    size = outputs[0].size
    threads = ceil_div(size, per_thread)
    buffers[len(buffers)] = i64(size) if wide else u32(size)
    # Kernels of one element per thread do not look at the size: the 2D grid must multiply out.
    rows = next(n for n in range(math.isqrt(threads) if wide else 1, 0, -1) if threads % n == 0)
    grid = (threads // rows, rows, 1)
    return Launch(kernel, buffers, grid, (min(1024, grid[0]), 1, 1))


def work_per_thread(dtype: npt.DTypeLike) -> int:
    return max(1, 8 // np.dtype(dtype).itemsize)


def _per_thread(variant: str, dtype: npt.DTypeLike) -> int:
    return 1 if variant == "" else work_per_thread(dtype)


def unary(op: str, x: NDArray, out: npt.DTypeLike, variant: str = "") -> Program:
    """`variant`: "", "n" or "2"."""
    output = poisoned(x.size, out)
    kernel = f"v{variant}_{op}{type_name(x.dtype)}{type_name(out)}"
    return Program([_contiguous(kernel, [flat(x)], [output], _per_thread(variant, x.dtype), variant == "2")], output)


def copy(x: NDArray, size: int, out: npt.DTypeLike, variant: str = "") -> Program:
    """A vector, or one element to all `size` elements."""
    output = poisoned(size, out)
    kernel = f"{'v' if x.size == size else 's'}{variant}_copy{type_name(x.dtype)}{type_name(out)}"
    return Program([_contiguous(kernel, [flat(x)], [output], _per_thread(variant, out), variant == "2")], output)


def binary(op: str, a: NDArray, b: NDArray, out: npt.DTypeLike, layout: str = "vv", variant: str = "") -> Program:
    """`layout`: vv, vs, sv or ss; one element stands for all of a scalar operand."""
    output = poisoned(max(a.size, b.size), out)
    kernel = f"{layout}{variant}_{op}{type_name(a.dtype)}"
    operands = [flat(a), flat(b)]
    if layout == "ss":
        return Program([Launch(kernel, dict(enumerate([*operands, output])), (1, 1, 1), (1, 1, 1))], output)
    return Program([_contiguous(kernel, operands, [output], _per_thread(variant, a.dtype), variant == "2")], output)


def binary_two(op: str, a: NDArray, b: NDArray, layout: str = "vv", variant: str = "") -> Program:
    """A kernel of two results (DivMod); the output holds the first, then the second."""
    both = poisoned(2 * max(a.size, b.size), a.dtype)
    first, second = both[: both.size // 2], both[both.size // 2 :]
    kernel = f"{layout}{variant}_{op}{type_name(a.dtype)}"
    launch = _contiguous(kernel, [flat(a), flat(b)], [first, second], _per_thread(variant, a.dtype), False)
    return Program([launch], both)


def select(condition: NDArray, a: NDArray, b: NDArray, variant: str = "") -> Program:
    output = poisoned(a.size, a.dtype)
    operands = [flat(condition), flat(a), flat(b)]
    kernel = f"v{variant}_Select{type_name(a.dtype)}"
    return Program([_contiguous(kernel, operands, [output], _per_thread(variant, a.dtype), variant == "2")], output)


def _strided(
    stem: str,
    suffix: str,
    operands: Sequence[NDArray],
    output: NDArray,
    shape: Sequence[int],
    strides: Sequence[Sequence[int]],
    first: int,
    *,
    large: bool,
    per_thread: int,
    shape_at: int,
    ndim_at: int,
) -> Launch:
    """A general kernel: strides at `first` and on; shape and ndim at their own places when there are many."""
    ndim = len(shape)
    rows = [*([1] * (3 - min(3, ndim))), *shape]
    grid = (rows[-1], rows[-2], math.prod(rows[:-2]))
    buffers: dict[int, NDArray | bytes] = dict(enumerate([*operands, output]))
    buffers |= {first + i: i64(*each) for i, each in enumerate(strides)}
    if ndim <= 3:
        kernel = f"{stem}{ndim}{'large' if large else ''}_{suffix}"
    else:
        kernel = f"{stem}n{per_thread}{'large' if large else ''}_{suffix}"
        buffers |= {shape_at: i32(*shape), ndim_at: i32(ndim)}
        grid = (ceil_div(grid[0], per_thread), *grid[1:])
    return Launch(kernel, buffers, grid, block(*grid))


def unary_strided(
    op: str, x: NDArray, shape: Sequence[int], strides: Sequence[int], out: npt.DTypeLike, large: bool = False
) -> Program:
    """Unary kernels have no g1 to g3: one kernel takes every number of dimensions."""
    output = poisoned(math.prod(shape), out)
    rows = [*([1] * (3 - min(3, len(shape)))), *shape]
    per_thread = 4 if large else 1
    grid = (ceil_div(rows[-1], per_thread), rows[-2], math.prod(rows[:-2]))
    # The kernel reads the last two dimensions.
    shape, strides = (shape, strides) if len(shape) > 1 else ((1, *shape), (0, *strides))
    kernel = f"gn{per_thread}{'large' if large else ''}_{op}{type_name(x.dtype)}{type_name(out)}"
    buffers = {0: x, 1: output, 2: i32(*shape), 3: i64(*strides), 4: i32(len(shape))}
    return Program([Launch(kernel, buffers, grid, block(*grid))], output)


def binary_strided(
    op: str,
    a: NDArray,
    b: NDArray,
    shape: Sequence[int],
    strides: Sequence[Sequence[int]],
    out: npt.DTypeLike,
    large: bool = False,
) -> Program:
    """Operands are buffers; `strides` has one row for each."""
    output = poisoned(math.prod(shape), out)
    many = len(shape) > 3
    launch = _strided(
        "g", f"{op}{type_name(a.dtype)}", [a, b], output, shape, strides, 4 if many else 3,
        large=large, per_thread=4 if large else 2, shape_at=3, ndim_at=6,
    )  # fmt: skip
    return Program([launch], output)


def copy_strided(
    x: NDArray, shape: Sequence[int], strides: Sequence[int], out: npt.DTypeLike, large: bool = False
) -> Program:
    """From strides to row-major order."""
    output = poisoned(math.prod(shape), out)
    launch = _strided(
        "g", f"copy{type_name(x.dtype)}{type_name(out)}", [x], output, shape, [strides], 3,
        large=large, per_thread=4 if large else 2, shape_at=2, ndim_at=5,
    )  # fmt: skip
    return Program([launch], output)


def copy_between(
    x: NDArray,
    shape: Sequence[int],
    strides: Sequence[int],
    to: Sequence[int],
    size: int,
    dynamic: tuple[int, int] | None = None,
) -> Program:
    """From strides to strides, in an output of `size` elements; `dynamic` offsets come from buffers."""
    output = poisoned(size, x.dtype)
    name = type_name(x.dtype)
    suffix = f"{'' if dynamic is None else 'dynamic_'}copy{name}{name}"
    launch = _strided(
        "gg", suffix, [x], output, shape, [strides, to], 3, large=False, per_thread=2, shape_at=2, ndim_at=5
    )
    buffers = dict(launch.buffers)
    if dynamic is not None:
        buffers |= {6: i64(dynamic[0]), 7: i64(dynamic[1])}
    return Program([Launch(launch.kernel, buffers, launch.grid, launch.threadgroup)], output)


def arange(start: NDArray, step: NDArray, size: int) -> Program:
    """`start` and `step`: one element each, of the result's dtype."""
    output = poisoned(size, start.dtype)
    buffers = {0: start.tobytes(), 1: step.tobytes(), 2: output}
    launch = Launch(f"arange{type_name(start.dtype)}", buffers, (size, 1, 1), (min(1024, size), 1, 1))
    return Program([launch], output)
