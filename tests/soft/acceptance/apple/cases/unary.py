"""Unary kernels: every op on vectors, a few through strides."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from apple.case import Case, Group, generator
from apple.host import elementwise as host
from apple.launch import NDArray
from apple.operands import FLOATS, LAYOUTS, SIZES, normal, real, rounded, specials, uniform, view
from apple.peer import mlx
from isometal.parity.rounding import FORMATS

_erf = np.frompyfunc(math.erf, 1, 1)


def _erf_of(x: NDArray) -> NDArray:
    return np.asarray(_erf(x), np.float64)


def _erfinv_of(x: NDArray) -> NDArray:
    """Newton's method on the C library's erf, from the usual estimate of Winitzki; within a unit or two of float64."""
    inside = np.where(np.abs(x) < 1, x, 0.0)
    a = 0.147
    log = np.log1p(-inside * inside)
    term = 2 / (math.pi * a) + log / 2
    y = np.copysign(np.sqrt(np.maximum(np.sqrt(term * term - log / a) - term, 0.0)), inside)
    for _ in range(4):
        y = y - (_erf_of(y) - inside) * (math.sqrt(math.pi) / 2) * np.exp(y * y)
    y = np.where(inside == 0, inside, y)
    return np.where(np.abs(x) < 1, y, np.where(np.abs(x) == 1, np.copysign(np.inf, x), np.nan))


def _sigmoid(x: NDArray) -> NDArray:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


@dataclass(frozen=True)
class Op:
    """`truth` on float64, `peer` the name of MLX's function, [low, high) where results are normal numbers.

    `half` is that range for float16, whose exponents are fewer. `specials`: also on zeros, infinities, NaN, extremes.
    """

    truth: Callable[[NDArray], NDArray]
    peer: str
    low: float = -4.0
    high: float = 4.0
    half: tuple[float, float] | None = None
    specials: bool = True

    def range(self, dtype: str) -> tuple[float, float]:
        return self.half if dtype == "float16" and self.half else (self.low, self.high)


OPS: dict[str, Op] = {
    "Abs": Op(np.abs, "abs"),
    "ArcCos": Op(np.arccos, "arccos", -1.0, 1.0),
    "ArcCosh": Op(np.arccosh, "arccosh", 1.0, 50.0),
    "ArcSin": Op(np.arcsin, "arcsin", -1.0, 1.0),
    "ArcSinh": Op(np.arcsinh, "arcsinh", -50.0, 50.0),
    "ArcTan": Op(np.arctan, "arctan", -20.0, 20.0),
    "ArcTanh": Op(np.arctanh, "arctanh", -1.0, 1.0),
    "Ceil": Op(np.ceil, "ceil", -50.0, 50.0),
    "Cos": Op(np.cos, "cos", -50.0, 50.0, specials=False),
    "Cosh": Op(np.cosh, "cosh", -20.0, 20.0, (-9.0, 9.0)),
    "Erf": Op(_erf_of, "erf", -3.0, 3.0),
    "ErfInv": Op(_erfinv_of, "erfinv", -1.0, 1.0),
    "Exp": Op(np.exp, "exp", -20.0, 20.0, (-9.0, 9.0)),
    "Expm1": Op(np.expm1, "expm1", -10.0, 20.0, (-9.0, 9.0)),
    "Floor": Op(np.floor, "floor", -50.0, 50.0),
    "Log": Op(np.log, "log", 0.01, 100.0),
    "Log10": Op(np.log10, "log10", 0.01, 100.0),
    "Log1p": Op(np.log1p, "log1p", -0.9, 50.0),
    "Log2": Op(np.log2, "log2", 0.01, 100.0),
    "Negative": Op(np.negative, "negative"),
    "Round": Op(np.rint, "round", -50.0, 50.0),
    "Rsqrt": Op(lambda x: 1 / np.sqrt(x), "rsqrt", 0.01, 100.0),
    "Sigmoid": Op(_sigmoid, "sigmoid", -9.0, 9.0),
    # Of NaN it is 0, in the kernels as in MLX's CPU code.
    "Sign": Op(lambda x: np.where(np.isnan(x), 0.0, np.sign(x)), "sign"),
    "Sin": Op(np.sin, "sin", -50.0, 50.0, specials=False),
    "Sinh": Op(np.sinh, "sinh", -20.0, 20.0, (-9.0, 9.0)),
    "Sqrt": Op(np.sqrt, "sqrt", 0.0, 100.0),
    "Square": Op(np.square, "square"),
    "Tan": Op(np.tan, "tan", -50.0, 50.0, specials=False),
    "Tanh": Op(np.tanh, "tanh", -5.0, 5.0),
}
#: Ops that also run in the other contiguous kernels and through strides.
EVERYWHERE = ("Exp", "Negative")


def _case(op: str, dtype: str, name: str, x: NDArray, program: Any) -> Case:
    with np.errstate(all="ignore"):
        truth = np.asarray(OPS[op].truth(real(x)), np.float64)
    return Case(name, program, truth, mlx(lambda mx, array: getattr(mx, OPS[op].peer)(array), x))


def _tiny(rng: np.random.Generator, dtype: str) -> NDArray:
    """Small arguments, where x and f(x) are close to each other or f(x) to 1."""
    exponents = rng.uniform(-12 if dtype == "float16" else -30, -2, 257)
    return rounded(rng.choice([-1.0, 1.0], 257) * np.exp2(exponents), dtype)


def _specials(op: str, dtype: str) -> NDArray:
    """Without those whose result is subnormal in float32, which AIR flushes (test_apple_denormals.py)."""
    x = specials(dtype)
    if dtype == "float16":
        return x
    with np.errstate(all="ignore"):
        size = np.abs(np.asarray(OPS[op].truth(real(x)), np.float64))
    return x[(size == 0) | ~(size < FORMATS[dtype].smallest_normal)]


def _vectors(op: str, dtype: str, variant: str) -> list[Case]:
    rng = generator("unary", op, dtype, variant)
    row = OPS[op]
    inputs = [(f"{size}", uniform(rng, size, dtype, *row.range(dtype))) for size in SIZES]
    if row.low < 0:
        inputs.append(("small", _tiny(rng, dtype)))
    if row.specials:
        inputs.append(("specials", _specials(op, dtype)))
    return [_case(op, dtype, name, x, host.unary(op, x, dtype, variant)) for name, x in inputs]


def _strided(op: str, dtype: str, large: bool) -> list[Case]:
    rng = generator("unary", op, dtype, "strided", large)
    cases = []
    for name, shape, strides, _ in LAYOUTS:
        x = view(normal(rng, 4096, dtype), shape, strides)
        program = host.unary_strided(op, x.buffer, x.shape, x.strides, dtype, large)
        cases.append(_case(op, dtype, name, x.array, program))
    return cases


def _select(dtype: str, variant: str) -> list[Case]:
    rng = generator("select", dtype, variant)
    cases = []
    for size in SIZES:
        condition = rng.random(size) < 0.5
        a, b = normal(rng, size, dtype), normal(rng, size, dtype)
        truth = np.where(condition, real(a), real(b))
        peer = mlx(lambda mx, c, x, y: mx.where(c, x, y), condition, a, b)
        cases.append(Case(f"{size}", host.select(condition, a, b, variant), truth, peer))
    return cases


def groups() -> Iterator[Group]:
    for dtype, op in product(FLOATS, OPS):
        for variant in ("", "n", "2") if op in EVERYWHERE else ("",):
            yield Group("unary", f"v{variant}_{op}", dtype, partial(_vectors, op, dtype, variant))
        if op in EVERYWHERE:
            for large in (False, True):
                kernel = f"gn{'4large' if large else '1'}_{op}"
                yield Group("unary", kernel, dtype, partial(_strided, op, dtype, large))
    for dtype, variant in product(FLOATS, ("", "n")):
        yield Group("ternary", f"v{variant}_Select", dtype, partial(_select, dtype, variant))
