"""Operands of cases: values of a dtype, and arrays that lie in memory in an odd way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from apple.launch import NDArray
from isometal import dtypes
from isometal.parity.rounding import FORMATS, to_dtype

FLOATS = ("float32", "float16", "bfloat16")
#: Sizes of contiguous operands: one, odd, around a power of two, prime, more than one threadgroup.
SIZES = (1, 3, 31, 32, 33, 1021, 4099)


def real(x: NDArray) -> NDArray:
    return np.asarray(x).astype(np.float64)


def rounded(x: npt.ArrayLike, dtype: str) -> NDArray:
    """float64 values in a floating dtype, rounded once."""
    return to_dtype(np.asarray(x, np.float64), dtype)


def uniform(rng: np.random.Generator, shape: int | Sequence[int], dtype: str, low: float, high: float) -> NDArray:
    return rounded(rng.uniform(low, high, shape), dtype)


def normal(rng: np.random.Generator, shape: int | Sequence[int], dtype: str, scale: float = 1.0) -> NDArray:
    return rounded(scale * rng.standard_normal(shape), dtype)


def specials(dtype: str) -> NDArray:
    """Zeros, ones, ties of rounding to an integer, the ends of the normal range, infinities, NaN; of both signs."""
    form = FORMATS[dtype]
    ends = [form.max, form.max / 2, form.smallest_normal, 2 * form.smallest_normal]
    values = np.array([0.0, 1.0, 0.5, 1.5, 2.5, 3.0, 7.75, *ends, np.inf, np.nan])
    return rounded(np.concatenate([values, -values]), dtype)


def pairs(values: NDArray) -> tuple[NDArray, NDArray]:
    """Every value with every value."""
    a, b = np.meshgrid(values, values, indexing="ij")
    return a.reshape(-1), b.reshape(-1)


def integers(rng: np.random.Generator, size: int, dtype: str) -> NDArray:
    """Over the whole range, its ends included; bool too."""
    if dtype == "bool":
        return rng.integers(0, 2, size).astype(np.bool_)
    info = np.iinfo(dtype)
    ends = np.array([info.min, info.max, 0, 1, 2, 3], dtype)
    return np.concatenate([ends, rng.integers(info.min, info.max, size, dtype, endpoint=True)])[:size]


@dataclass(frozen=True)
class View:
    """A strided view: `array` has shape and strides over the flat `buffer`, from its first element."""

    buffer: NDArray
    array: NDArray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def strides(self) -> tuple[int, ...]:
        """In elements."""
        return tuple(s // self.array.itemsize for s in self.array.strides)


def view(buffer: NDArray, shape: Sequence[int], strides: Sequence[int]) -> View:
    """Exactly the elements that the view reaches: the buffer is cut after the last."""
    needed = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    data = np.ascontiguousarray(buffer.reshape(-1)[:needed])
    steps = [s * data.itemsize for s in strides]
    return View(data, np.lib.stride_tricks.as_strided(data, shape, steps, writeable=False))


#: Shapes and strides of two operands of a general kernel: broadcast, transposed, with gaps, odd, of every rank.
LAYOUTS: tuple[tuple[str, tuple[int, ...], tuple[int, ...], tuple[int, ...]], ...] = (
    ("gaps", (37,), (3,), (2,)),
    ("broadcast_scalar", (1021,), (1,), (0,)),
    ("transposed", (17, 33), (1, 17), (33, 1)),
    ("row_and_column", (31, 65), (0, 1), (1, 0)),
    ("permuted", (5, 7, 11), (1, 55, 5), (77, 11, 1)),
    ("broadcast_middle", (3, 16, 9), (9, 0, 1), (0, 9, 1)),
    ("four", (2, 3, 5, 7), (105, 35, 7, 1), (1, 2, 6, 30)),
    ("five", (2, 1, 3, 4, 9), (108, 9, 36, 0, 1), (0, 0, 9, 27, 1)),
)


def numpy_dtype(name: str) -> dtypes.DType:
    return np.dtype(dtypes.BY_NAME[name]) if name in dtypes.BY_NAME else np.dtype(name)
