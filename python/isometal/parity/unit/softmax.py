"""Hand-checked rows of softmax.

softmax([0, 1]) = [1, e] / (1 + e); softmax([0, 1, 2]) = [1, e, e^2] / (1 + e + e^2), e = 2.718281828459045.
"""

from __future__ import annotations

import numpy as np

import isometal as im
from isometal.parity.unit.table import INF, NAN, Row

A0, A1 = 0.2689414213699951, 0.7310585786300049
B0, B1, B2 = 0.0900305731703805, 0.2447284710547977, 0.6652409557748219

# fmt: off
ROWS = {"softmax": (
    Row("equal", lambda x: im.softmax(x([3, 3])), [0.5, 0.5]),
    Row("two", lambda x: im.softmax(x([0, 1])), [A0, A1]),
    Row("three", lambda x: im.softmax(x([2, 0, 1])), [B2, B0, B1]),
    Row("rows", lambda x: im.softmax(x([[0, 1, 2], [5, 5, 5]])), [[B0, B1, B2], [1 / 3, 1 / 3, 1 / 3]]),
    Row("axis-0", lambda x: im.softmax(x([[0, 7, 1], [1, 7, 0]]), axis=0), [[A0, 0.5, A1], [A1, 0.5, A0]]),
    Row("axis-minus-2", lambda x: im.softmax(x([[[0, 7], [1, 7]]]), axis=-2), [[[A0, 0.5], [A1, 0.5]]]),
    Row("middle-axis", lambda x: im.softmax(x([[[0, 1], [1, 0]], [[2, 2], [2, 3]]]), axis=1),
        [[[A0, A1], [A1, A0]], [[0.5, A0], [0.5, A1]]]),
    Row("both-axes", lambda x: im.softmax(x([[0, 0], [0, 0]]), axis=(0, 1)), [[0.25, 0.25], [0.25, 0.25]]),
    # Over all six: [0, 1, 2] with two columns of weight 0.
    Row("axis-none", lambda x: im.softmax(x([[0, -INF], [2, -INF], [1, -INF]]), axis=None),
        [[B0, 0], [B2, 0], [B1, 0]]),
    Row("outer-axes", lambda x: im.softmax(x([[[0, 4]], [[1, 4]]]), axis=(0, 1)), [[[A0, 0.5]], [[A1, 0.5]]]),
    Row("precise", lambda x: im.softmax(x([[0, 1, 2]]), precise=True), [[B0, B1, B2]]),
    # exp(1000) overflows every dtype: only differences may be exponentiated.
    Row("large", lambda x: im.softmax(x([1000, 1000])), [0.5, 0.5]),
    Row("large-negative", lambda x: im.softmax(x([-1000, -1000, -1000, -1000])), [0.25, 0.25, 0.25, 0.25]),
    Row("saturates", lambda x: im.softmax(x([0, 200])), [0, 1]),
    Row("masked", lambda x: im.softmax(x([0, -INF, 1])), [A0, 0, A1]),
    Row("all-masked", lambda x: im.softmax(x([[-INF, -INF], [0, 1]])), [[NAN, NAN], [A0, A1]]),
    Row("nan-stays-in-its-row", lambda x: im.softmax(x([[0, NAN], [0, 1]])), [[NAN, NAN], [A0, A1]]),
    Row("infinite", lambda x: im.softmax(x([INF, 0])), [NAN, NAN]),
    Row("single", lambda x: im.softmax(x([[5], [-5], [0]])), [[1], [1], [1]]),
    Row("zero-d", lambda x: im.softmax(x(5), axis=None), 1),
    Row("transposed", lambda x: im.softmax(x([[0, 5], [1, 5]]).T), [[A0, A1], [0.5, 0.5]]),
    Row("reversed", lambda x: im.softmax(x([2, 1, 0])[::-1]), [B0, B1, B2]),
    # More than a simdgroup and no multiple of one: 1/33.
    Row("thirty-three", lambda x: im.softmax(x(np.full((2, 33), 4))), np.full((2, 33), 1 / 33)),
    Row("no-rows", lambda x: im.softmax(x(np.zeros((0, 4)))), np.zeros((0, 4))),
    Row("no-columns", lambda x: im.softmax(x(np.zeros((4, 0)))), np.zeros((4, 0))),
)}
# fmt: on
