"""What a hand-checked row is, and how one is run.

A row is data that a reader can check by eye: a call, the values that it must give, the dtype of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import isometal as im
from isometal import dtypes
from isometal.optable import OPS, Tolerance
from isometal.parity.compare import compare
from isometal.parity.model import NDArray, Outcome, Truth
from isometal.parity.subnormals import as_flushed, flush, flushes

INTEGERS = ("int32", "int64", "uint32")
SIGNED_INTEGERS = ("int32", "int64")

#: Unit roundoff: half the distance from 1 to the next number. IEEE 754 binary32, binary16; bfloat16 has 8 bits.
UNIT_ROUNDOFF = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
#: The largest finite number: (2 - 2u) * 2^emax.
LARGEST = {"float32": (2 - 2.0**-23) * 2.0**127, "float16": 65504.0, "bfloat16": (2 - 2.0**-7) * 2.0**127}
#: The smallest positive number, a subnormal.
SMALLEST = {"float32": 2.0**-149, "float16": 2.0**-24, "bfloat16": 2.0**-133}

INF, NAN = float("inf"), float("nan")


@dataclass(frozen=True)
class Make:
    """Makes arrays on the backend, of the dtype under test or another: ``x([1, 2])``, ``x(1, "int32")``."""

    backend: str
    dtype: str

    def __call__(self, values: Any, dtype: str | None = None) -> im.Array:
        return im.array(np.array(values, dtypes.BY_NAME[dtype or self.dtype]), backend=self.backend)


@dataclass(frozen=True)
class Row:
    """One hand-checked call.

    expected  nested lists, or a NumPy array where lists cannot say the shape
    result    dtype of the result; None: the dtype under test
    dtypes    dtypes under test that the row is about; None: all that the op takes
    """

    name: str
    call: Callable[[Make], im.Array]
    expected: Any
    result: str | None = None
    dtypes: tuple[str, ...] | None = None

    def applies(self, dtype: str) -> bool:
        return self.dtypes is None or dtype in self.dtypes


def per_dtype(
    name: str,
    constants: Mapping[str, float],
    call: Callable[[Make, float], im.Array],
    expected: Callable[[float], Any],
) -> tuple[Row, ...]:
    """One row for each dtype of ``constants``, such as its unit roundoff: call and expected values get the constant."""
    return tuple(
        Row(name, partial(_with_constant, call, constant), expected(constant), dtypes=(dtype,))
        for dtype, constant in constants.items()
    )


def _with_constant(call: Callable[[Make, float], im.Array], constant: float, x: Make) -> im.Array:
    return call(x, constant)


def tolerance_of(op: str, dtype: str) -> Tolerance:
    """Exact, except where the op's rule is an ULP or a relative one.

    Sums of products are exact here too: every row has values whose partial sums float32 holds exactly.
    """
    tolerance = OPS[op].tolerance[dtype]
    return Tolerance("exact") if tolerance.rule == "magnitude" else tolerance


def run(op: str, row: Row, dtype: str, backend: str) -> Outcome:
    """Call, compare, and show expected and found values where they differ."""
    with im.use_backend(backend):
        result = row.call(Make(backend, dtype))
        values = np.array(result.numpy())
    if result.backend != backend:
        return Outcome("failed", f"[{op}] the result is on {result.backend}; it must be on {backend}.")
    wanted = row.result or dtype
    truth = Truth(_expected(row.expected, wanted), wanted)
    if values.shape != truth.value.shape or values.dtype.name != wanted:
        message = (
            f"[{op}] {row.name}: the result is {values.dtype} {values.shape}; it must be {wanted} {truth.value.shape}."
        )
        return Outcome("failed", message)
    if flushes(backend, op):
        values = flush(values, wanted)
        truth = as_flushed(truth, values)
    metrics = compare(values, truth, tolerance_of(op, wanted), backend)
    if metrics.passed and _negative_zeros_kept(values, truth.value):
        return Outcome("passed", metrics=metrics)
    return Outcome("failed", _difference(op, row.name, values, truth.value, metrics.worst_index), metrics=metrics)


def _expected(expected: Any, dtype: str) -> NDArray:
    if dtypes.is_floating(dtypes.BY_NAME[dtype]):
        return np.array(expected, np.float64)
    return np.array(expected, dtypes.BY_NAME[dtype])


def _negative_zeros_kept(values: NDArray, expected: NDArray) -> bool:
    """Whether the result is -0 wherever the row says -0.0, also under rules that measure a distance only."""
    if expected.dtype != np.float64:
        return True
    where = (expected == 0) & np.signbit(expected)
    return bool(np.all(np.signbit(values.astype(np.float64))[where]))


def _difference(op: str, name: str, values: NDArray, expected: NDArray, worst: tuple[int, ...] | None) -> str:
    if values.size <= 64:
        return f"[{op}] {name}: the result is {values.tolist()}; it must be {expected.tolist()}."
    index = worst or ()
    return f"[{op}] {name}: element {index} is {values[index]}; it must be {expected[index]}."
