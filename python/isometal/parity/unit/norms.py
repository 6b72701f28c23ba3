"""Hand-checked rows of rms_norm and layer_norm. Chosen so that the square root is a whole number."""

from __future__ import annotations

import numpy as np

import isometal as im
from isometal.parity.unit.table import NAN, Row

# fmt: off
RMS_NORM = (
    # mean(1, 49) = 25, root 5
    Row("root-5", lambda x: im.rms_norm(x([1, 7]), eps=0.0), [0.2, 1.4]),
    # mean(1, 1, 25) = 9, root 3; mean(1, 25, 49) = 25, root 5
    Row("each-row-by-itself", lambda x: im.rms_norm(x([[1, 1, 5], [1, 5, 7]]), eps=0.0),
        [[1 / 3, 1 / 3, 5 / 3], [0.2, 1, 1.4]]),
    Row("signs", lambda x: im.rms_norm(x([-1, 7]), eps=0.0), [-0.2, 1.4]),
    # mean 25, + 11 = 36, root 6
    Row("eps", lambda x: im.rms_norm(x([1, 7]), eps=11.0), [1 / 6, 7 / 6]),
    # mean 0, + 4, root 2: eps lies inside the root
    Row("eps-inside-the-root", lambda x: im.rms_norm(x([0, 0, 0]), eps=4.0), [0, 0, 0]),
    # mean(5 * 2^-18) = 5 * 2^-18 = 1.9e-5, + 1e-5 (the default): x / sqrt(5 * 2^-18 + 1e-5), x = 2^-9 * (1, 3)
    Row("default-eps", lambda x: im.rms_norm(x([2.0**-9, 3 * 2.0**-9])),
        [2.0**-9 / (5 * 2.0**-18 + 1e-5) ** 0.5, 3 * 2.0**-9 / (5 * 2.0**-18 + 1e-5) ** 0.5]),
    Row("weight", lambda x: im.rms_norm(x([1, 7]), x([10, -5]), eps=0.0), [2, -7]),
    Row("weight-over-rows", lambda x: im.rms_norm(x([[1, 1, 5], [5, 1, 1]]), x([3, 6, 9]), 0.0),
        [[1, 2, 15], [5, 2, 3]]),
    Row("float32-weight", lambda x: im.rms_norm(x([1, 7]), x([10, -5], "float32"), eps=0.0), [2, -7]),
    # (2, 1, 2)
    Row("cube", lambda x: im.rms_norm(x([[[1, 7]], [[7, 1]]]), eps=0.0), [[[0.2, 1.4]], [[1.4, 0.2]]]),
    Row("single", lambda x: im.rms_norm(x([[4], [-3]]), eps=0.0), [[1], [-1]]),
    Row("zeros", lambda x: im.rms_norm(x([0, 0])), [0, 0]),
    # In float16 256^2 overflows: the statistics must be float32.
    Row("squares-overflow-float16", lambda x: im.rms_norm(x([256, 1792]), eps=0.0), [0.2, 1.4]),
    Row("transposed", lambda x: im.rms_norm(x([[1, 7], [7, 1]])[::-1].T, eps=0.0), [[1.4, 0.2], [0.2, 1.4]]),
    Row("every-other", lambda x: im.rms_norm(x([[1, 9, 7, 9]])[:, ::2], eps=0.0), [[0.2, 1.4]]),
    Row("constant-33", lambda x: im.rms_norm(x(np.full((2, 33), 4)), eps=0.0), np.ones((2, 33))),
    Row("nan-stays-in-its-row", lambda x: im.rms_norm(x([[1, NAN], [1, 7]]), eps=0.0), [[NAN, NAN], [0.2, 1.4]]),
    Row("no-rows", lambda x: im.rms_norm(x(np.zeros((0, 4)))), np.zeros((0, 4))),
)

LAYER_NORM = (
    # mean 2, variance 1
    Row("plus-minus-one", lambda x: im.layer_norm(x([1, 3]), eps=0.0), [-1, 1]),
    # mean 1, variance (1 + 1 + 1 + 9) / 4 = 3, + 1 = 4, root 2
    Row("root-2", lambda x: im.layer_norm(x([0, 0, 0, 4]), eps=1.0), [-0.5, -0.5, -0.5, 1.5]),
    # mean 5, variance 16, root 4; mean -2, variance 1
    Row("each-row-by-itself", lambda x: im.layer_norm(x([[1, 9], [-3, -1]]), eps=0.0), [[-1, 1], [-1, 1]]),
    # variance 16, + 9 = 25, root 5: -4 / 5
    Row("eps", lambda x: im.layer_norm(x([1, 9]), eps=9.0), [-0.8, 0.8]),
    # variance 2^-16 = 1.5e-5, + 1e-5 (the default)
    Row("default-eps", lambda x: im.layer_norm(x([2.0**-8, -(2.0**-8)])),
        [2.0**-8 / (2.0**-16 + 1e-5) ** 0.5, -(2.0**-8) / (2.0**-16 + 1e-5) ** 0.5]),
    Row("weight", lambda x: im.layer_norm(x([1, 3]), x([10, -5]), eps=0.0), [-10, -5]),
    Row("bias", lambda x: im.layer_norm(x([1, 3]), bias=x([10, -5]), eps=0.0), [9, -4]),
    Row("weight-and-bias", lambda x: im.layer_norm(x([[1, 3], [3, 1]]), x([2, 4]), x([10, 20]), 0.0),
        [[8, 24], [12, 16]]),
    Row("float32-weight", lambda x: im.layer_norm(x([1, 3]), x([10, -5], "float32"), x([1, 1], "float32"), 0.0),
        [-9, -4]),
    # (2, 1, 2)
    Row("cube", lambda x: im.layer_norm(x([[[1, 3]], [[9, 1]]]), eps=0.0), [[[-1, 1]], [[1, -1]]]),
    # A constant row has variance 0: 0 / sqrt(eps) is 0, and the bias remains.
    Row("constant", lambda x: im.layer_norm(x([5, 5, 5, 5])), [0, 0, 0, 0]),
    Row("constant-with-bias", lambda x: im.layer_norm(x([5, 5]), x([3, 3]), x([2, 7])), [2, 7]),
    # mean 257, variance 1: one-pass mean(x^2) - mean(x)^2 would subtract 66049 from 66050.
    Row("far-from-zero", lambda x: im.layer_norm(x([256, 258]), eps=0.0), [-1, 1]),
    # In float16 256^2 overflows: the statistics must be float32.
    Row("squares-overflow-float16", lambda x: im.layer_norm(x([-512, 512]), eps=0.0), [-1, 1]),
    Row("transposed", lambda x: im.layer_norm(x([[1, 9], [3, 1]]).T, eps=0.0), [[-1, 1], [1, -1]]),
    Row("every-other", lambda x: im.layer_norm(x([[1, 7, 3, 7]])[:, ::2], eps=0.0), [[-1, 1]]),
    # 17 ones among 34 elements, the others -1: mean 0, variance 1
    Row("thirty-four", lambda x: im.layer_norm(x(np.tile([1, -1], (2, 17))), eps=0.0), np.tile([1, -1], (2, 17))),
    Row("nan-stays-in-its-row", lambda x: im.layer_norm(x([[1, NAN], [1, 3]]), eps=0.0), [[NAN, NAN], [-1, 1]]),
    Row("no-rows", lambda x: im.layer_norm(x(np.zeros((0, 4)))), np.zeros((0, 4))),
)
# fmt: on

ROWS = {"rms_norm": RMS_NORM, "layer_norm": LAYER_NORM}
