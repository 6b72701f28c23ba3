"""What the NumPy definitions share: quiet IEEE arithmetic, float32 working precision, blocks that stay in cache."""

from __future__ import annotations

import contextvars
import functools
import math
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from isometal.backends.base import Axes, NDArray
from isometal.dtypes import float32

#: Elements per block (256 KiB of float32): the temporaries of a kernel together fit in a core's L2 cache.
BLOCK = 1 << 16

#: Longest run of additions one after another in `accurate_sum`. Where all roundings go the same way (the sum of one
#: number, many times) it costs 2.5e-6 of the sum; a run of 1024 would cost 1e-5.
_RUN = 256

#: Computes ``out`` from ``x``, both float32 and of one shape.
Kernel = Callable[[NDArray, NDArray], None]

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Quiet(threading.local):
    """A context in which NumPy's floating-point warnings are off: ``run(function, *args)``.

    NumPy keeps its error state in a context variable. Entering a ready-made context costs 0.03 us, np.errstate 0.6 to
    1.0 us: twice a small np.add. Only one thread can be inside a context, hence one each.
    """

    def __init__(self) -> None:
        context = contextvars.Context()
        context.run(np.seterr, all="ignore")
        self.run = context.run


_quiet = _Quiet()


def quietly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> NDArray:
    """``function(*args, **kwargs)`` as an array, never a NumPy scalar; inf and NaN come without warnings."""
    try:
        result = _quiet.run(function, *args, **kwargs)
    except RuntimeError:
        # Entered already: a finaliser or signal handler calls an op while another one runs in this thread.
        with np.errstate(all="ignore"):
            result = function(*args, **kwargs)
    return result if type(result) is np.ndarray else np.asarray(result)


def quiet(function: _Function) -> _Function:
    """Decorator form of `quietly`."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> NDArray:
        return quietly(function, *args, **kwargs)

    return cast(_Function, call)


def to_float32(x: NDArray) -> NDArray:
    """x in working precision; x itself where it is float32."""
    return x if x.dtype == float32 else x.astype(np.float32)


def unrepeated(x: NDArray, axes: int) -> NDArray:
    """x with each of its first ``axes`` axes that only repeats (stride 0) cut to length 1."""
    # The strides of an array without elements say nothing.
    if x.size == 0 or 0 not in x.strides[:axes]:
        return x
    return x[tuple(slice(1) if stride == 0 else slice(None) for stride in x.strides[:axes])]


def elementwise(kernel: Kernel, x: NDArray) -> NDArray:
    """``kernel`` over x in blocks; half precision is widened to float32 and the result rounded once."""
    if x.size <= BLOCK:
        return _whole(kernel, x)
    out = np.empty(x.shape, x.dtype)
    flat, flat_out = x.reshape(-1), out.reshape(-1)
    for i in range(0, flat.size, BLOCK):
        _block(kernel, flat[i : i + BLOCK], flat_out[i : i + BLOCK])
    return out


def rowwise(kernel: Kernel, x: NDArray) -> NDArray:
    """As `elementwise` for a kernel that works along the last axis: blocks of whole rows."""
    if x.size <= BLOCK:
        return _whole(kernel, x)
    columns = x.shape[-1]
    out = np.empty(x.shape, x.dtype)
    table, table_out = x.reshape(-1, columns), out.reshape(-1, columns)
    step = max(1, BLOCK // columns)
    for i in range(0, len(table), step):
        _block(kernel, table[i : i + step], table_out[i : i + step])
    return out


def _whole(kernel: Kernel, x: NDArray) -> NDArray:
    if x.ndim == 0:
        # Ufuncs turn 0-d arrays into scalars, which a kernel cannot write to.
        return _whole(kernel, x.reshape(1)).reshape(())
    wide = to_float32(x)
    out = np.empty(x.shape, np.float32)
    if x.size:
        kernel(wide, out)
    return out if x.dtype == float32 else out.astype(x.dtype)


def _block(kernel: Kernel, x: NDArray, out: NDArray) -> None:
    if x.dtype == float32:
        kernel(x, out)
    else:
        wide = np.empty(x.shape, np.float32)
        kernel(x.astype(np.float32), wide)
        out[...] = wide


def accurate_sum(x: NDArray, axes: Axes) -> NDArray:
    """Sum of floating x over ``axes``, kept as length 1; float32, or float64 where the sum was long.

    NumPy adds pairwise along the innermost axis, one after another along the others, where the error grows with the
    count. Here a longer run is cut into pieces of about _RUN and the sums of the pieces are added in float64.
    """
    if x.size <= 2 * _RUN or (len(axes) == x.ndim and x.flags.forc):
        return np.add.reduce(x, axis=axes, dtype=np.float32, keepdims=True)
    inner = min(range(x.ndim), key=lambda axis: abs(x.strides[axis]))
    outer = [axis for axis in axes if axis != inner]
    run = math.prod(x.shape[axis] for axis in outer)
    if run <= _RUN:
        return np.add.reduce(x, axis=axes, dtype=np.float32, keepdims=True)
    axis = max(outer, key=lambda axis: x.shape[axis])
    length = x.shape[axis]
    step = max(1, _RUN * length // run)
    whole = length - length % step
    before = (slice(None),) * axis
    head, tail = (*before, slice(whole)), (*before, slice(whole, None))
    pieces = x[head].reshape(*x.shape[:axis], whole // step, step, *x.shape[axis + 1 :])
    within = tuple(other if other < axis else other + 1 for other in axes)
    total: NDArray = np.add.reduce(accurate_sum(pieces, within), axis=axis, dtype=np.float64)
    if whole < length:
        total += accurate_sum(x[tail], axes)
    return total


def for_blas(x: NDArray) -> NDArray:
    """x, or a contiguous copy where its matrices (last two axes) lie in memory in a way that BLAS cannot read.

    np.matmul would add such products one after another, without BLAS: slow, and less accurate.
    """
    *_, row, column = x.strides
    rows, columns = x.shape[-2:]
    item = x.itemsize
    by_row = column == item and row >= columns * item and row % item == 0
    by_column = row == item and column >= rows * item and column % item == 0
    return x if by_row or by_column else np.ascontiguousarray(x)
