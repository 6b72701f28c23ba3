"""Hand-checked rows of sum, mean, max. All partial sums are exact; counts are powers of two where a mean divides."""

from __future__ import annotations

import numpy as np

import isometal as im
from isometal.optable import FLOATING, NUMERIC
from isometal.parity.unit.table import INF, INTEGERS, LARGEST, NAN, SIGNED_INTEGERS, Row, per_dtype

SIGNED = (*FLOATING, *SIGNED_INTEGERS)
BOOL = ("bool",)
F, T = False, True
INT_MAX, LONG_MAX, UINT_MAX = 2**31 - 1, 2**63 - 1, 2**32 - 1

M23 = [[1, 2, 3], [10, 20, 30]]
#: (2, 2, 3)
CUBE = [[[1, 2, 3], [4, 5, 6]], [[10, 20, 30], [40, 50, 60]]]
#: (2, 2, 4), for means: every axis has a power of two
CUBE4 = [[[1, 3, 5, 7], [2, 4, 6, 8]], [[10, 30, 50, 70], [20, 40, 60, 80]]]

# fmt: off
SUM = (
    Row("all", lambda x: im.sum(x(M23)), 66, dtypes=NUMERIC),
    Row("axis-0", lambda x: im.sum(x(M23), axis=0), [11, 22, 33], dtypes=NUMERIC),
    Row("axis-1", lambda x: im.sum(x(M23), axis=1), [6, 60], dtypes=NUMERIC),
    Row("axis-minus-1", lambda x: im.sum(x(M23), axis=-1), [6, 60], dtypes=NUMERIC),
    Row("middle-axis", lambda x: im.sum(x(CUBE), axis=1), [[5, 7, 9], [50, 70, 90]], dtypes=NUMERIC),
    Row("outer-axes", lambda x: im.sum(x(CUBE), axis=(0, 2)), [66, 165], dtypes=NUMERIC),
    Row("first-axes", lambda x: im.sum(x(CUBE), axis=(1, 0)), [55, 77, 99], dtypes=NUMERIC),
    Row("last-axes", lambda x: im.sum(x(CUBE), axis=(-1, -2)), [21, 210], dtypes=NUMERIC),
    Row("keepdims", lambda x: im.sum(x(CUBE), axis=1, keepdims=True), [[[5, 7, 9]], [[50, 70, 90]]], dtypes=NUMERIC),
    Row("keepdims-all", lambda x: im.sum(x(M23), keepdims=True), [[66]], dtypes=NUMERIC),
    Row("no-axes", lambda x: im.sum(x(M23), axis=()), M23, dtypes=NUMERIC),
    Row("zero-d", lambda x: im.sum(x(7)), 7, dtypes=NUMERIC),
    Row("signs", lambda x: im.sum(x([5, -7, 3, -2])), -1, dtypes=SIGNED),
    Row("empty", lambda x: im.sum(x(np.zeros((0, 3))), axis=0), [0, 0, 0], dtypes=NUMERIC),
    Row("empty-result", lambda x: im.sum(x(np.zeros((0, 3))), axis=1), np.zeros(0), dtypes=NUMERIC),
    Row("transposed", lambda x: im.sum(x(M23).T, axis=0), [6, 60], dtypes=NUMERIC),
    Row("every-other", lambda x: im.sum(x(M23)[:, ::2], axis=1), [4, 40], dtypes=NUMERIC),
    Row("reversed-broadcast", lambda x: im.sum(im.broadcast_to(x([1, 2, 3])[::-1], (4, 3)), axis=0),
        [12, 8, 4], dtypes=NUMERIC),
    # Accumulated in float32: a float16 sum of ones stops at 2048, a bfloat16 sum at 256.
    Row("long-row", lambda x: im.sum(x(np.ones((2, 4096))), axis=1), [4096, 4096], dtypes=NUMERIC),
    Row("long-column", lambda x: im.sum(x(np.ones((4096, 3))), axis=0), [4096, 4096, 4096], dtypes=NUMERIC),
    # A simdgroup of 32 and one more: 1 + 2 + ... + 33 = 33 * 34 / 2, which bfloat16 rounds to 560.
    Row("thirty-three", lambda x: im.sum(x(np.arange(1, 34))), 561, dtypes=("float32", "float16", *INTEGERS)),
    Row("thirty-three", lambda x: im.sum(x(np.arange(1, 34))), 560, dtypes=("bfloat16",)),
    Row("special", lambda x: im.sum(x([[INF, 1], [INF, -INF], [NAN, 1], [1, 1]]), axis=1),
        [INF, NAN, NAN, 2], dtypes=FLOATING),
    *per_dtype("overflow", LARGEST, lambda x, m: im.sum(x([[m, m], [-m, -m]]), axis=1), lambda m: [INF, -INF]),
    Row("wraps", lambda x: im.sum(x([INT_MAX, 1, 1])), -INT_MAX, dtypes=("int32",)),
    Row("wraps", lambda x: im.sum(x([LONG_MAX, 1, 1])), -LONG_MAX, dtypes=("int64",)),
    Row("wraps", lambda x: im.sum(x([UINT_MAX, 2, 3])), 4, dtypes=("uint32",)),
    Row("beyond-float64", lambda x: im.sum(x([2**53, 1])), 2**53 + 1, dtypes=("int64",)),
    Row("beyond-float32", lambda x: im.sum(x([2**24, 1])), 2**24 + 1, dtypes=INTEGERS),
    Row("bools-count", lambda x: im.sum(x([T, F, T, T])), 3, "int32", BOOL),
    Row("bools-axis-0", lambda x: im.sum(x([[T, F, T], [T, F, F]]), axis=0), [2, 0, 1], "int32", BOOL),
    Row("bools-axis-1", lambda x: im.sum(x([[T, F, T], [T, F, F]]), axis=1, keepdims=True), [[2], [1]], "int32", BOOL),
    Row("bools-long", lambda x: im.sum(x(np.ones(300))), 300, "int32", BOOL),
    Row("bools-empty", lambda x: im.sum(x(np.zeros((0, 2))), axis=0), [0, 0], "int32", BOOL),
)

