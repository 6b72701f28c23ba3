"""Laws of sum, mean, max."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

import isometal as im
from isometal.optable import FLOATING
from isometal.parity.model import NDArray
from isometal.parity.properties.draw import FINITE
from isometal.parity.properties.law import Law
from isometal.parity.properties.trial import Trial, real, to_numpy
from isometal.parity.rounding import to_dtype

INTEGRAL = ("int32", "int64", "uint32", "bool")


def _op(t: Trial) -> Callable[..., im.Array]:
    return {"sum": im.sum, "mean": im.mean, "max": im.max}[t.op]


def _values(t: Trial, min_rank: int = 0) -> NDArray:
    """Integers may wrap around; a maximum needs an element on each axis."""
    low = 1 if t.op == "max" else 0
    classes = ("normal", "extremes") if not t.floating else (*FINITE, "special") if t.op == "max" else FINITE
    return t.numbers(t.shape(min_rank, low=low), classes)


def _allowed(t: Trial, values: NDArray, axes: tuple[int, ...]) -> NDArray:
    expected = t.truth(values, axis=axes)
    allowed = t.allowed(expected)
    if t.backend != "mlx" or expected.magnitude is None:
        return allowed
    # MLX adds up in float32 with few accumulators, so equal numbers make a bias: 1.2e-5 of the sum for 2000 of them.
    # Any order of n additions keeps to n 2^-24 of the sum of magnitudes (Higham, 4.2).
    n = math.prod(values.shape[axis] for axis in axes)
    return np.asarray(np.maximum(allowed, (n + 1) * 2.0**-24 * expected.magnitude))


def _alike(t: Trial, one: im.Array | NDArray, other: im.Array | NDArray, bound: NDArray, law: str) -> None:
    """Integers and maxima bit for bit; sums within ``bound``."""
    if t.op == "max" or to_numpy(one).dtype.kind in "iub":
        t.equal(one, other, law)
    else:
        t.within(one, real(other), bound, law)


def _keepdims(t: Trial) -> None:
    values = _values(t)
    argument, axes = t.axes(values.ndim)
    x = t.place(values, t.layout())
    kept, dropped = _op(t)(x, argument, keepdims=True), _op(t)(x, argument)
    shape = tuple(1 if axis in axes else n for axis, n in enumerate(values.shape))
    _alike(t, kept, im.reshape(dropped, shape), 2 * _allowed(t, values, axes).reshape(shape), "keepdims only reshapes")


def _axis_names(t: Trial) -> None:
    # Negative or not, in any order, as int or tuple: the same axes.
    values = _values(t)
    argument, axes = t.axes(values.ndim)
    x = t.place(values, t.layout())
    bound = 2 * _allowed(t, values, axes)
    _alike(t, _op(t)(x, argument), _op(t)(x, axes[::-1]), bound, "an axis has several names")


def _no_axes(t: Trial) -> None:
    # Nothing is reduced: a copy (float32 for the mean of integers, int32 for the sum of bool).
    values = _values(t)
    result = _op(t)(t.place(values, t.layout()), ())
    wanted = {"sum": "int32" if t.dtype == "bool" else t.dtype, "mean": t.dtype if t.floating else "float32"}
    t.equal(result, t.array(values).astype(wanted.get(t.op, t.dtype)), "no axes, no change")


def _permutes(t: Trial) -> None:
    # The same terms in another order.
    values = _values(t, 1)
    order = list(t.permutation(values.shape[0]))
    straight, moved = _op(t)(t.place(values, t.layout()), 0), _op(t)(t.array(values[order]), 0)
    _alike(t, straight, moved, 2 * _allowed(t, values, (0,)), "the order of the terms does not matter")


def _transposes(t: Trial) -> None:
    # Axis i of x is axis n - 1 - i of x.T.
    values = _values(t, 1)
    axis = t.integer(0, values.ndim - 1)
    x = t.place(values, t.layout())
    straight, turned = _op(t)(x, axis), _op(t)(x.T, values.ndim - 1 - axis).T
    _alike(t, straight, turned, 2 * _allowed(t, values, (axis,)), "an axis keeps its meaning in x.T")


def _in_steps(t: Trial) -> None:
    # Axes (0, 1) at once, or 1 and then 0. m is the sum of magnitudes, a the tolerance: the direct sum is off by a m at
    # most, the partial sums by a m together, their sum by a (m + a m): (3 + a) a m.
    values = _values(t, 2)
    x = t.place(values, t.layout())
    at_once, in_steps = _op(t)(x, (0, 1)), _op(t)(_op(t)(x, 1), 0)
    bound = (3 + t.tolerance) * _allowed(t, values, (0, 1))
    _alike(t, at_once, in_steps, bound, "axes at once or one by one")


def _adds_exactly(t: Trial) -> None:
    # Whole numbers up to 8, at most MAX_ELEMENTS of them: every partial sum is a whole number below 2^24, which
    # float32 holds (accumulation is in float32), so the result is the truth rounded once, whatever the order.
    values = t.whole(t.shape(), 8)
    argument, axes = t.axes(values.ndim)
    result = im.sum(t.place(values, t.layout()), argument)
    t.equal(result, to_dtype(real(values).sum(axis=axes), t.dtype), "whole numbers add exactly")


def _accumulates_in_float32(t: Trial) -> None:
    # Summation of n terms in float32, in any order, is off by (n - 1) w m / (1 - (n - 1) w) at most, w = 2^-24, m the
    # sum of magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, 4.2); the result is rounded once more.
    values = t.numbers(t.shape(1), ("normal", "positive", "alternating"))
    argument, axes = t.axes(values.ndim)
    n = math.prod(values.shape[axis] for axis in axes)
    wide = real(values)
    m, total = np.abs(wide).sum(axis=axes), wide.sum(axis=axes)
    error = max(n - 1, 0) * 2.0**-24 * 1.001 * m
    bound = error + t.unit_roundoff * (np.abs(total) + error)
    t.within(im.sum(t.place(values, t.layout()), argument), total, bound, "sums accumulate in float32")


def _integers_wrap(t: Trial) -> None:
    # Modulo 2^32 or 2^64, whatever the order.
    values = t.numbers(t.shape(), ("extremes", "huge", "palette"))
    argument, axes = t.axes(values.ndim)
    dtype = np.int32 if t.dtype == "bool" else values.dtype
    total = np.add.reduce(values.astype(np.int64).view(np.uint64), axis=axes).view(np.int64).astype(dtype)
    t.equal(im.sum(t.place(values, t.layout()), argument), np.asarray(total), "integers add modulo 2^n")


def _mean_times_count(t: Trial) -> None:
    values = t.numbers(t.shape(low=1), FINITE)
    argument, axes = t.axes(values.ndim)
    n = math.prod(values.shape[axis] for axis in axes)
    x = t.place(values, t.layout())
    # The bound of the sum is n times that of the mean.
    bound = 2 * n * _allowed(t, values, axes)
    t.within(n * real(im.mean(x, argument)), real(im.sum(x, argument)), bound, "n mean = sum")


def _mean_inside(t: Trial) -> None:
    # min <= mean <= max.
    values = _values_for_mean(t)
    argument, axes = t.axes(values.ndim)
    result, slack = real(im.mean(t.place(values, t.layout()), argument)), _allowed(t, values, axes)
    t.at_least(result, real(values).min(axis=axes), slack, "mean >= min")
    t.at_least(real(values).max(axis=axes), result, slack, "mean <= max")


def _mean_of_constant(t: Trial) -> None:
    # The mean of equal numbers is that number.
    shape = t.shape(low=1)
    value = t.numbers((), ("normal", "positive", "ramp") if t.floating else ("normal",), "constant")
    argument, axes = t.axes(len(shape))
    values = np.full(shape, value)
    result = im.mean(t.place(values, t.layout()), argument)
    t.within(result, real(values).mean(axis=axes), _allowed(t, values, axes), "the mean of c is c")


def _mean_exact(t: Trial) -> None:
    # Whole numbers and a count that is a power of two: sum and division are exact in float32, so one rounding remains.
    count = t.choice((1, 2, 8, 32, 64))
    values = t.whole((count, t.extent()), 8)
    result = im.mean(t.place(values, t.layout()), 0)
    dtype = t.dtype if t.floating else "float32"
    t.equal(result, to_dtype(real(values).sum(axis=0) / count, dtype), "whole numbers have an exact mean")


def _values_for_mean(t: Trial) -> NDArray:
    return t.numbers(t.shape(low=1), FINITE if t.floating else ("normal",))


def _max_is_element(t: Trial) -> None:
    # One of the elements, and none is greater; NaN where there is one.
    values = _values(t)
    argument, axes = t.axes(values.ndim)
    result = to_numpy(im.max(t.place(values, t.layout()), argument, keepdims=True))
    # int64 does not fit float64, so integers are compared as they are.
    wide, top = (real(values), real(result)) if t.floating else (values, result)
    always = np.ones(top.shape, bool)
    poisoned = np.asarray(np.isnan(wide).any(axis=axes, keepdims=True)) if t.floating else ~always
    present = np.asarray((wide == top).any(axis=axes, keepdims=True))
    greatest = np.asarray((wide <= top).all(axis=axes, keepdims=True))
    t.same(np.asarray(present | poisoned), always, "the maximum is an element")
    t.same(np.asarray(greatest | poisoned), always, "no element is greater")
    if t.floating:
        t.same(np.isnan(top), poisoned, "the maximum is NaN where an element is")


def _max_idempotent(t: Trial) -> None:
    values = _values(t)
    argument, _ = t.axes(values.ndim)
    once = im.max(t.place(values, t.layout()), argument, keepdims=True)
    t.equal(im.max(once, argument, keepdims=True), once, "max(max(x)) = max(x)")


def _max_of_broadcast(t: Trial) -> None:
    # Repeating elements changes nothing.
    values = _values(t)
    x = t.place(values, t.layout())
    repeated = im.broadcast_to(x, (t.integer(1, 3), *values.shape))
    t.equal(im.max(repeated, 0), x, "the maximum of copies of x is x")


_SHARED = (
    Law("keepdims", _keepdims),
    Law("axis-names", _axis_names),
    Law("no-axes", _no_axes),
    Law("permutes", _permutes),
    Law("transposes", _transposes),
)
LAWS = {
    "sum": (
        *_SHARED,
        Law("in-steps", _in_steps),
        Law("adds-exactly", _adds_exactly, FLOATING),
        Law("accumulates-in-float32", _accumulates_in_float32, FLOATING),
        Law("integers-wrap", _integers_wrap, INTEGRAL),
    ),
    "mean": (
        *_SHARED,
        Law("times-count-is-sum", _mean_times_count, FLOATING),
        Law("inside", _mean_inside),
        Law("of-constant", _mean_of_constant),
        Law("exact", _mean_exact),
    ),
    "max": (
        *_SHARED,
        Law("in-steps", _in_steps),
        Law("is-element", _max_is_element),
        Law("idempotent", _max_idempotent),
        Law("of-broadcast", _max_of_broadcast),
    ),
}
