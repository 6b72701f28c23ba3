"""Reductions over all, rows and columns, by every kernel that MLX has for them, and arg_reduce."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from apple.case import Case, Group, generator
from apple.host import reduce as host
from apple.launch import NDArray, Program
from apple.operands import FLOATS, integers, normal, real, rounded
from apple.peer import mlx
from isometal.parity.rounding import FORMATS

#: Axes that are reduced; None for all.
Axes = tuple[int, ...] | None
OPS = ("sum", "prod", "max", "min")
_NUMPY: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
    "and": np.all,
    "or": np.any,
}
_ACCUMULATE: dict[str, Any] = {"sum": np.add, "prod": np.multiply}
_MLX = {"sum": "sum", "prod": "prod", "max": "max", "min": "min", "and": "all", "or": "any"}


def _values(rng: np.random.Generator, shape: tuple[int, ...], op: str, dtype: str, kind: str) -> NDArray:
    if dtype == "bool":
        return rng.random(shape) < {"and": 0.97, "or": 0.03}[op]
    if dtype not in FORMATS:
        return integers(rng, int(np.prod(shape)), dtype).reshape(shape)
    if op == "prod":
        # A product stays near 1, whatever its length.
        count = max(1, int(np.prod(shape)))
        return rounded(np.exp(rng.standard_normal(shape) * 2.0 / np.sqrt(count)), dtype)
    x = normal(rng, shape, dtype)
    if kind == "large":
        # Neighbours nearly cancel: the sum is small, its terms are not.
        x = rounded(np.where(np.arange(x.size).reshape(shape) % 2, -100.0, 100.0) + real(x), dtype)
    if kind != "normal" and kind != "large":
        x.reshape(-1)[x.size // 3] = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}[kind]
    return x


def _case(op: str, x: NDArray, axes: Axes, name: str, program: Program) -> Case:
    if x.dtype.name in FORMATS:
        with np.errstate(all="ignore"):
            truth = _NUMPY[op](real(x), axis=axes)
            magnitude = np.abs(real(x)).sum(axis=axes) if op == "sum" else None
    else:
        with np.errstate(over="ignore"):
            truth = _NUMPY[op](x, axis=axes) if x.dtype == np.bool_ else _NUMPY[op](x, axis=axes, **_same(op, x))
        truth, magnitude = np.asarray(truth).astype(np.uint8 if x.dtype == np.bool_ else _out(op, x.dtype)), None
    peer = None
    if x.dtype.name in FORMATS:
        peer = mlx(lambda mx, array: getattr(mx, _MLX[op])(array, axis=None if axes is None else list(axes)), x)
    if magnitude is not None:
        # Where it is infinite or NaN, so is the sum: the pattern decides there.
        magnitude = np.nan_to_num(magnitude, nan=0.0, posinf=0.0)
    orders: tuple[Callable[[], NDArray], ...] = ()
    if op in _ACCUMULATE and x.dtype.name in FORMATS:
        orders = (partial(_in_turn, op, x, axes), partial(_in_pairs, op, x, axes))
    return Case(name, program, np.asarray(truth), peer, magnitude, orders)


def _reduced_first(x: NDArray, axes: Axes) -> NDArray:
    """Two-dimensional: what is reduced, what is kept."""
    reduced = tuple(range(x.ndim)) if axes is None else axes
    rows = np.moveaxis(x, reduced, range(len(reduced)))
    return rows.reshape(int(np.prod(rows.shape[: len(reduced)])), -1)


def _in_turn(op: str, x: NDArray, axes: Axes) -> NDArray:
    """From the first element to the last, every step rounded to the dtype."""
    with np.errstate(all="ignore"):
        return np.asarray(_ACCUMULATE[op].accumulate(_reduced_first(x, axes), axis=0)[-1])


def _in_pairs(op: str, x: NDArray, axes: Axes) -> NDArray:
    """Halves on halves, every step rounded to the dtype."""
    rows = _reduced_first(x, axes)
    with np.errstate(all="ignore"):
        while len(rows) > 1:
            half = len(rows) // 2
            rows = np.concatenate([_ACCUMULATE[op](rows[:half], rows[half : 2 * half]), rows[2 * half :]])
    return rows[0]


def _out(op: str, dtype: Any) -> Any:
    """The type of the result: sums and products of narrow integers are int32, and wrap around."""
    return np.dtype(np.int32) if op in ("sum", "prod") and dtype in (np.int8, np.int16) else dtype


def _same(op: str, x: NDArray) -> dict[str, Any]:
    return {"dtype": _out(op, x.dtype)} if op in ("sum", "prod") else {}


def _kinds(op: str, dtype: str) -> tuple[str, ...]:
    if dtype not in FORMATS or op == "prod":
        return ("normal",)
    return ("normal", "large", "inf", "nan") if op == "sum" else ("normal", "inf", "-inf", "nan")


@dataclass(frozen=True)
class Family:
    """Kernels of one shape of reduction: how they are launched, and on what (shape, axes).

    repeats  where a case has one result only: how many cases, so that errors are more than one draw
    """

    launch: Callable[[str, NDArray, Axes], Program]
    shapes: tuple[tuple[tuple[int, ...], Axes], ...]
    repeats: int = 1


def _last_axis(host_function: Callable[..., Program]) -> Callable[[str, NDArray, Axes], Program]:
    return lambda op, x, axes: host_function(op, x, axes or (), _out(op, x.dtype))


def _columns(host_function: Callable[..., Program]) -> Callable[[str, NDArray, Axes], Program]:
    """The last of `axes` is the column axis, the others are reduced with it."""
    return lambda op, x, axes: host_function(op, x, (axes or ())[-1], _out(op, x.dtype), (axes or ())[:-1])


def _large(host_function: Callable[..., Program]) -> Callable[..., Program]:
    return lambda op, x, axes, out: host_function(op, x, axes, out, True)


def _rows(*shapes: tuple[int, int]) -> tuple[tuple[tuple[int, ...], Axes], ...]:
    return tuple((shape, (1,)) for shape in shapes)


FAMILIES: dict[str, Family] = {
    "all_reduce": Family(
        lambda op, x, axes: host.all_reduce(op, x, _out(op, x.dtype)),
        tuple(((n,), None) for n in (1, 3, 31, 128, 1021, 4096)),
        repeats=6,
    ),
    "all_reduce (two passes)": Family(
        lambda op, x, axes: host.all_reduce(op, x, _out(op, x.dtype)),
        tuple(((n,), None) for n in (4097, 70001)),
        repeats=6,
    ),
    "row_reduce_small": Family(
        _last_axis(host.row_reduce_small),
        (
            *_rows((1, 1), (37, 5), (9, 64), (1030, 3)),
            ((6, 3, 7), (0, 2)),
            ((2, 3, 4, 5), (0, 2, 3)),
        ),
    ),
    "row_reduce_small (simdgroup)": Family(
        _last_axis(host.row_reduce_small),
        (((40, 5, 9), (0, 2)), ((33, 3, 8), (0, 2)), ((7, 2, 9, 33), (0, 2, 3))),
        repeats=6,
    ),
    "row_reduce_small_large": Family(_last_axis(_large(host.row_reduce_small)), (((37, 5), (1,)), ((6, 3, 7), (0, 2)))),
    "row_reduce_simple": Family(
        lambda op, x, axes: host.row_reduce_simple(op, x, _out(op, x.dtype)),
        _rows((4, 65), (33, 127), (5, 513), (7, 1000), (6, 1025), (4, 4099)),
        repeats=3,
    ),
    "row_reduce_looped": Family(
        _last_axis(host.row_reduce_looped),
        (*_rows((3, 65), (2, 1000), (1, 4099)), ((5, 3, 129), (0, 2)), ((2, 3, 4, 70), (0, 2, 3))),
        repeats=6,
    ),
    "row_reduce_looped_large": Family(
        _last_axis(_large(host.row_reduce_looped)), (((3, 65), (1,)), ((5, 3, 129), (0, 2))), repeats=6
    ),
    "col_reduce_small": Family(
        _columns(host.col_reduce_small),
        (((1, 1), (0,)), ((5, 3), (0,)), ((31, 130), (0,)), ((3, 7, 33), (1,)), ((3, 2, 5, 9), (0, 2))),
    ),
    "col_reduce_longcolumn": Family(
        _columns(host.col_reduce_longcolumn),
        (((1024, 1), (0,)), ((1031, 7), (0,)), ((2, 1500, 31), (1,)), ((40, 2, 33, 5), (0, 2))),
    ),
    "col_reduce_looped": Family(
        _columns(host.col_reduce_looped),
        (((32, 31), (0,)), ((101, 33), (0,)), ((3, 64, 70), (1,)), ((5, 2, 33, 40), (0, 2))),
    ),
    "col_reduce_2pass": Family(
        _columns(host.col_reduce_two_pass),
        (((257, 32), (0,)), ((1000, 33), (0,)), ((2, 300, 65), (1,)), ((9, 2, 40, 35), (0, 2))),
    ),
}


def _cases(family: str, op: str, dtype: str) -> list[Case]:
    rng = generator("reduce", family, op, dtype)
    cases = []
    row = FAMILIES[family]
    for kind, (shape, axes) in product(_kinds(op, dtype), row.shapes):
        for _ in range(row.repeats if kind in ("normal", "large") and op in ("sum", "prod") else 1):
            x = _values(rng, shape, op, dtype, kind)
            cases.append(_case(op, x, axes, f"{shape} {kind}", row.launch(op, x, axes)))
    return cases


def _arg_values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, kind: str) -> NDArray:
    if dtype not in FORMATS:
        return integers(rng, int(np.prod(shape)), dtype).reshape(shape)
    if kind == "ties":
        return rounded(rng.integers(-2, 3, shape).astype(float), dtype)
    x = normal(rng, shape, dtype)
    if kind == "infinities":
        x.reshape(-1)[:: max(1, x.size // 5)] = np.inf
        x.reshape(-1)[1 :: max(1, x.size // 4)] = -np.inf
    return x


def _arg_cases(op: str, dtype: str) -> list[Case]:
    """Of equal elements the first."""
    rng = generator("arg_reduce", op, dtype)
    shapes = (((1,), 0), ((5,), 0), ((33, 7), 1), ((3, 129), 1), ((65, 9), 0), ((2, 4099), 1), ((4, 37, 5), 1))
    cases = []
    for kind, (shape, axis) in product(("normal", "ties", "infinities") if dtype in FORMATS else ("normal",), shapes):
        x = _arg_values(rng, shape, dtype, kind)
        values = real(x) if dtype in FORMATS else x
        truth = getattr(np, op)(values, axis=axis).astype(np.uint32)
        peer = mlx(lambda mx, array, axis=axis: getattr(mx, op)(array, axis=axis), x) if dtype in FORMATS else None
        cases.append(Case(f"{shape} axis {axis} {kind}", host.arg_reduce(op, x, axis), truth, peer))
    return cases


def _arg_nan(op: str, dtype: str) -> list[Case]:
    """Of elements among which are NaN the first NaN."""
    rows = [[np.nan, 1.0, 3.0, -2.0], [1.0, np.nan, np.nan, -2.0], [1.0, 3.0, -2.0, np.nan], [np.nan] * 4]
    x = rounded(rows, dtype)
    long = rounded(np.where(np.arange(1021) % 499 == 498, np.nan, np.arange(1021) % 7), dtype)[None, :]
    cases = []
    for name, values in (("short", x), ("long", long)):
        truth = getattr(np, op)(real(values), axis=1).astype(np.uint32)
        cases.append(Case(name, host.arg_reduce(op, values, 1), truth))
    return cases


def _init(op: str, dtype: str) -> list[Case]:
    lowest, highest = (-np.inf, np.inf) if dtype in FORMATS else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    value = {"sum": 0, "prod": 1, "max": lowest, "min": highest}[op]
    truth = np.full(33, value, np.float64 if dtype in FORMATS else dtype)
    return [
        Case(
            "33", host.init_reduce(op, 33, np.dtype(dtype) if dtype not in FORMATS else rounded(0, dtype).dtype), truth
        )
    ]


def groups() -> Iterator[Group]:
    for dtype, family, op in product(FLOATS, FAMILIES, OPS):
        yield Group("reduce", f"{family}_{op}", dtype, partial(_cases, family, op, dtype))
    for family, op, dtype in product(FAMILIES, ("sum", "max"), ("int8", "int32", "int64")):
        result = "int32" if (op, dtype) == ("sum", "int8") else None
        yield Group("reduce", f"{family}_{op}", dtype, partial(_cases, family, op, dtype), result)
    for family, op in product(FAMILIES, ("and", "or")):
        yield Group("reduce", f"{family}_{op}", "bool", partial(_cases, family, op, "bool"))
    for op, dtype in product(OPS, (*FLOATS, "int32")):
        yield Group("reduce", f"init_reduce_{op}", dtype, partial(_init, op, dtype))
    for op, dtype in product(
        ("argmax", "argmin"), ("bool", "uint8", "int8", "int16", "int32", "int64", "uint64", *FLOATS)
    ):
        yield Group("arg_reduce", op, dtype, partial(_arg_cases, op, dtype), "uint32")
    for op, dtype in product(("argmax", "argmin"), FLOATS):
        yield Group("arg_reduce", f"{op} of NaN", dtype, partial(_arg_nan, op, dtype), "uint32")