MEAN = (
    Row("all", lambda x: im.mean(x([[1, 2], [3, 10]])), 4, dtypes=FLOATING),
    Row("axis-0", lambda x: im.mean(x([[1, 2, 3], [3, 6, 9]]), axis=0), [2, 4, 6], dtypes=FLOATING),
    Row("axis-1", lambda x: im.mean(x([[1, 2, 3, 6], [4, 4, 4, 8]]), axis=1), [3, 5], dtypes=FLOATING),
    Row("axis-minus-1", lambda x: im.mean(x([[1, 2], [3, 4], [5, 6]]), axis=-1), [1.5, 3.5, 5.5], dtypes=FLOATING),
    Row("middle-axis", lambda x: im.mean(x(CUBE4), axis=1), [[1.5, 3.5, 5.5, 7.5], [15, 35, 55, 75]], dtypes=FLOATING),
    # (1+3+5+7 + 10+30+50+70) / 8 = 22, (2+4+6+8 + 20+40+60+80) / 8 = 27.5
    Row("outer-axes", lambda x: im.mean(x(CUBE4), axis=(0, 2)), [22, 27.5], dtypes=FLOATING),
    Row("first-axes", lambda x: im.mean(x(CUBE4), axis=(1, 0)), [8.25, 19.25, 30.25, 41.25], dtypes=FLOATING),
    Row("keepdims", lambda x: im.mean(x([[1, 2], [3, 4]]), axis=1, keepdims=True), [[1.5], [3.5]], dtypes=FLOATING),
    Row("keepdims-all", lambda x: im.mean(x([[1, 2], [3, 4]]), keepdims=True), [[2.5]], dtypes=FLOATING),
    Row("no-axes", lambda x: im.mean(x(M23), axis=()), M23, dtypes=FLOATING),
    Row("zero-d", lambda x: im.mean(x(7)), 7, dtypes=FLOATING),
    Row("signs", lambda x: im.mean(x([5, -7, 3, -2])), -0.25, dtypes=FLOATING),
    Row("empty-is-nan", lambda x: im.mean(x(np.zeros((0, 3))), axis=0), [NAN, NAN, NAN], dtypes=FLOATING),
    Row("empty-result", lambda x: im.mean(x(np.zeros((0, 3))), axis=1), np.zeros(0), dtypes=FLOATING),
    Row("transposed", lambda x: im.mean(x([[1, 3], [5, 9]]).T, axis=0), [2, 7], dtypes=FLOATING),
    Row("reversed", lambda x: im.mean(x([[1, 2], [3, 6]])[::-1], axis=1), [4.5, 1.5], dtypes=FLOATING),
    Row("long", lambda x: im.mean(x(np.full((4096, 2), 3)), axis=0), [3, 3], dtypes=FLOATING),
    # Two of the largest float16 have a finite mean although their sum overflows float16: the sum is float32.
    Row("sum-overflows-float16", lambda x: im.mean(x([65504, 65504])), 65504, dtypes=("float16",)),
    Row("special", lambda x: im.mean(x([[INF, 1], [INF, -INF], [NAN, 1], [1, 1]]), axis=1),
        [INF, NAN, NAN, 1], dtypes=FLOATING),
    Row("integers", lambda x: im.mean(x([1, 2, 3, 8])), 3.5, "float32", INTEGERS),
    Row("integers-axis-0", lambda x: im.mean(x([[1, 2, 3], [4, 6, 8]]), axis=0), [2.5, 4, 5.5], "float32", INTEGERS),
    Row("integers-keepdims", lambda x: im.mean(x([[1, 2], [4, 8]]), -1, True), [[1.5], [6]], "float32", INTEGERS),
    Row("integers-empty", lambda x: im.mean(x(np.zeros((0, 2))), axis=0), [NAN, NAN], "float32", INTEGERS),
    Row("integers-no-axes", lambda x: im.mean(x([1, 2]), axis=()), [1, 2], "float32", INTEGERS),
    Row("negative-integers", lambda x: im.mean(x([-1, -2, -3, -8])), -3.5, "float32", SIGNED_INTEGERS),
    # The integers become float32 before they are added: no wraparound.
    Row("does-not-wrap", lambda x: im.mean(x([2**30, 2**30, 2**30, 2**30])), 2.0**30, "float32", INTEGERS),
    Row("bools", lambda x: im.mean(x([T, F, T, T])), 0.75, "float32", BOOL),
    Row("bools-axis-0", lambda x: im.mean(x([[T, F], [T, T]]), axis=0), [1, 0.5], "float32", BOOL),
    Row("bools-keepdims", lambda x: im.mean(x([[T, F], [F, F]]), axis=1, keepdims=True), [[0.5], [0]], "float32", BOOL),
    Row("bools-zero-d", lambda x: im.mean(x(T)), 1, "float32", BOOL),
    Row("bools-long", lambda x: im.mean(x(np.arange(512) % 2)), 0.5, "float32", BOOL),
)

