"""Reductions: all, rows (small, simple, looped), columns (small, long, looped, two passes), and arg_reduce.

Row kernels reduce the last axis, and others with it ("non-row reductions", given as shape and strides). Column kernels
reduce an axis of stride `reduction_stride` whose inner elements are all outputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from apple.launch import Launch, NDArray, Program, ceil_div, flat, i32, i64, poisoned, round_up, type_name

READS = 4
WRITES = 4


def all_reduce(op: str, x: NDArray, out: npt.DTypeLike) -> Program:
    """One threadgroup up to 4096 elements, else 128 rows whose results a second launch reduces."""
    output = poisoned(1, out)
    size = x.size

    def one(source: NDArray, kind: npt.DTypeLike, count: int, threads: int) -> Launch:
        buffers = {0: source, 1: output, 2: i64(count), 3: i64(count)}
        return Launch(f"all_reduce_{op}{type_name(kind)}", buffers, (threads, 1, 1), (threads, 1, 1))

    if size <= READS * 1024:
        return Program([one(flat(x), x.dtype, size, round_up(ceil_div(size, READS), 32))], output)
    rows = 32 * READS
    row_size = ceil_div(size, rows)
    threads = round_up(min(ceil_div(row_size, READS), 1024), 32)
    partial = poisoned(rows, out)
    first = Launch(
        f"all_reduce_{op}{type_name(x.dtype)}",
        {0: flat(x), 1: partial, 2: i64(size), 3: i64(row_size)},
        (threads, rows, 1),
        (threads, 1, 1),
    )
    return Program([first, one(partial, out, rows, 32)], output, [partial])


def _threads_for_row(row_size: int) -> int:
    if row_size <= 512:
        return 32
    return 128 if row_size <= 1024 else min(1024, round_up(ceil_div(row_size, READS), 32))


def row_reduce_simple(op: str, x: NDArray, out: npt.DTypeLike) -> Program:
    """The last axis of a two-dimensional array; the kernel wants at least four rows."""
    rows, row_size = x.shape
    output = poisoned(rows, out)
    threads = _threads_for_row(row_size)
    buffers = {0: flat(x), 1: output, 2: i64(row_size), 3: i64(rows)}
    kernel = f"row_reduce_simple_{op}{type_name(x.dtype)}"
    return Program([Launch(kernel, buffers, (threads, ceil_div(rows, WRITES), 1), (threads, 1, 1))], output)


def _dims(count: int) -> int:
    """Kernels are built for 1, 2 and up to 5 reduced dimensions; MLX uses the first and the last."""
    return 1 if count <= 1 else 5


@dataclass(frozen=True)
class _Axes:
    """An array's axes: kept ones and reduced ones, as shape and strides in elements."""

    kept: tuple[int, ...]
    kept_strides: tuple[int, ...]
    reduced: tuple[int, ...]
    reduced_strides: tuple[int, ...]

    @property
    def buffers(self) -> dict[int, bytes]:
        def axes(shape: Sequence[int], strides: Sequence[int]) -> tuple[bytes, bytes, bytes]:
            # Buffers are never empty: an absent axis is one of size 0, which the count says not to read.
            return i32(*(shape or (0,))), i64(*(strides or (0,))), i32(len(shape))

        return dict(enumerate([*axes(self.kept, self.kept_strides), *axes(self.reduced, self.reduced_strides)], 4))


