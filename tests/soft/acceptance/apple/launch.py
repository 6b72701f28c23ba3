"""What a host hands to a device: a `Launch` is one dispatch, a `Program` the dispatches that make one result.

Buffers are one-dimensional, contiguous and exactly as long as the kernel needs. Outputs and scratch memory are made by
`poisoned`, whose bytes are 0xFF: NaN in every floating dtype, so that an element that no thread wrote shows.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

NDArray = npt.NDArray[Any]
Size = tuple[int, int, int]
Constant = bool | int | float
POISON = 0xFF


@dataclass(frozen=True)
class Launch:
    """One dispatch. `grid` counts threads or threadgroups, as `dispatch` says, like Metal's two calls."""

    kernel: str
    buffers: Mapping[int, NDArray | bytes]
    grid: Size
    threadgroup: Size
    dispatch: Literal["threads", "threadgroups"] = "threads"
    constants: Mapping[int, Constant] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """Launches in order. `output` and `scratch` are arrays of `poisoned`, by identity among the launches' buffers."""

    launches: Sequence[Launch]
    output: NDArray
    scratch: Sequence[NDArray] = ()

    @property
    def written(self) -> tuple[NDArray, ...]:
        return (self.output, *self.scratch)


def poisoned(size: int, dtype: npt.DTypeLike) -> NDArray:
    """Memory that a kernel is to fill. bool comes back as uint8, where poison is neither true nor false."""
    kind = np.dtype(dtype)
    kind = np.dtype(np.uint8) if kind == np.bool_ else kind
    return np.full(size * kind.itemsize, POISON, np.uint8).view(kind)


def flat(array: NDArray) -> NDArray:
    """The elements of an operand in row-major order, as a buffer; bool as uint8."""
    data = np.ascontiguousarray(array).reshape(-1)
    return data.view(np.uint8) if data.dtype == np.bool_ else data


def i32(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def u32(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def i64(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def f32(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def round_up(a: int, b: int) -> int:
    return ceil_div(a, b) * b


def block(dim0: int, dim1: int = 1, dim2: int = 1, threads: int = 1024) -> Size:
    """A threadgroup of at most `threads` (a power of two): sides are powers of two, doubled in turn while they fit."""
    dims, sides, budget = (dim0, dim1, dim2), [1, 1, 1], threads
    grew = True
    while grew and budget > 1:
        grew = False
        for i, dim in enumerate(dims):
            if budget > 1 and dim >= 2 * sides[i]:
                sides[i] *= 2
                budget //= 2
                grew = True
    return sides[0], sides[1], sides[2]


#: The end of a kernel's name for a NumPy dtype.
TYPE_NAMES = {
    "bool": "bool_",
    **{n: n for n in ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")},
    **{n: n for n in ("float16", "bfloat16", "float32", "complex64")},
}


def type_name(dtype: npt.DTypeLike) -> str:
    return TYPE_NAMES[np.dtype(dtype).name]
