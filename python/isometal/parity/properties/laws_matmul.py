"""Laws of matmul.

Whole numbers make most of them exact: with entries up to 2 and at most 33 terms every sum is at most 132, which
float32 and every result dtype hold, so any order of summation gives the same bits and one lost element shows.
"""

from __future__ import annotations

import numpy as np

import isometal as im
from isometal.parity.model import NDArray
from isometal.parity.properties.law import Law
from isometal.parity.properties.trial import Trial, real

#: Largest entry of exact matrices.
_LIMIT = 2


def _sizes(t: Trial) -> tuple[int, int, int]:
    return t.extent(), t.extent(), t.extent()


def _exact_pair(t: Trial) -> tuple[NDArray, NDArray]:
    m, k, n = _sizes(t)
    return t.whole((m, k), _LIMIT, "a"), t.whole((k, n), _LIMIT, "b")


def _normal_pair(t: Trial) -> tuple[NDArray, NDArray]:
    """Sums and parts of sums stay far below the largest float16: at most 33 * 5 * 5."""
    m, k, n = _sizes(t)
    classes = ("normal", "uniform", "positive")
    return t.numbers((m, k), classes, "a"), t.numbers((k, n), classes, "b")


def _counts_exactly(t: Trial) -> None:
    # Every partial sum is a whole number below 2^24, so the result is the truth, rounded once.
    a, b = _exact_pair(t)
    result = im.matmul(t.place(a, t.layout("layout of a")), t.place(b, t.layout("layout of b")))
    t.equal(result, (real(a) @ real(b)).astype(a.dtype), "whole numbers multiply exactly")


def _identity(t: Trial) -> None:
    # x * 1 and sums with zeros are exact; only the sign of zero may change.
    m, n = t.extent(), t.extent()
    values = t.numbers((m, n), ("normal", "ties", "denormal", "large", "ramp"), "a")
    a = t.place(values, t.layout())
    t.equal(im.matmul(a, t.array(np.eye(n).astype(values.dtype))), values, "A I = A")
    t.equal(im.matmul(t.array(np.eye(m).astype(values.dtype)), a), values, "I A = A")


def _permutes(t: Trial) -> None:
    # A permutation matrix moves rows and adds zeros: exact. The order 2, 0, 1 tells rows from columns.
    m, n = t.extent(1), t.extent()
    values = t.numbers((m, n), ("normal", "ramp"), "a")
    order = t.permutation(m)
    t.drawn.append(("order", order))
    matrix = np.eye(m)[list(order)].astype(values.dtype)
    t.equal(im.matmul(t.array(matrix), t.place(values, t.layout())), values[list(order)], "P A takes rows of A")


def _transposes(t: Trial) -> None:
    # Both sides have the truth (AB)^T: the sum of two allowances.
    a, b = _normal_pair(t)
    x, y = t.place(a, t.layout("layout of a")), t.place(b, t.layout("layout of b"))
    bound = 2 * t.allowed(t.truth(a, b))
    t.within(im.matmul(x, y).T, real(im.matmul(y.T, x.T)), bound.T, "(AB)^T = B^T A^T")


def _linear(t: Trial) -> None:
    # Whole numbers up to 1: A(B + C) has entries up to 66, exact on both sides.
    m, k, n = _sizes(t)
    a, b, c = t.whole((m, k), 1, "a"), t.whole((k, n), 1, "b"), t.whole((k, n), 1, "c")
    x, y, z = t.place(a, t.layout()), t.array(b), t.array(c)
    t.equal(im.matmul(x, im.add(y, z)), im.add(im.matmul(x, y), im.matmul(x, z)), "A(B + C) = AB + AC")


def _scales(t: Trial) -> None:
    # 2^k A is exact, so both sides have the truth 2^k AB.
    a, b = _normal_pair(t)
    factor = t.choice((0.5, 2.0, -4.0), "factor")
    x, y = t.place(a, t.layout()), t.array(b)
    scaled = im.matmul(im.multiply(x, factor), y)
    bound = 2 * abs(factor) * t.allowed(t.truth(a, b))
    t.within(scaled, factor * real(im.matmul(x, y)), bound, "(cA) B = c (AB)")


def _blocks(t: Trial) -> None:
    # AB = A1 B1 + A2 B2 for a cut of the inner dimension. The sum of magnitudes splits as well, so the parts'
    # allowances add up to that of the whole.
    a, b = _normal_pair(t)
    cut = t.integer(0, a.shape[1])
    t.drawn.append(("cut", cut))
    x, y = t.array(a), t.array(b)
    parts = [(a[:, :cut], b[:cut]), (a[:, cut:], b[cut:])]
    total = sum(real(im.matmul(x[:, s], y[s, :])) for s in (slice(0, cut), slice(cut, None)))
    bound = t.allowed(t.truth(a, b)) + sum(t.allowed(t.truth(*part)) for part in parts)
    t.within(im.matmul(x, y), np.asarray(total), bound, "AB = A1 B1 + A2 B2")


def _rows_alone(t: Trial) -> None:
    # A row of AB is the row of A times B. Exact numbers: equal bits.
    a, b = _exact_pair(t)
    x, y = t.place(a, t.layout()), t.array(b)
    for i in range(0, a.shape[0], 8):
        t.equal(im.matmul(x, y)[i], im.matmul(x[i], y), "(AB)[i] = A[i] B")


def _batches(t: Trial) -> None:
    # A batch is its matrices one by one, broadcast batch dims included. Exact numbers: equal bits.
    m, k, n = (t.choice((1, 2, 3, 7, 0)) for _ in "mkn")
    batch = t.shape(1, 2, low=1, limit=4)
    a = t.whole((*t.broadcastable(batch), m, k), _LIMIT, "a")
    b = t.whole((*batch, k, n), _LIMIT, "b")
    result = real(im.matmul(t.place(a, t.layout("layout of a")), t.place(b, t.layout("layout of b"))))
    spread = np.broadcast_to(a, (*batch, m, k))
    for index in np.ndindex(*batch):
        alone = im.matmul(t.array(spread[index].copy()), t.array(b[index].copy()))
        t.equal(result[index], real(alone), "a batch is its matrices one by one")


def _vectors(t: Trial) -> None:
    # 1-D operands are one row and one column.
    m, k, _ = _sizes(t)
    a, b = t.whole((m, k), _LIMIT, "a"), t.whole((k,), _LIMIT, "b")
    x, y = t.place(a, t.layout()), t.array(b)
    column = im.reshape(im.matmul(x, im.reshape(y, (k, 1))), (m,))
    t.equal(im.matmul(x, y), column, "A v is A times a column")
    t.equal(im.matmul(y, x.T), column, "v A^T is A v")


LAWS = {
    "matmul": (
        Law("counts-exactly", _counts_exactly),
        Law("identity", _identity),
        Law("permutes", _permutes),
        Law("transposes", _transposes),
        Law("linear", _linear),
        Law("scales", _scales),
        Law("blocks", _blocks),
        Law("rows-alone", _rows_alone),
        Law("batches", _batches),
        Law("vectors", _vectors),
    )
}
