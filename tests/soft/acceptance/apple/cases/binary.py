"""Binary kernels: every op on vectors, and every layout for a few ops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from apple.case import Case, Group, generator
from apple.host import elementwise as host
from apple.launch import NDArray
from apple.operands import FLOATS, LAYOUTS, SIZES, integers, normal, pairs, real, rounded, specials, uniform, view
from apple.peer import mlx
from isometal.parity.rounding import FORMATS, round_to

Sampler = Callable[[np.random.Generator, int, str], tuple[NDArray, NDArray]]


def _normals(rng: np.random.Generator, size: int, dtype: str) -> tuple[NDArray, NDArray]:
    return normal(rng, size, dtype, 4.0), normal(rng, size, dtype, 4.0)


def _away_from_zero(rng: np.random.Generator, size: int, dtype: str) -> tuple[NDArray, NDArray]:
    a = normal(rng, size, dtype, 50.0)
    b = uniform(rng, size, dtype, 0.75, 9.0)
    return a, rounded(real(b) * rng.choice([-1.0, 1.0], size), dtype)


def _powers(rng: np.random.Generator, size: int, dtype: str) -> tuple[NDArray, NDArray]:
    """Positive bases, and negative ones with whole exponents; no result overflows or is subnormal."""
    limit = 3.0 if dtype == "float16" else 6.0
    base, exponent = uniform(rng, size, dtype, 0.2, 4.0), uniform(rng, size, dtype, -limit, limit)
    negative = rng.random(size) < 0.25
    base = rounded(np.where(negative, -real(base), real(base)), dtype)
    return base, rounded(np.where(negative, np.rint(real(exponent)), real(exponent)), dtype)


def _equals(rng: np.random.Generator, size: int, dtype: str) -> tuple[NDArray, NDArray]:
    """Small whole numbers, so that many pairs are equal."""
    return rounded(rng.integers(-2, 3, size), dtype), rounded(rng.integers(-2, 3, size), dtype)


def _python_mod(a: NDArray, b: NDArray) -> NDArray:
    """Remainder with the sign of the divisor, from the exact one with the sign of the dividend."""
    r = np.fmod(a, b)
    return np.where((r != 0) & ((r < 0) != (b < 0)), r + b, r)


@dataclass(frozen=True)
class Op:
    """`truth` takes float64 operands and the dtype's name. `peer` is the name of MLX's function.

    magnitude  of the terms that cancel
    underflow  what must not be subnormal in float32, whose subnormals AIR flushes (test_apple_denormals.py)
    specials   also on every pair of zeros, infinities, NaN and the ends of the range
    """

    truth: Callable[[NDArray, NDArray, str], NDArray]
    peer: str | None
    sampler: Sampler = _normals
    boolean: bool = False
    magnitude: Callable[[NDArray, NDArray], NDArray] | None = None
    underflow: Callable[[NDArray, NDArray], NDArray] | None = None
    specials: bool = True


def _plain(function: Any) -> Callable[[NDArray, NDArray, str], NDArray]:
    return lambda a, b, dtype: function(a, b)


def _logaddexp_terms(a: NDArray, b: NDArray) -> NDArray:
    """max + log1p(exp(min - max)): where the terms cancel, the result is of the size of their rounding errors."""
    return np.abs(np.maximum(a, b)) + np.log1p(np.exp(-np.abs(a - b)))


OPS: dict[str, Op] = {
    "Add": Op(_plain(np.add), "add"),
    "Subtract": Op(_plain(np.subtract), "subtract"),
    "Multiply": Op(_plain(np.multiply), "multiply", underflow=np.multiply),
    "Divide": Op(_plain(np.divide), "divide", underflow=np.divide),
    "FloorDivide": Op(
        lambda a, b, dtype: np.floor(round_to(a / b, dtype)), "floor_divide", _away_from_zero, underflow=np.divide
    ),
    "Remainder": Op(_plain(_python_mod), "remainder", _away_from_zero, specials=False),
    "Power": Op(_plain(np.power), "power", _powers, specials=False),
    "ArcTan2": Op(_plain(np.arctan2), "arctan2", underflow=np.arctan2),
    "LogAddExp": Op(_plain(np.logaddexp), "logaddexp", magnitude=_logaddexp_terms, specials=False),
    "Maximum": Op(_plain(np.maximum), "maximum"),
    "Minimum": Op(_plain(np.minimum), "minimum"),
    "Equal": Op(_plain(np.equal), "equal", _equals, boolean=True),
    "NotEqual": Op(_plain(np.not_equal), "not_equal", _equals, boolean=True),
    "Less": Op(_plain(np.less), "less", _equals, boolean=True),
    "LessEqual": Op(_plain(np.less_equal), "less_equal", _equals, boolean=True),
    "Greater": Op(_plain(np.greater), "greater", _equals, boolean=True),
    "GreaterEqual": Op(_plain(np.greater_equal), "greater_equal", _equals, boolean=True),
    "NaNEqual": Op(lambda a, b, dtype: (a == b) | (np.isnan(a) & np.isnan(b)), None, _equals, boolean=True),
}
#: Ops that run in every layout: one that does not commute, one that divides, one whose results are bool.
EVERYWHERE = ("Subtract", "Divide", "Less")


def _case(op: str, dtype: str, name: str, a: NDArray, b: NDArray, program: Any) -> Case:
    row = OPS[op]
    with np.errstate(all="ignore"):
        truth = row.truth(real(a), real(b), dtype)
        magnitude = row.magnitude(real(a), real(b)) if row.magnitude else None
    peer = mlx(lambda mx, x, y: getattr(mx, str(row.peer))(x, y), a, b) if row.peer else None
    return Case(name, program, truth.astype(np.uint8) if row.boolean else truth, peer, magnitude)


def _out(op: str, dtype: str) -> str:
    return "bool" if OPS[op].boolean else dtype


def _special_pairs(op: str, dtype: str) -> tuple[NDArray, NDArray]:
    a, b = pairs(specials(dtype))
    measure = OPS[op].underflow
    if measure is None or dtype == "float16":
        return a, b
    with np.errstate(all="ignore"):
        size = np.abs(measure(real(a), real(b)))
    keep = (size == 0) | ~(size < FORMATS[dtype].smallest_normal)
    return a[keep], b[keep]


def _vectors(op: str, dtype: str, layout: str, variant: str) -> list[Case]:
    rng = generator("binary", op, dtype, layout, variant)
    cases = []
    for size in (1,) if layout == "ss" else SIZES:
        a, b = OPS[op].sampler(rng, size, dtype)
        a, b = (a[:1] if layout in ("sv", "ss") else a), (b[:1] if layout in ("vs", "ss") else b)
        wide = np.broadcast_arrays(a, b)
        program = host.binary(op, a, b, _out(op, dtype), layout, variant)
        cases.append(_case(op, dtype, f"{size}", *wide, program))
    if OPS[op].specials and layout == "vv":
        a, b = _special_pairs(op, dtype)
        cases.append(_case(op, dtype, "specials", a, b, host.binary(op, a, b, _out(op, dtype), layout, variant)))
    return cases


def _strided(op: str, dtype: str, rank: str, large: bool) -> list[Case]:
    rng = generator("binary", op, dtype, rank, large)
    cases = []
    for name, shape, strides_a, strides_b in LAYOUTS:
        if (f"g{len(shape)}" if len(shape) <= 3 else "gn") != rank:
            continue
        sources = OPS[op].sampler(rng, 4096, dtype)
        a, b = view(sources[0], shape, strides_a), view(sources[1], shape, strides_b)
        strides = [a.strides, b.strides]
        program = host.binary_strided(op, a.buffer, b.buffer, shape, strides, _out(op, dtype), large)
        cases.append(_case(op, dtype, name, a.array, b.array, program))
    return cases


def _divmod(dtype: str, variant: str) -> list[Case]:
    rng = generator("divmod", dtype, variant)
    cases = []
    for size in SIZES:
        a, b = _away_from_zero(rng, size, dtype)
        truth = np.concatenate([OPS[op].truth(real(a), real(b), dtype) for op in ("FloorDivide", "Remainder")])
        peer = mlx(lambda mx, x, y: mx.concatenate(mx.divmod(x, y)), a, b)
        cases.append(Case(f"{size}", host.binary_two("DivMod", a, b, "vv", variant), truth, peer))
    return cases


#: Integer ops and their answers in two's complement.
INTEGER_OPS: dict[str, Callable[[NDArray, NDArray], NDArray]] = {
    "Add": np.add,
    "Multiply": np.multiply,
    "FloorDivide": np.floor_divide,
    "Remainder": np.remainder,
    "BitwiseXor": np.bitwise_xor,
    "Maximum": np.maximum,
    "Less": np.less,
}
INTEGERS = ("int8", "uint8", "int32", "uint32", "int64", "uint64")


def _integers(op: str, dtype: str) -> list[Case]:
    rng = generator("integers", op, dtype)
    a, b = integers(rng, 517, dtype), integers(rng, 517, dtype)[::-1].copy()
    if op in ("FloorDivide", "Remainder"):
        # Division by zero and of the smallest number by -1 are undefined in Metal.
        b = np.where((b == 0) | (b == np.array(-1).astype(dtype)), np.array(3, dtype), b)
    with np.errstate(over="ignore"):
        truth = INTEGER_OPS[op](a, b)
    out = "bool" if truth.dtype == np.bool_ else dtype
    truth = truth.astype(np.uint8) if out == "bool" else truth
    return [Case("whole range", host.binary(op, a, b, out, "vv", ""), truth)]


def _layouts(op: str) -> list[tuple[str, str]]:
    """(layout, variant) of the contiguous kernels to run."""
    if op not in EVERYWHERE:
        return [("vv", ""), ("vv", "n")]
    return [(layout, variant) for layout in ("vv", "vs", "sv") for variant in ("", "n", "2")] + [("ss", "")]


def groups() -> Iterator[Group]:
    for dtype in FLOATS:
        for op, row in OPS.items():
            result = "bool" if row.boolean else None
            for layout, variant in _layouts(op):
                make = partial(_vectors, op, dtype, layout, variant)
                yield Group("binary", f"{layout}{variant}_{op}", dtype, make, result)
            if op in EVERYWHERE:
                for rank, large in product(("g1", "g2", "g3", "gn"), (False, True)):
                    make = partial(_strided, op, dtype, rank, large)
                    yield Group("binary", f"{rank}{'large' if large else ''}_{op}", dtype, make, result)
        for variant in ("", "n"):
            yield Group("binary", f"vv{variant}_DivMod", dtype, partial(_divmod, dtype, variant))
    for op, dtype in product(INTEGER_OPS, INTEGERS):
        yield Group("binary", f"vv_{op}", dtype, partial(_integers, op, dtype), "bool" if op == "Less" else None)
