"""silu, gelu, softmax, the norms and the causal mask."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isometal.parity.definitions.common import UNIT32, Inputs, Params, axes_of, erfc, finite, real, row_mean, softmax_of
from isometal.parity.model import NDArray, Truth
from isometal.parity.rounding import FORMATS


def _sigmoid(x: NDArray) -> NDArray:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def silu(inputs: Inputs, params: Params) -> Truth:
    (x,) = inputs
    # The product keeps MLX's answer at -inf: -inf * 0 is NaN.
    return Truth(real(x) * _sigmoid(real(x)), x.dtype.name)


def gelu(inputs: Inputs, params: Params) -> Truth:
    (operand,) = inputs
    x = real(operand)
    approx = params.get("approx", "none")
    if approx == "none":
        # (1 + erf(x / sqrt 2)) / 2, written with erfc so that nothing cancels in the left tail.
        value = x * (0.5 * erfc(-x * math.sqrt(0.5)))
    elif approx in ("tanh", "precise"):
        # (1 + tanh u) / 2 = sigmoid(2u), for the same reason; Hendrycks and Gimpel, arXiv:1606.08415.
        value = x * _sigmoid(2.0 * math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))
    else:
        value = x * _sigmoid(1.702 * x)
    return Truth(np.asarray(value), operand.dtype.name)


def softmax(inputs: Inputs, params: Params) -> Truth:
    (x,) = inputs
    return Truth(softmax_of(real(x), axes_of(params.get("axis", -1), x.ndim)), x.dtype.name)


def causal_mask(inputs: Inputs, params: Params) -> Truth:
    arguments = dict(zip(("q_len", "kv_len"), inputs, strict=False)) | dict(params)
    dtype = arguments.get("dtype", "float32")
    q_len = arguments["q_len"]
    kv_len = arguments.get("kv_len")
    kv_len = q_len if kv_len is None else kv_len
    value = np.zeros((q_len, kv_len))
    for i in range(q_len):
        value[i, max(0, i + kv_len - q_len + 1) :] = -FORMATS[dtype].max
    # MLX multiplies False by finfo.min, which is -0; adding either zero changes no score.
    return Truth(value, dtype, signed_zeros=False)


def _affine(value: NDArray, weight: NDArray | None, bias: NDArray | None) -> NDArray:
    value = value if weight is None else value * real(weight)
    return value if bias is None else value + real(bias)


def padded(inputs: Inputs, count: int) -> list[Any]:
    """Operands left out at the end are None."""
    return [*inputs, *[None] * (count - len(inputs))]


def rms_norm(inputs: Inputs, params: Params) -> Truth:
    operand, weight = padded(inputs, 2)
    x = real(operand)
    scale = 1.0 / np.sqrt(row_mean(x * x) + params.get("eps", 1e-5))
    value = _affine(x * scale, weight, None)
    # MLX's float32 sum of squares, as in layer_norm; the square root halves its relative error.
    slack = 0.5 * UNIT32 * math.sqrt(x.shape[-1]) * np.abs(value)
    return Truth(value, operand.dtype.name, mlx_slack=finite(slack))


def layer_norm(inputs: Inputs, params: Params) -> Truth:
    operand, weight, bias = padded(inputs, 3)
    x = real(operand)
    centred = x - row_mean(x)
    deviation = np.sqrt(row_mean(centred * centred) + params.get("eps", 1e-5))
    value = _affine(centred / deviation, weight, bias)
    # The float32 sum behind MLX's mean is off by about sqrt(n) roundings of the magnitude (recursive summation,
    # Higham, Accuracy and Stability, 2.6 and 4.2), and the mean shifts every element of its row.
    shift = UNIT32 * math.sqrt(x.shape[-1]) * row_mean(np.abs(x)) / deviation
    slack = np.broadcast_to(shift, x.shape) * (1.0 if weight is None else np.abs(real(weight)))
    return Truth(value, operand.dtype.name, mlx_slack=finite(slack))
