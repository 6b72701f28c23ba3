"""What intrinsics of integers and conversions should give, on Python's integers."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import ml_dtypes
import numpy as np
from intrinsic_jit import DTYPES
from intrinsic_values import Array, round_exact


def limits(bits: int, signed: bool) -> tuple[int, int]:
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def read(value: int, bits: int, signed: bool) -> int:
    """An integer's low bits as a number."""
    low = value & ((1 << bits) - 1)
    return low - (1 << bits) if signed and low >> (bits - 1) else low


def clamped(value: int, bits: int, signed: bool) -> int:
    low, high = limits(bits, signed)
    return min(max(value, low), high)


def _rotated(x: int, n: int, bits: int) -> int:
    n %= bits
    return (x << n) | (x >> (bits - n))


def _inserted(base: int, insert: int, offset: int, count: int, bits: int) -> int:
    mask = ((1 << count) - 1) << offset & ((1 << bits) - 1)
    return (base & ~mask) | ((insert << offset) & mask)


#: By name: number of arguments and a model on (arguments, bits, signed).
SIGNED: dict[str, tuple[int, Callable[[list[int], int, bool], int]]] = {
    "abs": (1, lambda a, b, s: abs(a[0])),
    "min": (2, lambda a, b, s: min(a)),
    "max": (2, lambda a, b, s: max(a)),
    "clamp": (3, lambda a, b, s: min(max(a[0], a[1]), a[2])),
    "min3": (3, lambda a, b, s: min(a)),
    "max3": (3, lambda a, b, s: max(a)),
    "median3": (3, lambda a, b, s: sorted(a)[1]),
    "abs_diff": (2, lambda a, b, s: abs(a[0] - a[1])),
    "add_sat": (2, lambda a, b, s: clamped(a[0] + a[1], b, s)),
    "sub_sat": (2, lambda a, b, s: clamped(a[0] - a[1], b, s)),
    "hadd": (2, lambda a, b, s: (a[0] + a[1]) >> 1),
    "rhadd": (2, lambda a, b, s: (a[0] + a[1] + 1) >> 1),
    "mul_hi": (2, lambda a, b, s: (a[0] * a[1]) >> b),
    "mad_hi": (3, lambda a, b, s: ((a[0] * a[1]) >> b) + a[2]),
    "mad_sat": (3, lambda a, b, s: clamped(a[0] * a[1] + a[2], b, s)),
}
UNSIGNED: dict[str, tuple[int, Callable[[list[int], int, bool], int]]] = {
    "popcount": (1, lambda a, b, s: a[0].bit_count()),
    "reverse_bits": (1, lambda a, b, s: int(f"{a[0]:0{b}b}"[::-1], 2)),
    "bswap": (1, lambda a, b, s: int.from_bytes(a[0].to_bytes(b // 8, "little"), "big")),
    "clz": (1, lambda a, b, s: b - a[0].bit_length()),
    "ctz": (1, lambda a, b, s: b if a[0] == 0 else (a[0] & -a[0]).bit_length() - 1),
    "rotate": (2, lambda a, b, s: _rotated(a[0], a[1], b)),
}


def apply_model(model: Callable[[list[int], int, bool], int], arrays: list[Array], bits: int, signed: bool) -> Array:
    """The model on elements, read and written with the signedness."""
    results = []
    for elements in zip(*(a.reshape(-1) for a in arrays), strict=True):
        value = model([read(int(e), bits, signed) for e in elements], bits, signed)
        results.append(read(value, bits, True))
    return np.array(results, DTYPES[f"i{bits}"])


def extracted(x: int, offset: int, count: int, bits: int, signed: bool) -> int:
    return read(read(x, bits, False) >> offset, count, signed) if count else 0


def inserted(base: int, insert: int, offset: int, count: int, bits: int) -> int:
    return _inserted(read(base, bits, False), read(insert, bits, False), offset, count, bits)


_DIRECTIONS: dict[str | None, Callable[[float], float]] = {
    None: math.trunc,
    "rtz": math.trunc,
    "rtp": math.ceil,
    "rtn": math.floor,
    "rte": round,
}


def to_integer(values: Array, bits: int, signed: bool, rounding: str | None = None) -> Array:
    """Floats as integers: rounded, limited to the type, 0 for NaN."""
    results = []
    for value in values.astype(np.float64):
        number = float(value)
        if bits == 1:
            results.append(int(number != 0))
        elif math.isnan(number):
            results.append(0)
        elif math.isinf(number):
            results.append(limits(bits, signed)[number > 0])
        else:
            results.append(clamped(int(_DIRECTIONS[rounding](number)), bits, signed))
    if bits == 1:
        return np.array(results, bool)
    return np.array([read(r, bits, True) for r in results], DTYPES[f"i{bits}"])


def to_float(values: Array, bits: int, signed: bool, element: str, rounding: str | None = None) -> Array:
    """Integers as floats, rounded once."""
    exact = (Fraction(read(int(v), bits, signed)) for v in values)
    return np.array([round_exact(e, element, rounding or "rte") for e in exact]).astype(DTYPES[element])


def between_floats(values: Array, element: str, rounding: str | None = None) -> Array:
    results = []
    for value in values.astype(np.float64):
        number = float(value)
        if not math.isfinite(number) or number == 0:
            results.append(number)
        else:
            rounded = round_exact(Fraction(number), element, rounding or "rte")
            results.append(math.copysign(rounded, number))
    with np.errstate(invalid="ignore"):
        return np.array(results).astype(DTYPES[element])


def same_bits(got: Array, expected: Array) -> bool:
    """Equal as bits, all NaNs alike."""
    got_nan, expected_nan = got != got, expected != expected
    if got.dtype == np.dtype(ml_dtypes.bfloat16) or got.dtype.kind == "f":
        width = f"u{got.dtype.itemsize}"
        equal = got.view(width) == expected.astype(got.dtype).view(width)
        return bool(np.all(equal | (got_nan & expected_nan)))
    return bool(np.array_equal(got, expected))
