"""rms_norm, layer_norm, softmax and log-sum-exp, on one row per threadgroup and looped."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from apple.case import Case, Group, generator
from apple.host import rows as host
from apple.launch import NDArray
from apple.operands import FLOATS, normal, real, rounded, uniform
from apple.peer import mlx
from isometal.parity.definitions import rows as definitions

EPS = 1e-5
#: Rows x columns: one element, below, at and above a simdgroup's and a threadgroup's share, odd, prime.
SINGLE = ((1, 1), (3, 4), (2, 31), (4, 128), (3, 129), (2, 1000), (2, 1021), (1, 4096))
LOOPED = ((2, 4097), (1, 4100), (2, 8191), (1, 12289))
LAYER_NORM_SINGLE = ((1, 8), (3, 32), (2, 255), (4, 256), (3, 257), (2, 1000), (1, 6656))
LAYER_NORM_LOOPED = ((2, 6657), (1, 8191), (1, 12288))
#: Scales of the operands.
SCALES = (1.0, 30.0, 0.01)


def _inputs(rng: np.random.Generator, shape: tuple[int, int], dtype: str, scale: float) -> NDArray:
    return normal(rng, shape, dtype, scale)


def _rms_norm(dtype: str, looped: bool) -> list[Case]:
    rng = generator("rms_norm", dtype, looped)
    cases = []
    for shape, scale in product(LOOPED if looped else SINGLE, SCALES):
        x = _inputs(rng, shape, dtype, scale)
        weight = None if shape[1] == 129 else uniform(rng, shape[1], dtype, 0.5, 2.0)
        truth = definitions.rms_norm((x, weight), {"eps": EPS})
        peer = mlx(lambda mx, x, w: mx.fast.rms_norm(x, w, EPS), x, weight)
        cases.append(Case(f"{shape} x {scale}", host.rms_norm(x, weight, EPS), truth.value, peer))
    return cases


def _layer_norm(dtype: str, looped: bool) -> list[Case]:
    rng = generator("layer_norm", dtype, looped)
    cases = []
    for (shape, scale), shift in product(
        product(LAYER_NORM_LOOPED if looped else LAYER_NORM_SINGLE, SCALES), (0.0, 3.0)
    ):
        x = rounded(real(_inputs(rng, shape, dtype, scale)) + shift * scale, dtype)
        weight, bias = uniform(rng, shape[1], dtype, 0.5, 2.0), normal(rng, shape[1], dtype)
        truth = definitions.layer_norm((x, weight, bias), {"eps": EPS})
        # Weighted value and bias may cancel: errors are in proportion to the two, not to their sum.
        terms = np.abs(truth.value - real(bias)) + np.abs(real(bias))
        peer = mlx(lambda mx, x, w, b: mx.fast.layer_norm(x, w, b, EPS), x, weight, bias)
        name = f"{shape} x {scale} + {shift}"
        cases.append(Case(name, host.layer_norm(x, weight, bias, EPS), truth.value, peer, terms))
    return cases


def _softmax_rows(rng: np.random.Generator, shape: tuple[int, int], dtype: str, kind: str) -> NDArray:
    x = normal(rng, shape, dtype, {"steep": 20.0}.get(kind, 2.0))
    if kind == "masked":
        x[rng.random(shape) < 0.4] = -np.inf
        x[:, -1] = 1.0
    if kind == "nan":
        x[0, shape[1] // 2] = np.nan
    if kind == "far":
        x = rounded(real(x) + (1000.0 if dtype == "float16" else 10000.0), dtype)
    return x


def _softmax(dtype: str, looped: bool, precise: bool) -> list[Case]:
    rng = generator("softmax", dtype, looped, precise)
    cases = []
    for shape, kind in product(LOOPED if looped else SINGLE, ("flat", "steep", "masked", "far", "nan")):
        x = _softmax_rows(rng, shape, dtype, kind)
        with np.errstate(all="ignore"):
            truth = definitions.softmax((x,), {}).value
        # Probabilities below the normal numbers are flushed to zero or lose digits, on every device: count from 2^-20.
        peer = mlx(lambda mx, x: mx.softmax(x, axis=-1, precise=precise), x)
        floor = np.maximum(np.abs(np.nan_to_num(truth)), 2.0**-20)
        cases.append(Case(f"{shape} {kind}", host.softmax(x, precise), truth, peer, floor))
    return cases


def _logsumexp(dtype: str, looped: bool) -> list[Case]:
    rng = generator("logsumexp", dtype, looped)
    cases = []
    for shape, kind in product(LOOPED if looped else SINGLE, ("flat", "steep", "masked", "far")):
        x = _softmax_rows(rng, shape, dtype, kind)
        values = real(x)
        largest = values.max(axis=1, keepdims=True)
        logarithm = np.log(np.exp(values - largest).sum(axis=1))
        truth = largest[:, 0] + logarithm
        peer = mlx(lambda mx, x: mx.logsumexp(x, axis=-1), x)
        magnitude = np.abs(largest[:, 0]) + logarithm
        cases.append(Case(f"{shape} {kind}", host.logsumexp(x), truth, peer, magnitude))
    return cases


def groups() -> Iterator[Group]:
    table: list[tuple[str, str, Any]] = [
        ("rms_norm", "rms", _rms_norm),
        ("layer_norm", "layer_norm", _layer_norm),
    ]
    for dtype, looped in product(FLOATS, (False, True)):
        for family, kernel, make in table:
            yield Group(family, f"{kernel}{'_looped' if looped else ''}", dtype, partial(make, dtype, looped))
        stem = "looped" if looped else "block"
        yield Group("softmax", f"{stem}_softmax", dtype, partial(_softmax, dtype, looped, False))
        if dtype != "float32":
            yield Group("softmax", f"{stem}_softmax_precise", dtype, partial(_softmax, dtype, looped, True))
        yield Group("softmax", f"{stem}_logsumexp", dtype, partial(_logsumexp, dtype, looped))
