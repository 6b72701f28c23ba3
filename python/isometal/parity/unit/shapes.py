"""Hand-checked rows of reshape, transpose, broadcast_to. The same rows serve every dtype; bool gets rows of its own."""

from __future__ import annotations

import numpy as np

import isometal as im
from isometal.optable import FLOATING, NUMERIC
from isometal.parity.unit.table import INF, LARGEST, NAN, SMALLEST, Row, per_dtype

BOOL = ("bool",)
F, T = False, True

M23 = [[1, 2, 3], [4, 5, 6]]
#: (2, 3, 2)
CUBE = [[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 10], [11, 12]]]
EMPTY = np.zeros((0, 3))
BEYOND_FLOAT64 = [2**53 + 1, -(2**63), 2**63 - 1]

# fmt: off
RESHAPE = (
    Row("matrix-to-vector", lambda x: im.reshape(x(M23), (6,)), [1, 2, 3, 4, 5, 6], dtypes=NUMERIC),
    Row("vector-to-matrix", lambda x: im.reshape(x([1, 2, 3, 4, 5, 6]), (3, 2)),
        [[1, 2], [3, 4], [5, 6]], dtypes=NUMERIC),
    Row("matrix-to-matrix", lambda x: im.reshape(x(M23), (3, 2)), [[1, 2], [3, 4], [5, 6]], dtypes=NUMERIC),
    Row("split-axis", lambda x: im.reshape(x([[1, 2, 3, 4]]), (1, 2, 2)), [[[1, 2], [3, 4]]], dtypes=NUMERIC),
    Row("merge-axes", lambda x: im.reshape(x(CUBE), (2, 6)),
        [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]], dtypes=NUMERIC),
    Row("minus-1", lambda x: im.reshape(x(CUBE), (-1, 4)),
        [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], dtypes=NUMERIC),
    Row("int-shape", lambda x: im.reshape(x(M23), -1), [1, 2, 3, 4, 5, 6], dtypes=NUMERIC),
    Row("ones-around", lambda x: im.reshape(x([1, 2]), (1, 2, 1)), [[[1], [2]]], dtypes=NUMERIC),
    Row("to-zero-d", lambda x: im.reshape(x([[7]]), ()), 7, dtypes=NUMERIC),
    Row("from-zero-d", lambda x: im.reshape(x(7), (1, 1)), [[7]], dtypes=NUMERIC),
    Row("empty", lambda x: im.reshape(x(EMPTY), (3, 0, 2)), np.zeros((3, 0, 2))),
    # Row-major order of the view, not of its memory.
    Row("transposed", lambda x: im.reshape(x(M23).T, (6,)), [1, 4, 2, 5, 3, 6], dtypes=NUMERIC),
    Row("transposed-to-matrix", lambda x: im.reshape(x(M23).T, (2, 3)), [[1, 4, 2], [5, 3, 6]], dtypes=NUMERIC),
    Row("reversed", lambda x: im.reshape(x(M23)[::-1, ::-1], (3, 2)), [[6, 5], [4, 3], [2, 1]], dtypes=NUMERIC),
    Row("every-other", lambda x: im.reshape(x(M23)[:, ::2], -1), [1, 3, 4, 6], dtypes=NUMERIC),
    Row("broadcast", lambda x: im.reshape(im.broadcast_to(x([1, 2]), (2, 2)), -1), [1, 2, 1, 2], dtypes=NUMERIC),
    Row("special", lambda x: im.reshape(x([0.0, -0.0, NAN, INF]), (2, 2)), [[0.0, -0.0], [NAN, INF]], dtypes=FLOATING),
    *per_dtype("extremes", LARGEST, lambda x, m: im.reshape(x([[m], [-m]]), -1), lambda m: [m, -m]),
    Row("beyond-float64", lambda x: im.reshape(x(BEYOND_FLOAT64), (3, 1)),
        [[n] for n in BEYOND_FLOAT64], dtypes=("int64",)),
    Row("bools", lambda x: im.reshape(x([[T, F, T], [F, F, T]]), (3, 2)), [[T, F], [T, F], [F, T]], dtypes=BOOL),
    Row("bools-transposed", lambda x: im.reshape(x([[T, F, T], [F, F, T]]).T, -1), [T, F, F, F, T, T], dtypes=BOOL),
    Row("bools-zero-d", lambda x: im.reshape(x([T]), ()), T, dtypes=BOOL),
    Row("bools-minus-1", lambda x: im.reshape(x([T, F, F, T]), (2, -1)), [[T, F], [F, T]], dtypes=BOOL),
)

