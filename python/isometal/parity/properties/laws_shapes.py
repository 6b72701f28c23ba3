"""Laws of reshape, transpose, broadcast_to. They move bits, so every law is bit for bit."""

from __future__ import annotations

import numpy as np

import isometal as im
from isometal.parity.model import NDArray
from isometal.parity.properties.agreement import refold
from isometal.parity.properties.draw import ANY, Shape
from isometal.parity.properties.law import Law
from isometal.parity.properties.trial import Broken, Trial, to_numpy


def _values(t: Trial, shape: Shape | None = None) -> NDArray:
    return t.numbers(t.shape() if shape is None else shape, ANY)


def _same_bits(t: Trial, result: im.Array, expected: NDArray, law: str) -> None:
    t.same(result, expected, law)
    x = to_numpy(result)
    bits = f"u{x.dtype.itemsize}"
    if not np.array_equal(np.ascontiguousarray(x).view(bits), np.ascontiguousarray(expected).view(bits)):
        raise Broken(f"{law}: equal numbers in other bits.")


def _target(t: Trial, shape: Shape) -> Shape:
    return t.choice((refold(t, shape),), "target shape")


def _reshape_is_c_order(t: Trial) -> None:
    # NumPy's C order is the definition; a view's own order counts, not that of its memory.
    values = _values(t)
    target = _target(t, values.shape)
    _same_bits(t, im.reshape(t.place(values, t.layout()), target), np.reshape(values, target), "reshape keeps C order")


def _reshape_round_trip(t: Trial) -> None:
    values = _values(t)
    x = t.place(values, t.layout())
    there = im.reshape(x, _target(t, values.shape))
    _same_bits(t, im.reshape(there, values.shape), values, "reshape there and back")


def _reshape_composes(t: Trial) -> None:
    values = _values(t)
    x = t.place(values, t.layout())
    one, other = _target(t, values.shape), _target(t, values.shape)
    direct = to_numpy(im.reshape(x, other))
    _same_bits(t, im.reshape(im.reshape(x, one), other), direct, "reshape by way of another shape")


def _reshape_infers(t: Trial) -> None:
    # -1 stands for the one size that fits.
    values = _values(t, t.shape(low=1))
    target = _target(t, values.shape)
    if not target:
        return
    hole = t.integer(0, len(target) - 1)
    holed = tuple(-1 if i == hole else n for i, n in enumerate(target))
    x = t.place(values, t.layout())
    _same_bits(t, im.reshape(x, holed), to_numpy(im.reshape(x, target)), "-1 is the size that fits")


def _reshape_of_transpose(t: Trial) -> None:
    # A matrix of rows read column by column is its transpose read row by row.
    values = _values(t, (t.extent(), t.extent()))
    flat = im.reshape(t.place(values, t.layout()).T, (values.size,))
    _same_bits(t, flat, values.reshape(-1, order="F"), "a transposed array reshapes column by column")


def _transpose_is_numpy(t: Trial) -> None:
    values = _values(t)
    axes = t.choice((t.permutation(values.ndim),), "axes")
    result = im.transpose(t.place(values, t.layout()), axes)
    _same_bits(t, result, np.transpose(values, axes), "result axis i is x's axis axes[i]")


def _transpose_inverse(t: Trial) -> None:
    values = _values(t)
    axes = t.choice((t.permutation(values.ndim),), "axes")
    inverse = tuple(int(i) for i in np.argsort(axes))
    there = im.transpose(t.place(values, t.layout()), axes)
    _same_bits(t, im.transpose(there, inverse), values, "transpose there and back")


def _transpose_composes(t: Trial) -> None:
    values = _values(t)
    p, q = (t.choice((t.permutation(values.ndim),), name) for name in "pq")
    x = t.place(values, t.layout())
    once = to_numpy(im.transpose(x, tuple(p[i] for i in q)))
    _same_bits(t, im.transpose(im.transpose(x, p), q), once, "transpose by p, then q, is by p[q]")


def _transpose_default(t: Trial) -> None:
    values = _values(t)
    x = t.place(values, t.layout())
    reverse = tuple(range(values.ndim))[::-1]
    _same_bits(t, im.transpose(x), to_numpy(im.transpose(x, reverse)), "without axes all are reversed")
    negative = tuple(axis - values.ndim for axis in reverse)
    _same_bits(t, im.transpose(x, negative), to_numpy(im.transpose(x)), "negative axes count from the end")


def _broadcast_is_numpy(t: Trial) -> None:
    shape = t.shape()
    values = _values(t, t.broadcastable(shape))
    result = im.broadcast_to(t.place(values, t.layout()), shape)
    _same_bits(t, result, np.broadcast_to(values, shape), "broadcast_to is NumPy's")


def _broadcast_twice(t: Trial) -> None:
    # By way of a shape between, or at once.
    shape = t.shape()
    between = t.broadcastable(shape)
    values = _values(t, t.broadcastable(between))
    x = t.place(values, t.layout())
    direct = to_numpy(im.broadcast_to(x, shape))
    _same_bits(t, im.broadcast_to(im.broadcast_to(x, between), shape), direct, "broadcast by way of another shape")


def _broadcast_same(t: Trial) -> None:
    values = _values(t)
    _same_bits(t, im.broadcast_to(t.place(values, t.layout()), values.shape), values, "its own shape changes nothing")


def _broadcast_slices(t: Trial) -> None:
    # Along a new axis every slice is x.
    values = _values(t)
    count = t.integer(1, 3)
    wide = im.broadcast_to(t.place(values, t.layout()), (count, *values.shape))
    for i in range(count):
        _same_bits(t, wide[i], values, "every slice along a new axis is x")


LAWS = {
    "reshape": (
        Law("c-order", _reshape_is_c_order),
        Law("round-trip", _reshape_round_trip),
        Law("composes", _reshape_composes),
        Law("infers", _reshape_infers),
        Law("of-transpose", _reshape_of_transpose),
    ),
    "transpose": (
        Law("is-numpy", _transpose_is_numpy),
        Law("inverse", _transpose_inverse),
        Law("composes", _transpose_composes),
        Law("default", _transpose_default),
    ),
    "broadcast_to": (
        Law("is-numpy", _broadcast_is_numpy),
        Law("twice", _broadcast_twice),
        Law("own-shape", _broadcast_same),
        Law("slices", _broadcast_slices),
    ),
}
