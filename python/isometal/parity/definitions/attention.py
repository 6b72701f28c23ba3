"""Scaled dot-product attention."""

from __future__ import annotations

import numpy as np

from isometal.parity.definitions.common import Inputs, Params, converted, result_dtype, softmax_of
from isometal.parity.model import Truth


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
        pass
    elif mask.dtype == np.bool_:
        # A score that no other can be below: a row without any visible key is uniform over all keys, as in MLX.
        scores = np.where(mask, scores, -np.finfo(np.float64).max)
    else:
        scores = scores + converted(mask, dtype)
    value = np.einsum("bhij,bhjd->bhid", softmax_of(scores, (3,)), v)
    return Truth(value, dtype.name)