TRANSPOSE = (
    Row("matrix", lambda x: im.transpose(x(M23)), [[1, 4], [2, 5], [3, 6]], dtypes=NUMERIC),
    Row("property", lambda x: x(M23).T, [[1, 4], [2, 5], [3, 6]], dtypes=NUMERIC),
    # result[i, j, k] = x[k, j, i]
    Row("reverses-all", lambda x: im.transpose(x(CUBE)),
        [[[1, 7], [3, 9], [5, 11]], [[2, 8], [4, 10], [6, 12]]], dtypes=NUMERIC),
    # result[i, j, k] = x[j, k, i], (2, 2, 3). A cyclic order tells axes from their inverse.
    Row("cycle", lambda x: im.transpose(x(CUBE), (2, 0, 1)),
        [[[1, 3, 5], [7, 9, 11]], [[2, 4, 6], [8, 10, 12]]], dtypes=NUMERIC),
    # (2, 3, 2) -> axes (1, 2, 0) -> (3, 2, 2)
    Row("other-cycle", lambda x: im.transpose(x(CUBE), (1, 2, 0)),
        [[[1, 7], [2, 8]], [[3, 9], [4, 10]], [[5, 11], [6, 12]]], dtypes=NUMERIC),
    Row("last-two", lambda x: im.transpose(x(CUBE), (0, 2, 1)),
        [[[1, 3, 5], [2, 4, 6]], [[7, 9, 11], [8, 10, 12]]], dtypes=NUMERIC),
    Row("negative-axes", lambda x: im.transpose(x(CUBE), (0, -1, -2)),
        [[[1, 3, 5], [2, 4, 6]], [[7, 9, 11], [8, 10, 12]]],
        dtypes=NUMERIC),
    Row("identity", lambda x: im.transpose(x(M23), (0, 1)), M23, dtypes=NUMERIC),
    Row("vector", lambda x: im.transpose(x([1, 2, 3])), [1, 2, 3], dtypes=NUMERIC),
    Row("zero-d", lambda x: im.transpose(x(7)), 7, dtypes=NUMERIC),
    Row("empty", lambda x: im.transpose(x(EMPTY)), np.zeros((3, 0))),
    Row("of-a-slice", lambda x: im.transpose(x(M23)[::-1, 1:]), [[5, 2], [6, 3]], dtypes=NUMERIC),
    Row("special", lambda x: im.transpose(x([[0.0, -0.0], [NAN, -INF]])), [[0.0, NAN], [-0.0, -INF]], dtypes=FLOATING),
    *per_dtype("subnormal", SMALLEST, lambda x, s: im.transpose(x([[s, -s]])), lambda s: [[s], [-s]]),
    Row("beyond-float64", lambda x: im.transpose(x([BEYOND_FLOAT64])),
        [[n] for n in BEYOND_FLOAT64], dtypes=("int64",)),
    Row("bools", lambda x: im.transpose(x([[T, F, T], [F, F, T]])), [[T, F], [F, F], [T, T]], dtypes=BOOL),
    Row("bools-cycle", lambda x: im.transpose(x([[[T, F]], [[F, F]]]), (2, 0, 1)),
        [[[T], [F]], [[F], [F]]], dtypes=BOOL),
    Row("bools-identity", lambda x: im.transpose(x([[T, F], [T, T]]), (0, 1)), [[T, F], [T, T]], dtypes=BOOL),
    Row("bools-zero-d", lambda x: im.transpose(x(T)), T, dtypes=BOOL),
)

BROADCAST_TO = (
    Row("row", lambda x: im.broadcast_to(x([1, 2, 3]), (2, 3)), [[1, 2, 3], [1, 2, 3]], dtypes=NUMERIC),
    Row("column", lambda x: im.broadcast_to(x([[1], [2]]), (2, 3)), [[1, 1, 1], [2, 2, 2]], dtypes=NUMERIC),
    Row("zero-d", lambda x: im.broadcast_to(x(7), (2, 2)), [[7, 7], [7, 7]], dtypes=NUMERIC),
    Row("new-axes", lambda x: im.broadcast_to(x([[1, 2]]), (2, 2, 2)),
        [[[1, 2], [1, 2]], [[1, 2], [1, 2]]], dtypes=NUMERIC),
    # (2, 1, 2) -> (2, 2, 2)
    Row("middle-axis", lambda x: im.broadcast_to(x([[[1, 2]], [[3, 4]]]), (2, 2, 2)),
        [[[1, 2], [1, 2]], [[3, 4], [3, 4]]], dtypes=NUMERIC),
    Row("same-shape", lambda x: im.broadcast_to(x(M23), (2, 3)), M23, dtypes=NUMERIC),
    Row("int-shape", lambda x: im.broadcast_to(x([5]), 3), [5, 5, 5], dtypes=NUMERIC),
    Row("to-zero-d", lambda x: im.broadcast_to(x(5), ()), 5, dtypes=NUMERIC),
    Row("to-empty", lambda x: im.broadcast_to(x([[1, 2, 3]]), (0, 3)), EMPTY, dtypes=NUMERIC),
    Row("empty-stays", lambda x: im.broadcast_to(x(np.zeros((0, 1))), (2, 0, 3)), np.zeros((2, 0, 3))),
    Row("transposed", lambda x: im.broadcast_to(x([[1, 2, 3]]).T, (3, 2)), [[1, 1], [2, 2], [3, 3]], dtypes=NUMERIC),
    Row("reversed", lambda x: im.broadcast_to(x([1, 2, 3])[::-1], (2, 3)), [[3, 2, 1], [3, 2, 1]], dtypes=NUMERIC),
    Row("special", lambda x: im.broadcast_to(x([[-0.0], [NAN]]), (2, 2)), [[-0.0, -0.0], [NAN, NAN]], dtypes=FLOATING),
    *per_dtype("extremes", LARGEST, lambda x, m: im.broadcast_to(x([m]), (2,)), lambda m: [m, m]),
    Row("beyond-float64", lambda x: im.broadcast_to(x([2**53 + 1]), (2,)), [2**53 + 1, 2**53 + 1], dtypes=("int64",)),
    Row("bools", lambda x: im.broadcast_to(x([[T], [F]]), (2, 2)), [[T, T], [F, F]], dtypes=BOOL),
    Row("bools-row", lambda x: im.broadcast_to(x([T, F]), (2, 2)), [[T, F], [T, F]], dtypes=BOOL),
    Row("bools-zero-d", lambda x: im.broadcast_to(x(T), (3,)), [T, T, T], dtypes=BOOL),
    Row("bools-same-shape", lambda x: im.broadcast_to(x([T, F]), (2,)), [T, F], dtypes=BOOL),
)
# fmt: on

ROWS = {"reshape": RESHAPE, "transpose": TRANSPOSE, "broadcast_to": BROADCAST_TO}
