"""Copies and arange: every pair of types on vectors, every layout for a few types. All exact."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from apple.case import Case, Group, generator
from apple.host import elementwise as host
from apple.launch import NDArray
from apple.operands import FLOATS, LAYOUTS, SIZES, integers, numpy_dtype, real, rounded, view
from apple.peer import mlx
from isometal.parity.rounding import FORMATS, round_to

TYPES = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "bfloat16", "float32", "complex64",
)  # fmt: skip
#: A byte, two, four, eight.
WIDTHS = ("uint8", "float16", "bfloat16", "float32", "int64")


def _values(rng: np.random.Generator, size: int, source: str, target: str) -> NDArray:
    """Values that the target holds, or rounds: a float beyond an integer type is undefined in Metal."""
    if source not in (*FORMATS, "complex64"):
        x = integers(rng, size, source)
        # Beyond float16's range, or where rounding by way of float32 is rounding twice.
        limit = {"float16": 2**15, "bfloat16": 2**24}.get(target)
        if source == "bool" or limit is None or np.iinfo(source).max <= limit:
            return x
        return np.asarray(np.fmod(x, numpy_dtype(source).type(limit)))
    low, high = (0.0, 120.0) if target.startswith("uint") else (-120.0, 120.0)
    values = rng.uniform(low, high, size)
    if source == "complex64":
        return (values + 1j * rng.uniform(-3.0, 3.0, size)).astype(np.complex64)
    x = rounded(values, source)
    x[: size // 7] = 0
    return x


def _converted(x: NDArray, target: str) -> NDArray:
    """What C's conversion gives: truncation to integers, one rounding to floats, != 0 to bool."""
    if target == "bool":
        return (x != 0).astype(np.uint8)
    if target == "complex64":
        return x.astype(np.complex64)
    x = x.real if np.iscomplexobj(x) else x
    if target not in FORMATS:
        return (
            np.trunc(real(x)).astype(np.int64).astype(numpy_dtype(target))
            if _is_float(x)
            else x.astype(numpy_dtype(target))
        )
    if target == "float32" and not _is_float(x):
        return real(x.astype(np.float32))
    return round_to(real(x), target)


def _is_float(x: NDArray) -> bool:
    return x.dtype.name in (*FORMATS, "float64")


def _vectors(source: str, target: str, variant: str, sizes: tuple[int, ...] = SIZES) -> list[Case]:
    rng = generator("copy", source, target, variant)
    inputs = [(f"{size}", _values(rng, size, source, target)) for size in sizes]
    return [Case(name, host.copy(x, x.size, target, variant), _converted(x, target)) for name, x in inputs]


def _scalars(source: str, target: str, variant: str) -> list[Case]:
    rng = generator("fill", source, target, variant)
    cases = []
    for size in (2, 33, 4099):
        x = _values(rng, 1, source, target)
        truth = np.broadcast_to(_converted(x, target), (size,))
        cases.append(Case(f"{size}", host.copy(x, size, target, variant), truth))
    return cases


def _strided(dtype: str, rank: str, large: bool) -> list[Case]:
    rng = generator("copy", dtype, rank, large)
    cases = []
    for name, shape, strides, _ in LAYOUTS:
        if (f"g{len(shape)}" if len(shape) <= 3 else "gn") == rank:
            x = view(_values(rng, 4096, dtype, dtype), shape, strides)
            program = host.copy_strided(x.buffer, x.shape, x.strides, dtype, large)
            cases.append(Case(name, program, _converted(x.array, dtype)))
    return cases


def _between(dtype: str, dynamic: bool) -> list[Case]:
    """From strides to strides. Elements of the output that the strides step over keep the poison."""
    rng = generator("copy between", dtype, dynamic)
    cases = []
    for name, shape, strides, _ in LAYOUTS:
        x = view(_values(rng, 4096, dtype, dtype), shape, strides)
        to = tuple(2 * int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
        offset = 5 if dynamic else 0
        size = offset + 2 * x.array.size
        source = np.concatenate([x.buffer[:3], x.buffer]) if dynamic else x.buffer
        program = host.copy_between(source, shape, x.strides, to, size, (3, offset) if dynamic else None)
        expected = program.output.copy()
        expected[offset::2] = x.array.reshape(-1)[: expected[offset::2].size]
        cases.append(Case(name, program, real(expected) if dtype in FORMATS else expected))
    return cases


def _arange(dtype: str) -> list[Case]:
    """start + index * step, in the type: exact here, because every value fits."""
    cases = []
    for size, start, step in ((1, 3, 1), (33, 0, 1), (127, -60, 1), (50, 100, -2)):
        if dtype.startswith("uint") and start < 0:
            continue
        kind = numpy_dtype(dtype)
        first, by = np.array([start], np.int64).astype(kind), np.array([step], np.int64).astype(kind)
        truth = start + np.arange(size, dtype=np.int64) * step
        peer = mlx(_mlx_arange, start=start, stop=start + size * step, step=step, dtype=dtype)
        answer = truth.astype(np.float64) if dtype in FORMATS else truth.astype(kind)
        cases.append(Case(f"{start},{step}x{size}", host.arange(first, by, size), answer, peer))
    if dtype in FLOATS:
        first, by = rounded([0.25], dtype), rounded([0.37], dtype)
        truth = float(first[0]) + np.arange(97) * float(by[0])
        parameters = {"start": float(first[0]), "stop": float(truth[-1] + 0.5 * float(by[0])), "step": float(by[0])}
        cases.append(Case("fractions", host.arange(first, by, 97), truth, mlx(_mlx_arange, **parameters, dtype=dtype)))
    return cases


def _mlx_arange(mx: Any, *, start: float, stop: float, step: float, dtype: str) -> Any:
    return mx.arange(start, stop, step, dtype=getattr(mx, dtype))


def groups() -> Iterator[Group]:
    for source, target in product(TYPES, TYPES):
        make = partial(_vectors, source, target, "", (33, 1021))
        yield Group("copy", f"v_copy{source}", target, make)
    for dtype, variant in product(WIDTHS, ("n", "2")):
        if dtype != "int64" or variant == "2":
            yield Group("copy", f"v{variant}_copy", dtype, partial(_vectors, dtype, dtype, variant))
    for dtype, variant in product(WIDTHS, ("", "n", "2")):
        if dtype != "int64" or variant != "n":
            yield Group("copy", f"s{variant}_copy", dtype, partial(_scalars, dtype, dtype, variant))
    for dtype, rank, large in product(WIDTHS, ("g1", "g2", "g3", "gn"), (False, True)):
        yield Group("copy", f"{rank}{'large' if large else ''}_copy", dtype, partial(_strided, dtype, rank, large))
    for dtype, dynamic in product(WIDTHS, (False, True)):
        yield Group("copy", f"gg{'_dynamic' if dynamic else ''}_copy", dtype, partial(_between, dtype, dynamic))
    for dtype in ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", *FLOATS):
        yield Group("arange", "arange", dtype, partial(_arange, dtype))
