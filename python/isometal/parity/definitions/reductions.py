"""Reductions, and the shape ops, which move values and change none."""

from __future__ import annotations

import math

import numpy as np

from isometal import dtypes
from isometal.parity.definitions.common import UNIT32, Inputs, Params, axes_of, finite, lost_to_flushing, real
from isometal.parity.model import NDArray, Truth


def sum(inputs: Inputs, params: Params) -> Truth:
    (x,) = inputs
    axes, keep = axes_of(params.get("axis"), x.ndim), bool(params.get("keepdims", False))
    if dtypes.is_floating(x.dtype):
        magnitude = np.asarray(np.abs(real(x)).sum(axis=axes, keepdims=keep))
        value = np.asarray(real(x).sum(axis=axes, keepdims=keep))
        flushed = lost_to_flushing(math.prod(x.shape[a] for a in axes), magnitude)
        return Truth(value, x.dtype.name, magnitude, _sum_slack(magnitude, x, axes), flushed)
    dtype = dtypes.int32 if x.dtype == dtypes.bool_ else x.dtype
    total = x.astype(np.int64).view(np.uint64).sum(axis=axes, keepdims=keep)
    return Truth(np.asarray(total).view(np.int64).astype(dtype), dtype.name)


def mean(inputs: Inputs, params: Params) -> Truth:
    (x,) = inputs
    axes, keep = axes_of(params.get("axis"), x.ndim), bool(params.get("keepdims", False))
    count = math.prod(x.shape[a] for a in axes)
    dtype = x.dtype if dtypes.is_floating(x.dtype) else dtypes.float32
    value = np.asarray(real(x).sum(axis=axes, keepdims=keep) / np.float64(count))
    magnitude = np.asarray(np.abs(real(x)).sum(axis=axes, keepdims=keep) / np.float64(count))
    # Each partial sum is divided by the count of them.
    return Truth(value, dtype.name, magnitude, _sum_slack(magnitude, x, axes), lost_to_flushing(1, magnitude))


def _sum_slack(magnitude: NDArray, x: NDArray, axes: tuple[int, ...]) -> NDArray:
    """MLX adds float32 up in a few running sums: about sqrt(n) roundings of the magnitude (Higham, as in layer_norm).

    1000 terms: a fifth of the tolerance. 10^6 terms of one sign, measured on MLX 0.32.4: 800 roundings, 5e-5.
    """
    return finite(UNIT32 * math.sqrt(math.prod(x.shape[a] for a in axes)) * magnitude)


def max(inputs: Inputs, params: Params) -> Truth:
    (x,) = inputs
    values = real(x) if dtypes.is_floating(x.dtype) else x
    value = values.max(axis=axes_of(params.get("axis"), x.ndim), keepdims=bool(params.get("keepdims", False)))
    # IEEE 754 lets the maximum of -0 and +0 be either.
    return Truth(np.asarray(value), x.dtype.name, signed_zeros=False)


def _moved(x: NDArray, value: NDArray) -> Truth:
    return Truth(np.asarray(real(value) if dtypes.is_floating(x.dtype) else value), x.dtype.name)


def reshape(inputs: Inputs, params: Params) -> Truth:
    return _moved(inputs[0], np.reshape(inputs[0], params["shape"]))


def transpose(inputs: Inputs, params: Params) -> Truth:
    return _moved(inputs[0], np.transpose(inputs[0], params.get("axes")))


def broadcast_to(inputs: Inputs, params: Params) -> Truth:
    return _moved(inputs[0], np.broadcast_to(inputs[0], params["shape"]))