MAX = (
    Row("all", lambda x: im.max(x([[1, 7, 3], [6, 2, 5]])), 7, dtypes=NUMERIC),
    Row("axis-0", lambda x: im.max(x([[1, 7, 3], [6, 2, 5]]), axis=0), [6, 7, 5], dtypes=NUMERIC),
    Row("axis-1", lambda x: im.max(x([[1, 7, 3], [6, 2, 5]]), axis=1), [7, 6], dtypes=NUMERIC),
    Row("axis-minus-1", lambda x: im.max(x([[1, 7, 3], [6, 2, 5]]), axis=-1), [7, 6], dtypes=NUMERIC),
    Row("middle-axis", lambda x: im.max(x([[[1, 9], [5, 2]], [[4, 3], [8, 7]]]), axis=1),
        [[5, 9], [8, 7]], dtypes=NUMERIC),
    Row("outer-axes", lambda x: im.max(x([[[1, 9], [5, 2]], [[4, 3], [8, 7]]]), axis=(0, 2)), [9, 8], dtypes=NUMERIC),
    Row("first-axes", lambda x: im.max(x([[[1, 9], [5, 2]], [[4, 3], [8, 7]]]), axis=(1, 0)), [8, 9], dtypes=NUMERIC),
    Row("keepdims", lambda x: im.max(x([[1, 7, 3], [6, 2, 5]]), axis=1, keepdims=True), [[7], [6]], dtypes=NUMERIC),
    Row("keepdims-all", lambda x: im.max(x([[1, 7]]), keepdims=True), [[7]], dtypes=NUMERIC),
    Row("no-axes", lambda x: im.max(x(M23), axis=()), M23, dtypes=NUMERIC),
    Row("zero-d", lambda x: im.max(x(7)), 7, dtypes=NUMERIC),
    # A maximum that starts from 0 fails here.
    Row("all-negative", lambda x: im.max(x([[-3, -1, -2], [-9, -8, -7]]), axis=1), [-1, -7], dtypes=SIGNED),
    Row("empty-result", lambda x: im.max(x(np.zeros((0, 3))), axis=1), np.zeros(0), dtypes=NUMERIC),
    Row("transposed", lambda x: im.max(x([[1, 7, 3], [6, 2, 5]]).T, axis=1), [6, 7, 5], dtypes=NUMERIC),
    Row("every-other", lambda x: im.max(x([[1, 9, 3], [6, 9, 5]])[:, ::2], axis=1), [3, 6], dtypes=NUMERIC),
    # At the end of a row that is longer than a simdgroup.
    Row("last-of-thirty-three", lambda x: im.max(x(np.arange(1, 34))), 33, dtypes=NUMERIC),
    Row("special", lambda x: im.max(x([[INF, 1], [-INF, -INF], [-INF, -2], [5, 1]]), axis=1),
        [INF, -INF, -2, 5], dtypes=FLOATING),
    Row("nan-in-a-row", lambda x: im.max(x([[1, NAN, 2], [NAN, 1, 2], [1, 2, NAN], [1, 2, 3]]), axis=1),
        [NAN, NAN, NAN, 3],
        dtypes=FLOATING),
    Row("nan-in-a-column", lambda x: im.max(x([[1, 5], [NAN, 6], [2, 4]]), axis=0), [NAN, 6], dtypes=FLOATING),
    *per_dtype("extremes", LARGEST, lambda x, m: im.max(x([[-m, m], [-m, -m]]), axis=1), lambda m: [m, -m]),
    Row("extremes", lambda x: im.max(x([[INT_MAX, INT_MAX - 1], [-INT_MAX - 1, -INT_MAX]]), axis=1),
        [INT_MAX, -INT_MAX],
        dtypes=("int32",)),
    # Neighbours that are one number in float64.
    Row("extremes", lambda x: im.max(x([[LONG_MAX - 1, LONG_MAX], [2**53 + 1, 2**53]]), axis=1), [LONG_MAX, 2**53 + 1],
        dtypes=("int64",)),
    # As signed numbers the first would be -1.
    Row("extremes", lambda x: im.max(x([UINT_MAX, 1])), UINT_MAX, dtypes=("uint32",)),
    Row("bools", lambda x: im.max(x([F, T, F])), True, dtypes=BOOL),
    Row("bools-axis-0", lambda x: im.max(x([[F, T, F], [F, F, F]]), axis=0), [F, T, F], dtypes=BOOL),
    Row("bools-axis-1", lambda x: im.max(x([[F, T, F], [F, F, F]]), axis=1), [T, F], dtypes=BOOL),
    Row("bools-keepdims", lambda x: im.max(x([[F, F]]), axis=-1, keepdims=True), [[F]], dtypes=BOOL),
    Row("bools-zero-d", lambda x: im.max(x(T)), T, dtypes=BOOL),
)
# fmt: on

ROWS = {"sum": SUM, "mean": MEAN, "max": MAX}
