"""Scaled dot-product attention, and what MLX loses by keeping scores and weights in 16 bits."""

from __future__ import annotations

import numpy as np

from isometal import dtypes
from isometal.parity.definitions.common import Inputs, Params, converted, finite, result_dtype, softmax_of
from isometal.parity.model import NDArray, Truth
from isometal.parity.rounding import FORMATS

#: The score of a key that a bool mask hides.
_HIDDEN = -float(np.finfo(np.float64).max)


def attention(inputs: Inputs, params: Params) -> Truth:
    dtype = result_dtype(inputs)
    q, k, v = (converted(x, dtype) for x in inputs)
    batch, heads, q_len, _ = q.shape
    kv_len = k.shape[2]
    # Grouped queries: query head h reads key and value head h // (Hq / Hkv).
    owner = np.arange(heads) // (heads // k.shape[1])
    k, v = k[:, owner], v[:, owner]
    if kv_len == 0:
        return Truth(np.zeros((batch, heads, q_len, v.shape[-1])), dtype.name)
    scores = np.einsum("bhid,bhjd->bhij", q, k) * params["scale"]
    mask = params.get("mask")
    if isinstance(mask, str):
        mask = np.arange(kv_len) <= np.arange(q_len)[:, None] + (kv_len - q_len)
    if mask is None:
        masked = scores
    elif mask.dtype == np.bool_:
        # A score that no other can be below: a row without any visible key is uniform over all keys, as in MLX.
        masked = np.where(mask, scores, _HIDDEN)
    else:
        masked = scores + converted(mask, dtype)
    weights = softmax_of(masked, (3,))
    value = np.einsum("bhij,bhjd->bhid", weights, v)
    slack = None
    if dtype != dtypes.float32:
        products = np.sqrt(np.einsum("bhid,bhjd->bhij", q * q, k * k)) * abs(params["scale"])
        slack = _slack(scores, masked, products, weights, v, value, FORMATS[dtype.name].unit_roundoff)
    return Truth(value, dtype.name, mlx_slack=slack)


def _slack(
    scores: NDArray, masked: NDArray, products: NDArray, weights: NDArray, v: NDArray, value: NDArray, unit: float
) -> NDArray:
    """What 16 bits add in the algorithm of `mlx.core.fast.scaled_dot_product_attention` (mlx/fast.cpp, fallback).

    The scale, each scaled query, each score and each masked score are rounded to the dtype: an absolute error of the
    exponent, which weighs the distance of that key's value from the result. Then the weights are rounded. The
    roundings of the queries are independent, so their products add as a root of squares (``products``).
    """
    visible = (weights > 0) & (masked != _HIDDEN)
    exponent = unit * (2.0 * np.abs(scores) + products + np.where(masked == scores, 0.0, np.abs(masked)))
    exponent = np.where(visible, exponent, 0.0)
    slack = unit * np.einsum("bhij,bhjd->bhid", weights, np.abs(v))
    for j in range(v.shape[2]):
        slack += (weights * exponent)[:, :, :, j, None] * np.abs(v[:, :, None, j] - value)
    return finite(slack)
