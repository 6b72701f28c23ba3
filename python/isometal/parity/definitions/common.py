"""What the definitions share: operands as float64, promotion, softmax, the notes on MLX's rounding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isometal import dtypes
from isometal.dtypes import DType
from isometal.parity.model import NDArray
from isometal.parity.rounding import FORMATS, round_to

Inputs = Sequence[Any]
Params = Mapping[str, Any]

#: Largest relative error of one rounding to float32.
UNIT32 = FORMATS["float32"].unit_roundoff
#: Below it float32 is subnormal.
NORMAL32 = FORMATS["float32"].smallest_normal

_erfc_of_objects = np.frompyfunc(math.erfc, 1, 1)


def lost_to_flushing(steps: int, magnitude: NDArray) -> NDArray:
    """What a sum in float32 loses at most where each of ``steps`` intermediates becomes zero if it is subnormal.

    Each loses less than the smallest normal number, and no term is lost twice.
    """
    return np.minimum(steps * NORMAL32, finite(magnitude))


def real(x: NDArray) -> NDArray:
    return np.asarray(x).astype(np.float64)


def finite(slack: NDArray) -> NDArray:
    """A slack without NaN and infinity: there the pattern decides, not a bound."""
    return np.where(np.isfinite(slack), slack, 0.0)


def erfc(x: NDArray) -> NDArray:
    """The C library's erfc, correct to a unit or two of float64."""
    return np.asarray(_erfc_of_objects(x), np.float64)


def row_mean(x: NDArray) -> NDArray:
    """Mean of the last axis, kept; NaN without NumPy's warning where there are no columns."""
    return np.asarray(x.sum(axis=-1, keepdims=True) / np.float64(x.shape[-1]))


def result_dtype(inputs: Inputs) -> DType:
    """Promotion over arrays and weakly typed Python scalars."""
    arrays = [x.dtype for x in inputs if isinstance(x, np.ndarray)]
    scalars = [x for x in inputs if not isinstance(x, np.ndarray)]
    dtype = arrays[0] if arrays else dtypes.scalar_dtype(scalars[0])
    for other in arrays[1:]:
        dtype = dtypes.promote(dtype, other)
    for scalar in scalars if arrays else scalars[1:]:
        dtype = dtypes.promote_scalar(dtype, scalar)
    return dtype


def converted(x: Any, dtype: DType) -> NDArray:
    """An operand in the dtype of the operation, rounded once; floating values come back as float64."""
    x = np.asarray(x)
    if not dtypes.is_floating(dtype):
        return np.asarray(x.astype(dtype))
    if dtype == dtypes.float32 and x.dtype.kind in "iu":
        # int64 does not fit float64; the conversion straight to float32 rounds once.
        return real(x.astype(np.float32))
    return round_to(real(x), dtype.name)


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    chosen = (axis,) if isinstance(axis, int) else tuple(axis)
    return tuple(a % ndim for a in chosen)


def softmax_of(x: NDArray, axes: tuple[int, ...]) -> NDArray:
    """-inf throughout gives -inf - -inf = NaN, as in MLX; so does any +inf or NaN."""
    if x.size == 0:
        return x
    weights = np.exp(x - x.max(axis=axes, keepdims=True))
    return np.asarray(weights / weights.sum(axis=axes, keepdims=True))
