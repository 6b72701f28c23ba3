"""Hand-checked rows of matmul. Small integers: every partial sum is exact, so the result is."""

from __future__ import annotations

import numpy as np

import isometal as im
from isometal.parity.unit.table import INF, NAN, Row


def _counting(rows: int, columns: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """1, 2, 3, ... in row-major order."""
    return np.arange(1.0, rows * columns + 1).reshape(rows, columns)


# fmt: off
ROWS = {"matmul": (
    # 1*7 + 2*9 + 3*11 = 58, 1*8 + 2*10 + 3*12 = 64, 4*7 + 5*9 + 6*11 = 139, 4*8 + 5*10 + 6*12 = 154
    Row("2x3-by-3x2", lambda x: im.matmul(x([[1, 2, 3], [4, 5, 6]]), x([[7, 8], [9, 10], [11, 12]])),
        [[58, 64], [139, 154]]),
    Row("operator", lambda x: x([[1, 2], [3, 4]]) @ x([[0, 1], [1, 0]]), [[2, 1], [4, 3]]),
    Row("order", lambda x: x([[0, 1], [1, 0]]) @ x([[1, 2], [3, 4]]), [[3, 4], [1, 2]]),
    Row("vector-vector", lambda x: im.matmul(x([1, 2, 3]), x([4, 5, 6])), 32),
    Row("matrix-vector", lambda x: im.matmul(x([[1, 2], [3, 4], [5, 6]]), x([10, 1])), [12, 34, 56]),
    Row("vector-matrix", lambda x: im.matmul(x([1, 2]), x([[1, 2, 3], [4, 5, 6]])), [9, 12, 15]),
    Row("outer", lambda x: im.matmul(x([[1], [2], [3]]), x([[4, 5]])), [[4, 5], [8, 10], [12, 15]]),
    Row("signs", lambda x: im.matmul(x([[1, -1], [-2, 2]]), x([[3], [5]])), [[-2], [4]]),
    Row("identity", lambda x: im.matmul(x(_counting(5, 3)), x(np.eye(3))), _counting(5, 3)),
    # (2, 1, 2) @ (2, 2, 1): 1*5 + 2*6 = 17, 3*7 + 4*8 = 53
    Row("batch", lambda x: im.matmul(x([[[1, 2]], [[3, 4]]]), x([[[5], [6]], [[7], [8]]])), [[[17]], [[53]]]),
    # (2, 1, 1, 2) @ (3, 2, 1) -> (2, 3, 1, 1)
    Row("broadcast-batch",
        lambda x: im.matmul(x([[[[1, 2]]], [[[3, 4]]]]), x([[[1], [0]], [[0], [1]], [[1], [1]]])),
        [[[[1]], [[2]], [[3]]], [[[3]], [[4]], [[7]]]]),
    Row("batch-by-matrix", lambda x: im.matmul(x([[[1, 2]], [[3, 4]]]), x([[1, 0, 2], [0, 1, 1]])),
        [[[1, 2, 4]], [[3, 4, 10]]]),
    Row("batch-by-vector", lambda x: im.matmul(x([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]), x([1, 10])),
        [[21, 43], [65, 87]]),
    Row("vector-by-batch", lambda x: im.matmul(x([1, 10]), x([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])),
        [[31, 42], [75, 86]]),
    Row("left-transposed", lambda x: im.matmul(x([[1, 3], [2, 4]]).T, x([[1], [10]])), [[21], [43]]),
    Row("right-transposed", lambda x: im.matmul(x([[1, 10]]), x([[1, 2], [3, 4], [5, 6]]).T), [[21, 43, 65]]),
    Row("both-transposed", lambda x: im.matmul(x([[1, 0], [2, 1], [0, 3]]).T, x([[1, 1, 1], [1, 2, 3]]).T),
        [[3, 5], [4, 11]]),
    Row("rows-reversed", lambda x: im.matmul(x([[1, 2], [3, 4]])[::-1], x([[1], [10]])), [[43], [21]]),
    Row("columns-skipped", lambda x: im.matmul(x([[1, 9, 2], [3, 9, 4]])[:, ::2], x([[1], [10]])), [[21], [43]]),
    Row("no-inner", lambda x: im.matmul(x(np.zeros((2, 0))), x(np.zeros((0, 3)))), [[0, 0, 0], [0, 0, 0]]),
    Row("no-inner-batch", lambda x: im.matmul(x(np.zeros((2, 1, 0))), x(np.zeros((0, 3)))), np.zeros((2, 1, 3))),
    Row("no-rows", lambda x: im.matmul(x(np.zeros((0, 4))), x(np.zeros((4, 3)))), np.zeros((0, 3))),
    Row("no-columns", lambda x: im.matmul(x(np.zeros((2, 4))), x(np.zeros((4, 0)))), np.zeros((2, 0))),
    Row("no-batch", lambda x: im.matmul(x(np.zeros((0, 2, 3))), x(np.zeros((3, 1)))), np.zeros((0, 2, 1))),
    # A tile of 32 and one more: each sum has 65 ones.
    Row("ones-33x65x17", lambda x: im.matmul(x(np.ones((33, 65))), x(np.ones((65, 17)))), np.full((33, 17), 65)),
    # Accumulated in float32: a float16 sum stops at 2048, a bfloat16 sum at 256.
    Row("long-sum", lambda x: im.matmul(x(np.ones((1, 4096))), x(np.ones((4096, 1)))), [[4096]]),
    Row("small-beside-large", lambda x: im.matmul(x([2048, 1, -2048]), x([1, 1, 1])), 1),
    # 65536 overflows float16, and 256 * 256 - 256 * 255 = 256.
    Row("product-overflows-float16", lambda x: im.matmul(x([256, 256]), x([256, -255])), 256),
    Row("infinite", lambda x: im.matmul(x([[INF, 1], [1, 1]]), x([[1], [1]])), [[INF], [2]]),
    Row("infinite-by-zero", lambda x: im.matmul(x([[INF, 1], [1, 1]]), x([[0], [1]])), [[NAN], [1]]),
    Row("nan-stays-in-its-row", lambda x: im.matmul(x([[NAN, 1], [1, 1]]), x([[1, 2], [1, 2]])), [[NAN, NAN], [2, 4]]),
    Row("with-bfloat16", lambda x: im.matmul(x([[1, 2]]), x([[0.5], [4]], "bfloat16")),
        [[8.5]], "float32", ("float16",)),
    Row("with-float16", lambda x: im.matmul(x([[1, 2]]), x([[0.5], [4]], "float16")), [[8.5]], "float32",
        ("float32", "bfloat16")),
)}
# fmt: on
