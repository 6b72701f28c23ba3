"""Laws of rms_norm and layer_norm."""

from __future__ import annotations

from typing import Any

import numpy as np

import isometal as im
from isometal.parity.model import NDArray
from isometal.parity.properties.law import Law
from isometal.parity.properties.trial import Trial, real

_VALUES = ("normal", "positive", "ramp", "alternating")


def _call(t: Trial, x: im.Array, **params: Any) -> im.Array:
    return im.rms_norm(x, **params) if t.op == "rms_norm" else im.layer_norm(x, **params)


def _rows(t: Trial, classes: tuple[str, ...] = _VALUES, low: int = 1) -> NDArray:
    return t.numbers((*t.shape(0, 2, limit=40), t.extent(low)), classes)


def _allowed(
    t: Trial, values: NDArray, weight: NDArray | None = None, bias: NDArray | None = None, eps: float = 1e-5
) -> NDArray:
    if t.op == "rms_norm":
        return t.allowed(t.truth(values, weight, eps=eps))
    allowed = t.allowed(t.truth(values, weight, bias, eps=eps))
    if t.backend != "mlx":
        return allowed
    # MLX adds up the mean of n numbers in float32, in whatever order: off by n 2^-24 mean|x| at most, the division
    # included (Higham, 4.2). The truth's own allowance for it is a typical value, which short rows exceed.
    x = real(values)
    deviation = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    shift = x.shape[-1] * 2.0**-24 * np.abs(x).mean(axis=-1, keepdims=True) / deviation
    return np.asarray(allowed + shift * (1.0 if weight is None else np.abs(real(weight))))


def _scale_invariant(t: Trial) -> None:
    # norm(2^k x, 4^k eps) = norm(x, eps): statistics scale by 2^k (variance by 4^k) exactly, so both have one truth.
    values = _rows(t)
    power, eps = t.integer(-3, 3), t.choice((2.0**-10, 0.25, 1.0))
    t.drawn += [("power", power), ("eps", eps)]
    scaled = np.ldexp(real(values), power).astype(values.dtype)
    one = _call(t, t.place(values, t.layout()), eps=eps)
    other = _call(t, t.array(scaled), eps=eps * 4.0**power)
    t.within(one, real(other), 2 * _allowed(t, values, eps=eps), "norm(2^k x, 4^k eps) = norm(x, eps)")


def _odd(t: Trial) -> None:
    # norm(-x) = -norm(x).
    values = _rows(t)
    x = t.place(values, t.layout())
    t.within(_call(t, im.negative(x)), -real(_call(t, x)), 2 * _allowed(t, values), "norm(-x) = -norm(x)")


def _permutes(t: Trial) -> None:
    # The statistics do not depend on the order.
    values = _rows(t)
    order = list(t.permutation(values.shape[-1]))
    bound = 2 * _allowed(t, values)[..., order]
    moved = _call(t, t.array(np.ascontiguousarray(values[..., order])))
    straight = _call(t, t.place(values, t.layout()))
    t.within(moved, real(straight)[..., order], bound, "norm(x[p]) = norm(x)[p]")


def _weight_multiplies(t: Trial) -> None:
    # norm(x, w) = w norm(x): one allowance for the left, |w| times one for the right.
    values = _rows(t)
    weight = t.numbers(values.shape[-1:], ("normal", "positive"), "weight")
    x = t.place(values, t.layout())
    bound = _allowed(t, values, weight) + np.abs(real(weight)) * _allowed(t, values)
    right = real(_call(t, x)) * real(weight)
    t.within(_call(t, x, weight=t.array(weight)), right, bound, "norm(x, w) = w norm(x)")


def _ones_weight(t: Trial) -> None:
    # A weight of ones is no weight.
    values = _rows(t)
    x = t.place(values, t.layout())
    ones = t.array(np.ones(values.shape[-1:]).astype(values.dtype))
    t.within(_call(t, x, weight=ones), real(_call(t, x)), 2 * _allowed(t, values), "a weight of ones is none")


