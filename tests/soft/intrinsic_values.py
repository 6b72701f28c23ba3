"""Values to try intrinsics with, and how far a result is from the truth. Independent of the definitions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from intrinsic_jit import DTYPES

Array = np.ndarray[Any, Any]
FULL = np.longdouble


@dataclass(frozen=True)
class Format:
    """A float format: fraction bits, exponents of the smallest and largest normal numbers, whether subnormals exist."""

    fraction: int
    low: int
    high: int
    subnormals: bool

    @property
    def largest(self) -> float:
        return float(2.0**self.high * (2 - 2.0**-self.fraction))


FORMATS = {
    "f16": Format(10, -14, 15, True),
    "bf16": Format(7, -126, 127, False),
    "f32": Format(23, -126, 127, False),
}
_TYPE = re.compile(r"(?:v(\d))?(bf16|f16|f32|i1|i8|i16|i32|i64)\Z")


def element_of(spelling: str) -> tuple[int, str]:
    """Number of elements (0 for a scalar) and their type."""
    match = _TYPE.match(spelling)
    assert match is not None, spelling
    return int(match[1] or 0), match[2]


def flush(values: Array, element: str) -> Array:
    """Subnormal numbers of formats that have none become zeros."""
    form = FORMATS[element]
    if form.subnormals:
        return values
    with np.errstate(invalid="ignore"):
        wide = values.astype(np.float64)
    return np.where(np.abs(wide) < 2.0**form.low, np.copysign(0.0, wide), wide).astype(values.dtype)


def specials(element: str) -> Array:
    form = FORMATS[element]
    step = 2.0**-form.fraction
    numbers = [0.0, 1.0, 1 + step, 1 - step / 2, 0.5, 1.5, 2.0, 2.5, 3.0, 10.0, 100.0, np.inf, form.largest, np.nan]
    numbers += [2.0**form.low, 2.0 ** (form.low + 1), 0.785398, 1.570796, 3.141593, 0.25, 0.75, 7.0, 31.0, 1e-3]
    both = np.array([*numbers, *(-n for n in numbers)])
    return both.astype(DTYPES[element])


def floats(element: str, count: int, seed: int, low: float | None = None, high: float | None = None) -> Array:
    """Special values, then random ones: of random bits, or of an interval."""
    random = np.random.default_rng(seed)
    if low is not None and high is not None:
        with np.errstate(over="ignore"):
            drawn = random.uniform(low, high, count).astype(DTYPES[element])
    else:
        bits = DTYPES[element].itemsize * 8
        drawn = random.integers(0, 1 << bits, count, dtype=np.uint64).astype(f"u{bits // 8}").view(DTYPES[element])
    return flush(np.concatenate([specials(element), drawn]), element)


def all_halfs(element: str) -> Array:
    """Every half or bfloat."""
    return flush(np.arange(1 << 16, dtype=np.uint16).view(DTYPES[element]), element)


def integers(element: str, count: int, seed: int) -> Array:
    """Corners, small numbers and random ones."""
    random = np.random.default_rng(seed)
    bits = int(element[1:])
    if bits == 1:
        return random.integers(0, 2, count, dtype=np.uint8)
    corners = [0, 1, 2, 3, 7, -1, -2, (1 << (bits - 1)) - 1, -(1 << (bits - 1)), -(1 << (bits - 1)) + 1]
    drawn = random.integers(-(1 << (bits - 1)), 1 << (bits - 1), count - len(corners) - 20, dtype=np.int64)
    small = random.integers(-20, 20, 20)
    mixed = np.concatenate([np.array(corners, np.int64), drawn, small]).astype(DTYPES[element])
    random.shuffle(mixed)
    return mixed


def wide(values: Array) -> Array:
    # Of bfloat, NaN raises the flag of invalid operations.
    with np.errstate(invalid="ignore"):
        return values.astype(np.float64).astype(FULL)


def ulp_errors(got: Array, truth: Array, element: str) -> Array:
    """Distances in units of the truth's last place; 0 where both are NaN, where both are the same infinity, and where a
    result below the smallest normal number is flushed; infinite where one is NaN or a sign of zero is wrong."""
    form = FORMATS[element]
    result = wide(got)
    size = np.abs(truth)
    with np.errstate(all="ignore"):
        exponent = np.floor(np.log2(np.where(size > 0, size, 1.0).astype(np.float64)))
        unit = np.exp2(np.clip(exponent, form.low, form.high) - form.fraction).astype(FULL)
        errors = np.abs(result - truth) / unit
    overflow = FULL(2.0**form.high) * (2 - FULL(2) ** -(form.fraction + 1))
    # What rounds to infinity; next to the limit either side is half a unit away.
    edge = np.abs(size - overflow) <= overflow * 2.0**-40
    infinite = np.isinf(result) & (np.signbit(result) == np.signbit(truth)) & ((size >= overflow) | edge)
    # A result that is smaller before it is rounded may be flushed although it rounds to the smallest normal number.
    flushed = (result == 0) & (size < 2.0**form.low * (1 + 2.0**-30)) & (not form.subnormals)
    zero = (truth == 0) & (result == 0)
    errors = np.where(infinite | flushed, 0, errors)
    errors = np.where(np.isnan(truth) & np.isnan(result), 0, errors)
    errors = np.where(zero & (np.signbit(result) != np.signbit(truth)), np.inf, errors)
    return np.where(np.isnan(errors), np.inf, errors).astype(np.float64)


def assert_close(got: Array, truth: Array, element: str, bound: float, arguments: list[Array], name: str) -> float:
    """Fails with the worst argument. The result is the largest error."""
    errors = ulp_errors(got, truth, element)
    assert errors.size > 0, name
    worst = int(np.argmax(errors))
    shown = ", ".join(repr(a.reshape(-1)[worst]) for a in arguments)
    assert errors[worst] <= bound, f"{name}({shown}) = {got[worst]!r}, not {truth[worst]!r}: {errors[worst]} ulp"
    return float(errors[worst])


def _is_tiny(size: Fraction, form: Format) -> bool:
    """Whether a number is below the smallest normal one when rounded with as many bits as that has."""
    unit = Fraction(2) ** (form.low - 1 - form.fraction)
    return (size / unit).__round__() * unit < Fraction(2) ** form.low


def round_exact(value: Fraction, element: str, direction: str = "rte") -> float:
    """A rational number rounded to a format, once; overflow goes by the direction, subnormals are flushed."""
    form = FORMATS[element]
    if value == 0:
        return 0.0
    size, sign = abs(value), 1 if value > 0 else -1
    exponent = max(form.low, size.numerator.bit_length() - size.denominator.bit_length())
    if size < Fraction(2) ** exponent:
        exponent = max(form.low, exponent - 1)
    unit = Fraction(2) ** (exponent - form.fraction)
    whole, rest = divmod(size, unit)
    up = {
        "rte": rest * 2 > unit or (rest * 2 == unit and whole % 2 == 1),
        "rtz": False,
        "rtp": rest > 0 and sign > 0,
        "rtn": rest > 0 and sign < 0,
    }[direction]
    rounded = (whole + up) * unit
    if rounded > Fraction(form.largest):
        towards_zero = direction == "rtz" or (direction == "rtp" and sign < 0) or (direction == "rtn" and sign > 0)
        return sign * (form.largest if towards_zero else float("inf"))
    if not form.subnormals and _is_tiny(size, form):
        return sign * 0.0
    return sign * float(rounded)
