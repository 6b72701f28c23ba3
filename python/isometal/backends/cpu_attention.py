"""Attention on NumPy: BLAS in float32 over blocks of queries and keys, with a running softmax.

The scores of one block are all that is ever held of the (Tq, Tkv) matrix. The recurrence is that of Rabe and Staats
2021, "Self-attention does not need O(n^2) memory" (arXiv:2112.05682), after the running softmax of Milakov and
Gimelshein 2018 (arXiv:1805.02867).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from isometal.backends.base import NDArray
from isometal.backends.cpu_numeric import for_blas, to_float32

#: Keys per block, and scores per block (1 MiB of float32: a core's L2 cache).
KEYS = 512
SCORES = 1 << 18
#: Up to THIN query rows are multiplied one by one with LONG or more keys: 4 rows with 1024 keys of 64 numbers, 8
#: heads, take 0.10 ms, not 0.31.
THIN = 8
LONG = 256

#: What MLX replaces a masked score with.
_MASKED = np.finfo(np.float32).min
#: A row with a score above it gives masked keys a weight of exactly 0.
_WEIGHTLESS = np.float32(_MASKED / 2)


def attention(q: NDArray, k: NDArray, v: NDArray, scale: float, mask: Literal["causal"] | NDArray | None) -> NDArray:
    """softmax(scale q k^T + mask) v for q (B, Hq, Tq, D), k (B, Hkv, Tkv, D), v (B, Hkv, Tkv, Dv).

    Query head h reads key head h // (Hq / Hkv). A masked score is the least finite float32, as in MLX: a row with
    nothing left averages all values. A row whose additive mask is -inf throughout is NaN; no keys at all give 0.
    """
    batch, heads, queries, depth = q.shape
    kv_heads, keys, value_depth = k.shape[1], k.shape[2], v.shape[3]
    out = np.empty((batch, heads, queries, value_depth), q.dtype)
    if out.size == 0 or keys == 0:
        out.fill(0)
        return out
    group = heads // kv_heads
    grouped = (batch, kv_heads, group, queries)
    q5, out5 = q.reshape(*grouped, depth), out.reshape(*grouped, value_depth)
    causal, mask5 = False, None
    if isinstance(mask, str):
        causal = True
    elif mask is not None:
        mask5 = np.broadcast_to(mask, (batch, heads, queries, keys)).reshape(*grouped, keys)

    # Few queries: long blocks of keys, and many heads in one batched product. Many queries: one head at a time.
    keys_per_block = min(keys, max(KEYS, SCORES // (group * queries)))
    queries_per_block = min(queries, max(1, SCORES // (keys_per_block * group)))
    room = max(1, SCORES // (keys_per_block * group * queries_per_block))
    heads_per_block, batches_per_block = min(kv_heads, room), min(batch, max(1, room // kv_heads))
    for b in range(0, batch, batches_per_block):
        for h in range(0, kv_heads, heads_per_block):
            here = (slice(b, b + batches_per_block), slice(h, h + heads_per_block))
            kt, values = np.swapaxes(for_blas(to_float32(k[here])), -1, -2), for_blas(to_float32(v[here]))
            # A weight of 0 hides a value unless that is inf or NaN.
            may_skip = causal and bool(np.isfinite(values).all())
            for i in range(0, queries, queries_per_block):
                rows = (*here, slice(None), slice(i, i + queries_per_block))
                out5[rows] = _query_block(
                    q5[rows],
                    kt,
                    values,
                    scale,
                    None if mask5 is None else mask5[rows],
                    i + keys - queries if causal else keys,
                    may_skip,
                    keys_per_block,
                )
    return out


def _query_block(
    q: NDArray,
    kt: NDArray,
    v: NDArray,
    scale: float,
    mask: NDArray | None,
    diagonal: int,
    may_skip: bool,
    step: int,
) -> NDArray:
    """One block of queries (b, h, group, n, D) against all keys, ``step`` at a time: float32 (b, h, group, n, Dv).

    kt (b, h, D, Tkv), v (b, h, Tkv, Dv), mask (b, h, group, n, Tkv). Row i sees keys up to i + ``diagonal``;
    blocks beyond the last row's are left out where they can have no weight and ``may_skip``.
    """
    batch, heads, group, n, depth = q.shape
    keys = kt.shape[-1]
    # The heads of a group share their keys, so their queries are rows of one product.
    rows = np.multiply(q, np.float32(scale), dtype=np.float32).reshape(batch, heads, group * n, depth)
    # Running maximum, sum of weights and weighted sum of values; the first block sets them.
    top = total = out = np.empty(0)
    for start in range(0, keys, step):
        end = min(start + step, keys)
        hidden = end - 1 > diagonal
        if hidden and start and may_skip and start > n - 1 + diagonal and (top > _WEIGHTLESS).all():
            break
        scores = _scores(rows, kt[..., start:end])
        view = scores.reshape(batch, heads, group, n, end - start)
        if mask is not None:
            _apply(mask[..., start:end], view)
        if hidden:
            np.copyto(view, _MASKED, where=~np.tri(n, end - start, diagonal - start, dtype=np.bool_))
        new_top = scores.max(axis=-1, keepdims=True)
        if start:
            np.maximum(top, new_top, out=new_top)
        # Where all scores so far are -inf the weights are 0, not exp(-inf + inf).
        shift = np.maximum(new_top, _MASKED)
        scores -= shift
        np.exp(scores, out=scores)
        if start:
            decay = np.exp(top - shift)
            total *= decay
            total += scores.sum(axis=-1, keepdims=True)
            out *= decay
            out += scores @ v[:, :, start:end]
        else:
            total = scores.sum(axis=-1, keepdims=True)
            out = scores @ v[:, :, start:end]
        top = new_top
    out /= total
    return out.reshape(batch, heads, group, n, -1)


def _scores(rows: NDArray, kt: NDArray) -> NDArray:
    """rows @ kt, contiguous."""
    if rows.shape[-2] > THIN or kt.shape[-1] < LONG:
        return rows @ kt
    # One row is a matrix-vector product, which reads the keys as they lie; a matrix product would rearrange them first.
    return (rows[..., None, :] @ kt[..., None, :, :]).reshape(*rows.shape[:-1], -1)


def _apply(mask: NDArray, scores: NDArray) -> None:
    """Replace scores where a boolean mask is False, or add an additive one."""
    if mask.dtype == np.bool_:
        np.copyto(scores, _MASKED, where=~mask)
    else:
        scores += to_float32(mask)
