"""Laws of softmax."""

from __future__ import annotations

import numpy as np

import isometal as im
from isometal.parity.model import NDArray
from isometal.parity.properties.draw import Shape
from isometal.parity.properties.law import Law
from isometal.parity.properties.trial import Trial, real

_VALUES = ("normal", "spread", "ties", "ramp", "alternating")


def _drawn(t: Trial) -> tuple[NDArray, tuple[int, ...], im.Array, NDArray, bool]:
    """Values, axes, the result, what it is allowed, whether precise."""
    values = t.numbers(t.shape(1), _VALUES)
    argument, axes = t.axes(values.ndim)
    precise = t.flag("precise")
    result = im.softmax(t.place(values, t.layout()), axis=argument, precise=precise)
    return values, axes, result, t.allowed(t.truth(values, axis=axes)), precise


def _sums_to_one(t: Trial) -> None:
    # p_i = e_i / s with s the computed sum of the computed e_i: whatever exp gave, the exact sum of p is s / s. What
    # remains: the rounding of each p_i (u, twice where 1/s is rounded before the product; an underflow adds less than
    # 2^-24) and the error of s, at most (n - 1) w relative, w the roundoff of the accumulator: float32 where precise,
    # else the dtype.
    values, axes, result, _, precise = _drawn(t)
    n = int(np.prod([values.shape[a] for a in axes], dtype=np.int64))
    u = t.unit_roundoff
    w = 2.0**-24 if precise else u
    bound = (2 * u + (n - 1) * w) * 1.01 + n * 2.0**-24
    total = real(result).sum(axis=axes)
    t.within(total, np.ones(total.shape) if n else np.zeros(total.shape), max(bound, 0.0), "the weights sum to 1")


def _weights(t: Trial) -> None:
    # e_i > 0 and s >= e_i, so 0 <= p_i <= 1 but for the two roundings of e_i * (1 / s).
    _, _, result, _, _ = _drawn(t)
    weights = real(result)
    t.at_least(weights, 0.0, 0.0, "weights are not negative")
    t.at_least(np.ones(weights.shape), weights, 2 * t.unit_roundoff, "weights are at most 1")


def _shift(t: Trial) -> None:
    # Whole numbers up to 100 and a whole shift up to 100: x + c is exact in every dtype, so both have one truth.
    values = t.whole(t.shape(1), 100)
    argument, axes = t.axes(values.ndim)
    shift = t.integer(-100, 100)
    t.drawn.append(("shift", shift))
    shifted = (real(values) + shift).astype(values.dtype)
    one, other = (im.softmax(t.array(v), axis=argument) for v in (values, shifted))
    t.within(one, real(other), 2 * t.allowed(t.truth(values, axis=axes)), "softmax(x + c) = softmax(x)")


def _keeps_order(t: Trial) -> None:
    # x_i <= x_j gives p_i <= p_j, up to the allowance of both.
    values = np.sort(t.numbers((t.extent(1),), _VALUES), axis=-1)
    result, slack = real(im.softmax(t.array(values))), t.allowed(t.truth(values))
    t.at_least(result[1:], result[:-1], slack[1:] + slack[:-1], "softmax keeps the order")


def _permutes(t: Trial) -> None:
    # The terms are the same, in another order.
    values = t.numbers((t.extent(1), t.extent(1)), _VALUES)
    order = list(t.permutation(values.shape[1]))
    bound = 2 * t.allowed(t.truth(values))[:, order]
    moved, straight = im.softmax(t.array(values[:, order])), im.softmax(t.place(values, t.layout()))
    t.within(moved, real(straight)[:, order], bound, "softmax(x[p]) = softmax(x)[p]")


def _axes_as_one(t: Trial) -> None:
    # All axes at once is one axis of the flattened array.
    values = t.numbers(t.shape(1), _VALUES)
    flat: Shape = (values.size,)
    together = real(im.softmax(t.place(values, t.layout()), axis=None)).reshape(flat)
    alone = im.softmax(t.array(values.reshape(flat)))
    t.within(together, real(alone), 2 * t.allowed(t.truth(values.reshape(flat))), "axis=None flattens")


def _slices_alone(t: Trial) -> None:
    # A slice does not see the others: changing one leaves the rest as it was.
    values = t.numbers((t.extent(2), t.extent(1)), _VALUES)
    other = values.copy()
    other[0] = t.numbers((values.shape[1],), (*_VALUES, "special"), "new first row")
    bound = 2 * t.allowed(t.truth(values))[1:]
    before, after = im.softmax(t.place(values, t.layout()))[1:], im.softmax(t.array(other))[1:]
    t.within(before, real(after), bound, "rows do not see each other")


def _masked(t: Trial) -> None:
    # exp(-inf) = 0: keys of -inf get weight 0 exactly, and the others what they get without them.
    values = t.numbers((t.extent(1), t.extent(2)), ("normal", "ramp"))
    cut = t.integer(1, values.shape[1] - 1)
    masked = values.copy()
    masked[:, cut:] = -np.inf
    result = im.softmax(t.place(masked, t.layout()))
    t.equal(real(result)[:, cut:], np.zeros(masked[:, cut:].shape), "-inf gets weight 0")
    alone = im.softmax(t.array(values[:, :cut].copy()))
    t.within(result[:, :cut], real(alone), 2 * t.allowed(t.truth(values[:, :cut])), "-inf is as if absent")


def _precise(t: Trial) -> None:
    # A better accumulator, the same truth.
    values = t.numbers(t.shape(1), _VALUES)
    argument, axes = t.axes(values.ndim)
    x = t.place(values, t.layout())
    one, other = (im.softmax(x, axis=argument, precise=precise) for precise in (True, False))
    t.within(one, real(other), 2 * t.allowed(t.truth(values, axis=axes)), "precise has the same truth")


LAWS = {
    "softmax": (
        Law("sums-to-one", _sums_to_one),
        Law("weights", _weights),
        Law("shift-invariant", _shift),
        Law("keeps-order", _keeps_order),
        Law("permutes", _permutes),
        Law("axes-as-one", _axes_as_one),
        Law("slices-alone", _slices_alone),
        Law("masked", _masked),
        Law("precise", _precise),
    )
}
