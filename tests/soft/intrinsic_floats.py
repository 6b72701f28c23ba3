"""What intrinsics of floats should give: truths in extended precision, and exact models."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from intrinsic_values import FORMATS, FULL, Array, flush, round_exact, wide

PI = FULL("3.14159265358979323846264338327950288")


def _reduced(x: Array, function: Callable[[Array], Array]) -> Array:
    """Of large arguments only float64's own reduction is right."""
    plain = function(x.astype(np.float64)).astype(FULL)
    return np.where(np.abs(x) < 1e4, function(x), plain)


def _half_turns(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """sin, cos and tan of pi x: exact at multiples of 1/2, elsewhere of the remainder."""

    def truth(x: Array) -> Array:
        rest = np.fmod(x, 2)
        return function(rest)

    return truth


def _sin_pi(rest: Array) -> Array:
    near = np.round(rest)
    value = np.sin(PI * (rest - near)) * np.where(np.fmod(near, 2) == 0, 1, -1)
    value = np.where(np.abs(rest) % 1 == 0.5, np.sign(rest) * np.where(np.abs(rest) < 1, 1, -1), value)
    return np.where(rest == near, np.copysign(FULL(0), rest), value)


def _cos_pi(rest: Array) -> Array:
    size = np.abs(rest)
    value = np.where(size > 1, -1, 1) * np.where(size > 1, np.cos(PI * (size - 1)), np.cos(PI * size))
    near_half = np.abs(size % 1 - 0.5) < 0.25
    value = np.where(near_half, np.sin(PI * (0.5 - size % 1)) * np.where(size > 1, -1, 1), value)
    return np.where(size % 1 == 0.5, FULL(0), value)


#: Truths of functions of one argument.
UNARY: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "exp2": np.exp2,
    "exp10": lambda x: FULL(10) ** x,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sin": lambda x: _reduced(x, np.sin),
    "cos": lambda x: _reduced(x, np.cos),
    "tan": lambda x: _reduced(x, np.tan),
    "sinpi": _half_turns(_sin_pi),
    "cospi": _half_turns(_cos_pi),
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": lambda x: np.where(np.isinf(x), x, np.arcsinh(x)),
    "acosh": lambda x: np.where(x < 1, np.nan, np.arccosh(np.maximum(x, 1))),
    "atanh": np.arctanh,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "rint": np.rint,
    "round": lambda x: np.copysign(np.floor(np.abs(x) + 0.5), x),
    "fabs": np.abs,
    "saturate": lambda x: np.where(np.isnan(x), 0, np.clip(x, 0, 1)),
    "sign": lambda x: np.where(np.isnan(x), 0, np.where(x == 0, x, np.sign(x))),
}

#: Where the interesting arguments are.
INTERVALS: dict[str, list[tuple[float, float]]] = {
    "exp": [(-104, 90), (-1, 1)],
    "exp2": [(-150, 130), (-1, 1)],
    "exp10": [(-46, 39), (-1, 1)],
    "log": [(0, 3), (0.98, 1.02)],
    "log2": [(0, 3), (0.98, 1.02)],
    "log10": [(0, 3), (0.98, 1.02)],
    "sin": [(-10, 10), (-3e4, 3e4)],
    "cos": [(-10, 10), (-3e4, 3e4)],
    "tan": [(-10, 10), (-3e4, 3e4)],
    "sinpi": [(-3, 3), (-3000, 3000)],
    "cospi": [(-3, 3), (-3000, 3000)],
    "asin": [(-1, 1)],
    "acos": [(-1, 1), (0.9, 1)],
    "atan": [(-5, 5)],
    "sinh": [(-90, 90), (-1, 1)],
    "cosh": [(-90, 90), (-1, 1)],
    "tanh": [(-12, 12), (-1, 1)],
    "asinh": [(-10, 10)],
    "acosh": [(1, 10), (1, 1.01)],
    "atanh": [(-1, 1)],
    "sqrt": [(0, 100)],
    "rsqrt": [(0, 100)],
}
_DEFAULT = [(-100.0, 100.0), (-2.0, 2.0)]


def intervals(operation: str) -> list[tuple[float, float]]:
    return INTERVALS.get(operation, _DEFAULT)


def power(x: Array, y: Array) -> Array:
    """C's pow; NumPy's is C's."""
    return np.power(x, y)


def positive_power(x: Array, y: Array) -> Array:
    with np.errstate(all="ignore"):
        value = np.exp2(y * np.log2(x))
        return np.where(np.isnan(value), value, np.power(np.abs(x), y))


def positive_difference(x: Array, y: Array) -> Array:
    return np.where(np.isnan(x) | np.isnan(y), np.nan, np.where(x > y, x - y, 0))


#: Truths of functions of two and three arguments.
BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "pow": power,
    "powr": positive_power,
    "atan2": np.arctan2,
    "fmin": np.fmin,
    "fmax": np.fmax,
    "fmod": np.fmod,
    "fdim": positive_difference,
    "divide": np.divide,
    "copysign": np.copysign,
    "step": lambda edge, x: np.where(x < edge, 0, 1).astype(FULL),
}


def clamp(x: Array, low: Array, high: Array) -> Array:
    return np.fmin(np.fmax(x, low), high)


TERNARY: dict[str, Callable[[Array, Array, Array], Array]] = {
    "fmin3": lambda x, y, z: np.fmin(np.fmin(x, y), z),
    "fmax3": lambda x, y, z: np.fmax(np.fmax(x, y), z),
    "fmedian3": lambda x, y, z: np.fmax(np.fmin(x, y), np.fmin(np.fmax(x, y), z)),
    "clamp": clamp,
}

# Results whose sign of zero C leaves open.
ZERO_SIGN_OPEN = {"fmin", "fmax", "fmin3", "fmax3", "fmedian3", "clamp", "saturate"}


def fused(x: Array, y: Array, z: Array, element: str) -> Array:
    """x y + z, rounded once; finite numbers exactly, others as IEEE has them."""
    results = []
    for a, b, c in zip(wide(x), wide(y), wide(z), strict=True):
        if not (np.isfinite(a) and np.isfinite(b) and np.isfinite(c)):
            with np.errstate(all="ignore"):
                results.append(float(a * b + c))
            continue
        exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
        if exact == 0:
            results.append(float(a) * float(b) + float(c) if a * b == 0 else 0.0)
            continue
        results.append(round_exact(exact, element))
    return np.array(results)


def next_after(x: float, y: float, element: str) -> float:
    """The neighbour of a number in a format whose subnormals may be missing."""
    if math.isnan(x) or math.isnan(y):
        return math.nan
    if x == y:
        return y
    form = FORMATS[element]
    smallest = 2.0 ** (form.low - form.fraction) if form.subnormals else 2.0**form.low
    if x == 0:
        return math.copysign(smallest, y)
    up = x < y
    size = abs(x)
    outwards = up == (x > 0)
    if math.isinf(size):
        return math.copysign(form.largest, x)
    exponent = max(math.frexp(size)[1] - 1, form.low)
    unit = 2.0 ** (exponent - form.fraction)
    if not outwards and size == 2.0**exponent and exponent > form.low:
        unit /= 2
    moved = size + unit if outwards else size - unit
    if moved > form.largest:
        moved = math.inf
    return math.copysign(moved if moved >= smallest else 0.0, x)


def flushed(values: Array, element: str) -> Array:
    return flush(values, element)