def _rows_alone(t: Trial) -> None:
    # A row does not see the others.
    values = t.numbers((t.extent(2), t.extent(1)), _VALUES)
    other = values.copy()
    other[0] = t.numbers((values.shape[1],), (*_VALUES, "special"), "new first row")
    bound = 2 * _allowed(t, values)[1:]
    before, after = _call(t, t.place(values, t.layout()))[1:], _call(t, t.array(other))[1:]
    t.within(before, real(after), bound, "rows do not see each other")


def _unit_rms(t: Trial) -> None:
    # With eps = 0 the truth has mean square 1. With |error_i| <= e_i: |mean(y^2) - 1| <= mean(2 |t_i| e_i + e_i^2).
    values = _rows(t, ("normal", "positive"))
    y = real(im.rms_norm(t.place(values, t.layout()), eps=0.0))
    expected = t.truth(values, None, eps=0.0)
    e = t.allowed(expected)
    bound = np.mean(2 * np.abs(expected.value) * e + e * e, axis=-1)
    t.within(np.mean(y * y, axis=-1), np.ones(bound.shape), bound, "the mean square is 1")


def _shift_invariant(t: Trial) -> None:
    # Whole numbers up to 100 and a whole shift up to 100: x + c is exact in every dtype, so both have one truth.
    values = t.whole((*t.shape(0, 2, limit=40), t.extent(1)), 100)
    shift = t.integer(-100, 100)
    t.drawn.append(("shift", shift))
    shifted = (real(values) + shift).astype(values.dtype)
    one, other = im.layer_norm(t.place(values, t.layout())), im.layer_norm(t.array(shifted))
    t.within(one, real(other), 2 * _allowed(t, values), "layer_norm(x + c) = layer_norm(x)")


def _centred(t: Trial) -> None:
    # The truth has mean 0 and variance v / (v + eps) <= 1; the mean of the errors is at most that of the allowances.
    values = _rows(t)
    y, e = real(im.layer_norm(t.place(values, t.layout()))), _allowed(t, values)
    t.within(np.mean(y, axis=-1), np.zeros(y.shape[:-1]), np.mean(e, axis=-1), "the mean is 0")
    size = np.abs(t.truth(values, None, None).value)
    slack = np.mean(2 * size * e + e * e, axis=-1)
    t.at_least(np.ones(y.shape[:-1]), np.mean(y * y, axis=-1), slack, "the variance is at most 1")


def _bias_adds(t: Trial) -> None:
    # layer_norm(x, w, b) = layer_norm(x, w) + b.
    values = _rows(t)
    weight = t.numbers(values.shape[-1:], ("normal",), "weight")
    bias = t.numbers(values.shape[-1:], ("normal",), "bias")
    x, w = t.place(values, t.layout()), t.array(weight)
    bound = _allowed(t, values, weight, bias) + _allowed(t, values, weight)
    right = real(im.layer_norm(x, w)) + real(bias)
    t.within(im.layer_norm(x, w, t.array(bias)), right, bound, "layer_norm(x, w, b) = layer_norm(x, w) + b")


def _constant_gives_bias(t: Trial) -> None:
    # A constant whole number has the mean itself and variance 0: nothing but the bias remains.
    width = t.extent(1)
    row = t.whole((t.extent(1), 1), 100)
    bias = t.numbers((width,), ("normal",), "bias")
    values = np.ascontiguousarray(np.broadcast_to(row, (row.shape[0], width)))
    result = im.layer_norm(t.place(values, t.layout()), bias=t.array(bias))
    t.within(
        result, np.broadcast_to(real(bias), values.shape), _allowed(t, values, None, bias), "a constant gives the bias"
    )


_SHARED = (
    Law("scale-invariant", _scale_invariant),
    Law("odd", _odd),
    Law("permutes", _permutes),
    Law("weight-multiplies", _weight_multiplies),
    Law("ones-weight", _ones_weight),
    Law("rows-alone", _rows_alone),
)
LAWS = {
    "rms_norm": (*_SHARED, Law("unit-rms", _unit_rms)),
    "layer_norm": (
        *_SHARED,
        Law("shift-invariant", _shift_invariant),
        Law("centred", _centred),
        Law("bias-adds", _bias_adds),
        Law("constant-gives-bias", _constant_gives_bias),
    ),
}
