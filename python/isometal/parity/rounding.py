"""Correct rounding of float64 to the floating dtypes, in one step, and their units in the last place.

The proof of a kernel ends here, so nothing is left to a cast of unknown route: ml_dtypes takes float64 to bfloat16
by way of float32, and rounding twice is wrong next to a midpoint.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from isometal import dtypes
from isometal.parity.model import NDArray


class Format(NamedTuple):
    """A binary format: significand bits with the hidden one, exponent of the smallest normal, largest value."""

    precision: int
    min_exponent: int
    max: float

    @property
    def unit_roundoff(self) -> float:
        """Largest relative error of one rounding to nearest."""
        return 2.0**-self.precision

    @property
    def smallest_normal(self) -> float:
        return 2.0**self.min_exponent

    @property
    def smallest_subnormal(self) -> float:
        return 2.0 ** (self.min_exponent - self.precision + 1)

    @property
    def overflow(self) -> float:
        """The smallest magnitude that rounds to infinity: half a unit beyond the largest value."""
        return self.max + 0.5 * float(_spacing(np.float64(self.max), self))


#: IEEE 754 binary32 and binary16, and bfloat16 (binary32 with 8 significand bits).
FORMATS: dict[str, Format] = {
    "float32": Format(24, -126, (2.0 - 2.0**-23) * 2.0**127),
    "float16": Format(11, -14, (2.0 - 2.0**-10) * 2.0**15),
    "bfloat16": Format(8, -126, (2.0 - 2.0**-7) * 2.0**127),
}


def _spacing(x: NDArray | np.float64, form: Format) -> NDArray:
    """Distance between neighbours of the format in the binade of ``x`` (finite, float64)."""
    _, exponent = np.frexp(x)
    # frexp's mantissa lies in [0.5, 1), and gives exponent 0 to zero, which the floor corrects.
    lowest = np.where(x == 0, form.min_exponent, np.maximum(exponent - 1, form.min_exponent))
    return np.asarray(np.ldexp(1.0, lowest - (form.precision - 1)))


def spacing(x: NDArray, dtype: str) -> NDArray:
    """One unit in the last place of ``dtype`` at the float64 values ``x``; that of the largest value at inf and NaN."""
    form = FORMATS[dtype]
    return _spacing(np.where(np.isfinite(x), x, form.max), form)


def round_to(x: NDArray, dtype: str) -> NDArray:
    """float64 ``x`` rounded once to ``dtype``, nearest, ties to even; overflow gives infinity. Returned as float64."""
    x = np.asarray(x, np.float64)
    if dtype != "bfloat16":
        # Hardware (float32) and NumPy (float16) both convert from float64 directly; test_compare.py checks them
        # against the quantum arithmetic below.
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return np.asarray(x.astype(dtypes.BY_NAME[dtype]).astype(np.float64))
    return round_by_quantum(x, dtype)


def round_by_quantum(x: NDArray, dtype: str) -> NDArray:
    """`round_to` in plain arithmetic: scale so that one unit is 1, round to an even integer, scale back."""
    form = FORMATS[dtype]
    finite = np.isfinite(x)
    safe = np.where(finite, x, 0.0)
    quantum = _spacing(safe, form)
    with np.errstate(over="ignore"):
        rounded = np.rint(safe / quantum) * quantum
    rounded = np.where(np.abs(rounded) > form.max, np.copysign(np.inf, safe), rounded)
    # rint keeps the sign of zero; so does the product.
    return np.asarray(np.where(finite, rounded, x))


def to_dtype(x: NDArray, dtype: str) -> NDArray:
    """float64 ``x`` rounded once and stored as ``dtype``."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(round_to(x, dtype).astype(dtypes.BY_NAME[dtype]))