def _axes(x: NDArray, kept: Sequence[int], reduced: Sequence[int]) -> _Axes:
    strides = [s // x.itemsize for s in x.strides]
    return _Axes(
        tuple(x.shape[a] for a in kept),
        tuple(strides[a] for a in kept),
        tuple(x.shape[a] for a in reduced),
        tuple(strides[a] for a in reduced),
    )


def _row_args(x: NDArray, reduced: Sequence[int]) -> tuple[_Axes, int, int, int]:
    axes = _axes(x, [a for a in range(x.ndim - 1) if a not in reduced], [a for a in reduced if a != x.ndim - 1])
    return axes, x.shape[-1], math.prod(axes.reduced), math.prod(axes.kept)


def row_reduce_small(op: str, x: NDArray, reduced: Sequence[int], out: npt.DTypeLike, large: bool = False) -> Program:
    """`reduced` axes hold the last one. A thread makes one result, or a simdgroup does where there is more to add."""
    axes, row_size, others, outputs = _row_args(x, reduced)
    output = poisoned(outputs, out)
    name = f"row_reduce_small{'_large' if large else ''}_{_dims(len(axes.reduced))}_reduce_{op}{type_name(x.dtype)}"
    if (others < 32 and row_size <= 8) or others <= 8:
        grid, group = (outputs, 1, 1), (min(outputs, 1024), 1, 1)
    else:
        grid, group = (32, outputs, 1), (32, 1, 1)
    buffers = {0: flat(x), 1: output, 2: i64(row_size), 3: i64(others), **axes.buffers}
    return Program([Launch(name, buffers, grid, group)], output)


def row_reduce_looped(op: str, x: NDArray, reduced: Sequence[int], out: npt.DTypeLike, large: bool = False) -> Program:
    """A threadgroup makes one result."""
    axes, row_size, others, outputs = _row_args(x, reduced)
    output = poisoned(outputs, out)
    name = f"row_reduce_looped{'_large' if large else ''}_{_dims(len(axes.reduced))}_reduce_{op}{type_name(x.dtype)}"
    threads = _threads_for_row(row_size)
    buffers = {0: flat(x), 1: output, 2: i64(row_size), 3: i64(others), **axes.buffers}
    return Program([Launch(name, buffers, (threads, outputs, 1), (threads, 1, 1))], output)


@dataclass(frozen=True)
class _Columns:
    """Arguments of the column kernels: the axis `axis` of `x`, and `others` with it, are reduced.

    kind  the dtype that the kernel is for, where it is not that of `x` (bool, which lies in memory as uint8)
    """

    x: NDArray
    axis: int
    others: tuple[int, ...] = ()
    kind: npt.DTypeLike = None

    @property
    def size(self) -> int:
        return self.x.shape[self.axis]

    @property
    def stride(self) -> int:
        return math.prod(self.x.shape[self.axis + 1 :])

    @property
    def total(self) -> int:
        return self.size * math.prod(self.x.shape[a] for a in self.others)

    @property
    def axes(self) -> _Axes:
        kept = [a for a in range(self.axis) if a not in self.others]
        return _axes(self.x, kept, [*self.others, self.axis])

    @property
    def outer(self) -> int:
        return math.prod(self.axes.kept)

    @property
    def outputs(self) -> int:
        return self.outer * self.stride

    def name(self, stem: str, op: str, tile: str = "", large: bool = False) -> str:
        dims = _dims(1 + len(self.others))
        kind = self.x.dtype if self.kind is None else self.kind
        return f"{stem}{'_large' if large else ''}_{dims}{tile}_reduce_{op}{type_name(kind)}"

    def buffers(self, output: NDArray) -> dict[int, NDArray | bytes]:
        others = self.total // self.size
        arguments = {0: flat(self.x), 1: output, 2: i64(self.size), 3: i64(self.stride), 10: i64(others)}
        return {**arguments, **self.axes.buffers}


def col_reduce_small(op: str, x: NDArray, axis: int, out: npt.DTypeLike, others: tuple[int, ...] = ()) -> Program:
    columns = _Columns(x, axis, others)
    output = poisoned(columns.outputs, out)
    blocks = ceil_div(columns.stride, 4)
    across = min(blocks, 32)
    group = (across, min(8, 1024 // across, columns.total), 1)
    grid = (ceil_div(blocks, across), columns.outer, 1)
    launch = Launch(columns.name("col_reduce_small", op), columns.buffers(output), grid, group, "threadgroups")
    return Program([launch], output)


#: Threads of a column tile of 32 x 32, which 8 simdgroups share.
_TILE_THREADS = 256


def _looped(op: str, columns: _Columns, output: NDArray) -> Launch:
    grid = (_TILE_THREADS * ceil_div(columns.stride, 32), columns.outer, 1)
    buffers = {**columns.buffers(output), 11: i64(0)}
    return Launch(columns.name("col_reduce_looped", op, "_32_32"), buffers, grid, (_TILE_THREADS, 1, 1))


def col_reduce_looped(op: str, x: NDArray, axis: int, out: npt.DTypeLike, others: tuple[int, ...] = ()) -> Program:
    columns = _Columns(x, axis, others)
    output = poisoned(columns.outputs, out)
    return Program([_looped(op, columns, output)], output)


def _second_pass(op: str, partial: NDArray, blocks: int, output: NDArray, out: npt.DTypeLike) -> Launch:
    return _looped(op, _Columns(partial.reshape(blocks, output.size), 0, kind=out), output)


def col_reduce_longcolumn(op: str, x: NDArray, axis: int, out: npt.DTypeLike, others: tuple[int, ...] = ()) -> Program:
    """Few columns (below 32), many rows: 32 blocks of rows (128 from 32,768 rows on), then one more launch."""
    columns = _Columns(x, axis, others)
    output = poisoned(columns.outputs, out)
    blocks = 128 if columns.total >= 32768 else 32
    partial = poisoned(blocks * output.size, out)
    group = (columns.stride, min(32, ceil_div(columns.total, blocks)), 1)
    buffers = {**columns.buffers(partial), 11: i64(output.size)}
    grid = (columns.outer, 1, blocks)
    first = Launch(columns.name("col_reduce_longcolumn", op), buffers, grid, group, "threadgroups")
    return Program([first, _second_pass(op, partial, blocks, output, out)], output, [partial])


def col_reduce_two_pass(op: str, x: NDArray, axis: int, out: npt.DTypeLike, others: tuple[int, ...] = ()) -> Program:
    columns = _Columns(x, axis, others)
    output = poisoned(columns.outputs, out)
    blocks = 32
    partial = poisoned(blocks * output.size, out)
    buffers = {**columns.buffers(partial), 11: i64(0), 12: i64(columns.outer)}
    grid = (_TILE_THREADS * ceil_div(columns.stride, 32), columns.outer * blocks, 1)
    first = Launch(columns.name("col_reduce_2pass", op, "_32_32"), buffers, grid, (_TILE_THREADS, 1, 1))
    return Program([first, _second_pass(op, partial, blocks, output, out)], output, [partial])


def init_reduce(op: str, size: int, out: npt.DTypeLike) -> Program:
    """The result over no elements at all."""
    output = poisoned(size, out)
    launch = Launch(f"init_reduce_{op}{type_name(out)}", {0: output}, (size, 1, 1), (min(1024, size), 1, 1))
    return Program([launch], output)


def arg_reduce(op: str, x: NDArray, axis: int) -> Program:
    """Index of the first smallest or largest element along `axis`; shape and strides are those of the other axes."""
    others = [a for a in range(x.ndim) if a != axis]
    strides = [x.strides[a] // x.itemsize for a in others]
    shape = [x.shape[a] for a in others]
    to = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    size = x.shape[axis]
    outputs = math.prod(shape)
    output = poisoned(outputs, np.uint32)
    threads = min(1024, round_up(ceil_div(size, READS), 32))
    buffers: dict[int, NDArray | bytes] = {
        0: flat(x),
        1: output,
        2: i32(*(shape or [0])),
        3: i64(*(strides or [0])),
        4: i64(*(to or [0])),
        5: i64(len(shape)),
        6: i64(x.strides[axis] // x.itemsize),
        7: i64(size),
    }
    return Program([Launch(f"{op}_{type_name(x.dtype)}", buffers, (threads, outputs, 1), (threads, 1, 1))], output)
