"""One example of a law: draws, arrays on the backend under test, and comparisons that raise `Broken`.

Bounds. An op promises for each element |result - truth| <= `allowed`: the rule of its row in the op table, never
less than the rounding of the truth itself, plus what MLX's own algorithm is known to add (mlx only). A law says that
two expressions have the same truth, so they may differ by the sum of what each evaluation is allowed. Where IEEE 754
or exact arithmetic promises more, a law asks for more: `same`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import isometal as im
from isometal import dtypes
from isometal.optable import FLOATING, OPS
from isometal.parity.model import Case, NDArray, Truth
from isometal.parity.operands import Operands
from isometal.parity.properties.draw import Draw
from isometal.parity.rounding import FORMATS, round_to, spacing
from isometal.parity.subnormals import flush, flushes
from isometal.parity.truth import truth


class Broken(AssertionError):
    """A law does not hold for an example."""


class Trial(Draw):
    """What a law gets."""

    def __init__(self, data: Any, op: str, dtype: str, backend: str) -> None:
        super().__init__(data, dtype)
        self.op = op
        self.backend = backend
        #: Largest error of this example in units of its bound.
        self.worst = 0.0

    @property
    def tolerance(self) -> float:
        """The tolerance value of the op for the dtype."""
        return OPS[self.op].tolerance[self.dtype].value

    @property
    def unit_roundoff(self) -> float:
        return FORMATS[self.dtype].unit_roundoff

    def _representable(self, made: NDArray) -> NDArray:
        return flush(made, made.dtype.name) if flushes(self.backend, self.op) else made

    def _values(self, result: im.Array | NDArray) -> NDArray:
        """A side of a comparison. A device that flushes subnormals may do so on one side only."""
        return self._representable(to_numpy(result))

    # -- arrays ---------------------------------------------------------------------------------------------------
    def array(self, values: NDArray) -> im.Array:
        return im.array(values, backend=self.backend)

    def place(self, values: NDArray, layout: str) -> im.Array:
        """The values on the backend as a view with strides; gaps hold ones."""
        if layout == "contiguous" or values.ndim == 0:
            return self.array(values)
        if layout == "transposed":
            return self.array(np.ascontiguousarray(values.T)).T
        if layout == "reversed":
            backwards = (slice(None, None, -1),) * values.ndim
            return self.array(np.ascontiguousarray(values[backwards]))[backwards]
        every_other = (slice(None, None, 2),) * values.ndim
        base = np.ones(tuple(2 * n for n in values.shape), values.dtype)
        base[every_other] = values
        return self.array(base)[every_other]

    def operand(self, shape: tuple[int, ...], classes: Sequence[str], name: str = "x") -> im.Array:
        return self.place(self.numbers(shape, classes, name), self.layout(f"layout of {name}"))

    # -- truth ----------------------------------------------------------------------------------------------------
    def truth(self, *inputs: Any, op: str = "", **params: Any) -> Truth:
        """The float64 truth of the op (or another) on NumPy operands."""
        name = op or self.op
        return truth(Case(name, self.dtype, "property", ()), Operands(list(inputs), params))

    def allowed(self, expected: Truth, op: str = "") -> NDArray:
        """What the op promises: the largest allowed |result - truth|, element by element. Zero where not finite."""
        tolerance = OPS[op or self.op].tolerance[expected.dtype]
        value = np.asarray(expected.value, np.float64)
        finite = np.isfinite(value)
        rounded = round_to(value, expected.dtype) if expected.dtype in FLOATING else value
        own = np.abs(np.where(finite & np.isfinite(rounded), rounded, 0.0) - np.where(finite, value, 0.0))
        size = np.abs(np.where(finite, value, 0.0))
        if tolerance.rule == "exact":
            bound = own
        elif tolerance.rule == "ulp":
            bound = tolerance.value * spacing(rounded, expected.dtype)
        elif tolerance.rule == "close":
            bound = tolerance.value * (1.0 + size)
        else:
            assert expected.magnitude is not None
            bound = tolerance.value * np.where(np.isfinite(expected.magnitude), expected.magnitude, 0.0)
        bound = np.maximum(bound, own)
        if self.backend == "mlx" and expected.mlx_slack is not None:
            bound = bound + np.where(np.isfinite(expected.mlx_slack), expected.mlx_slack, 0.0)
        return np.asarray(bound)

    # -- comparisons ------------------------------------------------------------------------------------------------
    def same(self, result: im.Array | NDArray, other: im.Array | NDArray, law: str) -> None:
        """Equal dtype, shape and values, the sign of zero included; any NaN equals any NaN."""
        self._equal(result, other, law, signed_zeros=True)

    def equal(self, result: im.Array | NDArray, other: im.Array | NDArray, law: str) -> None:
        """Equal dtype, shape and values; the zeros are one number."""
        self._equal(result, other, law, signed_zeros=False)

    def _equal(self, result: im.Array | NDArray, other: im.Array | NDArray, law: str, signed_zeros: bool) -> None:
        x, y = self._values(result), self._values(other)
        self._same_kind(x, y.dtype, y.shape, law)
        if x.dtype.kind not in "iub":
            x, y = x.astype(np.float64), y.astype(np.float64)
            wrong = (x != y) & ~(np.isnan(x) & np.isnan(y))
            if signed_zeros:
                wrong |= (x == 0) & (y == 0) & (np.signbit(x) != np.signbit(y))
        else:
            wrong = x != y
        if np.any(wrong):
            index = _first(wrong)
            raise Broken(f"{law}: element {index} is {x[index]!r} on one side and {y[index]!r} on the other.")

    def within(self, result: im.Array | NDArray, expected: NDArray | float, bound: NDArray | float, law: str) -> None:
        """|result - expected| <= bound in float64; NaN and infinities must be equal where ``expected`` has them."""
        values = self._values(result)
        x = values.astype(np.float64)
        t = np.asarray(expected, np.float64)
        if flushes(self.backend, self.op):
            t = flush(t, values.dtype.name)
        if x.shape != t.shape:
            raise Broken(f"{law}: the shape is {x.shape}; it must be {t.shape}.")
        limit = np.broadcast_to(np.asarray(bound, np.float64), x.shape)
        finite = np.isfinite(x) & np.isfinite(t)
        same = (x == t) | (np.isnan(x) & np.isnan(t))
        error = np.abs(np.where(finite, x, 0.0) - np.where(finite, t, 0.0))
        wrong = np.where(finite, error > limit, ~same)
        if np.any(wrong):
            index = _first(wrong)
            raise Broken(
                f"{law}: element {index} is {float(x[index])!r}, expected {float(t[index])!r}; "
                f"they differ by {float(error[index]):.3g}, allowed is {float(limit[index]):.3g}."
            )
        ratio = np.zeros(x.shape)
        np.divide(error, limit, out=ratio, where=limit > 0)
        self.worst = max(self.worst, float(ratio.max(initial=0.0)))

    def at_least(self, result: NDArray, floor: NDArray | float, slack: NDArray | float, law: str) -> None:
        """result >= floor - slack in float64, element by element. NaN breaks it."""
        x, low = np.broadcast_arrays(np.asarray(result, np.float64), np.asarray(floor, np.float64))
        wrong = ~(x >= low - slack)
        if np.any(wrong):
            index = _first(wrong)
            raise Broken(f"{law}: element {index} is {float(x[index])!r}; it must be at least {float(low[index])!r}.")

    def _same_kind(self, x: NDArray, dtype: np.dtype[Any], shape: tuple[int, ...], law: str) -> None:
        if x.dtype != dtype or x.shape != shape:
            raise Broken(f"{law}: {x.dtype} {x.shape} on one side, {dtype} {shape} on the other.")


def to_numpy(x: im.Array | NDArray) -> NDArray:
    return x.numpy() if isinstance(x, im.Array) else np.asarray(x)


def real(x: im.Array | NDArray) -> NDArray:
    """The values in float64."""
    return to_numpy(x).astype(np.float64)


def scalar(value: float, dtype: str) -> NDArray:
    """A 0-d array."""
    return np.array(value, dtypes.BY_NAME[dtype])


def _first(wrong: NDArray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])
