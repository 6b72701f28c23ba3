"""Laws of scaled_dot_product_attention: each row is a convex combination of the values that the query sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import isometal as im
from isometal import dtypes
from isometal.parity.model import NDArray
from isometal.parity.properties.law import Law
from isometal.parity.properties.trial import Trial, real

_VALUES = ("normal", "uniform", "positive")
_LENGTHS = (1, 2, 3, 7, 8, 32, 33)


@dataclass(frozen=True)
class _Drawn:
    q: NDArray
    k: NDArray
    v: NDArray
    scale: float
    group: int
    layout: str

    @property
    def q_len(self) -> int:
        return int(self.q.shape[2])

    @property
    def kv_len(self) -> int:
        return int(self.k.shape[2])

    @property
    def scores(self) -> tuple[int, int, int, int]:
        return (*self.q.shape[:3], self.kv_len)


def _draw(t: Trial, more_keys: bool = False) -> _Drawn:
    """``more_keys``: at least as many keys as queries, so that a causal mask leaves each query a key."""
    batch, kv_heads, group = t.integer(1, 2), t.integer(1, 2), t.integer(1, 3)
    q_len, kv_len = t.choice(_LENGTHS), t.choice(_LENGTHS)
    if more_keys:
        q_len, kv_len = min(q_len, kv_len), max(q_len, kv_len)
    dim, value_dim = t.choice((1, 2, 8, 33)), t.choice((1, 3, 8))
    q = t.numbers((batch, kv_heads * group, q_len, dim), _VALUES, "q")
    k = t.numbers((batch, kv_heads, kv_len, dim), _VALUES, "k")
    v = t.numbers((batch, kv_heads, kv_len, value_dim), _VALUES, "v")
    return _Drawn(q, k, v, dim**-0.5, group, t.layout())


def _attend(t: Trial, d: _Drawn, mask: Any = None) -> NDArray:
    held = t.array(mask) if isinstance(mask, np.ndarray) else mask
    q, k, v = (t.place(x, d.layout) for x in (d.q, d.k, d.v))
    return real(im.scaled_dot_product_attention(q, k, v, scale=d.scale, mask=held))


def _allowed(t: Trial, d: _Drawn, mask: Any = None) -> NDArray:
    return t.allowed(t.truth(d.q, d.k, d.v, scale=d.scale, mask=mask))


def _bool_mask(t: Trial, d: _Drawn) -> NDArray:
    """Each query sees a key."""
    batch, heads, q_len, kv_len = d.scores
    return t.numbers((t.choice((1, batch)), t.choice((1, heads)), q_len, kv_len), ("mask",), "mask", "bool")


def _causal(d: _Drawn) -> NDArray:
    return np.asarray(np.arange(d.kv_len) <= np.arange(d.q_len)[:, None] + (d.kv_len - d.q_len))


def _zeros_mask(t: Trial, shape: tuple[int, ...]) -> NDArray:
    return np.zeros(shape, dtypes.BY_NAME[t.dtype])


def _convex(t: Trial) -> None:
    # Weights are not negative and sum to 1, so the truth lies between the least and the greatest value of its head,
    # feature by feature; the result within its allowance.
    d = _draw(t)
    result, slack = _attend(t, d), _allowed(t, d)
    v = np.repeat(real(d.v), d.group, axis=1)
    t.at_least(result, v.min(axis=2, keepdims=True), slack, "at least the least value")
    t.at_least(v.max(axis=2, keepdims=True), result, slack, "at most the greatest value")


def _permutes_keys(t: Trial) -> None:
    # A sum over keys in another order: one truth.
    d = _draw(t)
    order = list(t.permutation(d.kv_len))
    moved = replace(d, k=np.ascontiguousarray(d.k[:, :, order]), v=np.ascontiguousarray(d.v[:, :, order]))
    t.within(_attend(t, moved), _attend(t, d), 2 * _allowed(t, d), "the order of the keys does not matter")


def _permutes_queries(t: Trial) -> None:
    # Queries do not see each other.
    d = _draw(t)
    order = list(t.permutation(d.q_len))
    moved = replace(d, q=np.ascontiguousarray(d.q[:, :, order]))
    bound = 2 * _allowed(t, d)[:, :, order]
    t.within(_attend(t, moved), _attend(t, d)[:, :, order], bound, "queries do not see each other")


def _future_is_hidden(t: Trial) -> None:
    # Other keys and values after position j leave the queries that see only up to j as they were. Blocked code may
    # round otherwise, so within the allowance of both, which for these rows is the same.
    d = _draw(t, more_keys=True)
    row = t.integer(0, d.q_len - 1)
    last = row + d.kv_len - d.q_len
    t.drawn.append(("row", row))
    k, v = d.k.copy(), d.v.copy()
    k[:, :, last + 1 :] = t.numbers(k[:, :, last + 1 :].shape, _VALUES, "other k")
    v[:, :, last + 1 :] = (100 * real(v[:, :, last + 1 :])).astype(v.dtype)
    before, after = _attend(t, d, "causal"), _attend(t, replace(d, k=k, v=v), "causal")
    seen = slice(0, row + 1)
    bound = 2 * _allowed(t, d, "causal")[:, :, seen]
    t.within(after[:, :, seen], before[:, :, seen], bound, "causal attention does not see the future")


def _causal_is_a_mask(t: Trial) -> None:
    # "causal", the bool mask, and the additive mask of causal_mask: one truth where each query sees a key.
    d = _draw(t, more_keys=True)
    by_name, bound = _attend(t, d, "causal"), 2 * _allowed(t, d, "causal")
    t.within(_attend(t, d, _causal(d)), by_name, bound, "causal is a bool mask")
    additive = im.causal_mask(d.q_len, d.kv_len, dtype=t.dtype).numpy()
    t.within(_attend(t, d, additive), by_name, bound, "causal is an additive mask")


def _groups_share(t: Trial) -> None:
    # Query head h reads key head h // group: the same as keys and values repeated for each head.
    d = _draw(t)
    repeated = replace(d, k=np.repeat(d.k, d.group, axis=1), v=np.repeat(d.v, d.group, axis=1), group=1)
    t.within(_attend(t, d), _attend(t, repeated), 2 * _allowed(t, d), "grouped queries = repeated keys")


def _no_mask(t: Trial) -> None:
    # No mask, one that hides nothing, one that adds 0.
    d = _draw(t)
    plain, bound = _attend(t, d), 2 * _allowed(t, d)
    shape = d.scores
    t.within(_attend(t, d, np.ones(shape, bool)), plain, bound, "an all-true mask hides nothing")
    t.within(_attend(t, d, _zeros_mask(t, shape)), plain, bound, "a mask of zeros adds nothing")


def _bool_is_infinite(t: Trial) -> None:
    # False hides a key as -inf does; each query sees at least one.
    d = _draw(t)
    seen = _bool_mask(t, d)
    additive = np.where(seen, 0.0, -np.inf).astype(d.q.dtype)
    t.within(_attend(t, d, additive), _attend(t, d, seen), 2 * _allowed(t, d, seen), "False is -inf")


def _mask_broadcasts(t: Trial) -> None:
    d = _draw(t)
    seen = _bool_mask(t, d)
    spread = np.ascontiguousarray(np.broadcast_to(seen, d.scores))
    t.within(_attend(t, d, seen), _attend(t, d, spread), 2 * _allowed(t, d, seen), "masks broadcast")


def _hidden_is_absent(t: Trial) -> None:
    # Keys at the end that nobody sees are as good as none.
    d = _draw(t)
    kept = t.integer(1, d.kv_len)
    t.drawn.append(("kept", kept))
    short = replace(d, k=np.ascontiguousarray(d.k[:, :, :kept]), v=np.ascontiguousarray(d.v[:, :, :kept]))
    seen = np.arange(d.kv_len) < kept
    t.within(_attend(t, d, seen), _attend(t, short), 2 * _allowed(t, short), "a hidden key is as if absent")


def _additive_shift(t: Trial) -> None:
    # A constant added to every score of a row leaves the softmax. Scores are summed in float32, where s + 8 is off by
    # at most 2^-24 (|s| + 8) for each key: a relative error of twice that in a weight, and values up to max |v|.
    d = _draw(t)
    plain = _attend(t, d)
    shifted = _attend(t, d, _zeros_mask(t, d.scores) + np.asarray(8, dtypes.BY_NAME[t.dtype]))
    scores = np.sqrt(np.square(real(d.q)).sum(-1).max()) * np.sqrt(np.square(real(d.k)).sum(-1).max()) * d.scale
    extra = 4 * 2.0**-24 * (float(scores) + 8) * float(np.abs(real(d.v)).max())
    t.within(shifted, plain, 2 * _allowed(t, d) + extra, "a constant mask changes nothing")


def _scale_moves(t: Trial) -> None:
    # 2q is exact: scale s of 2q is scale 2s of q.
    d = _draw(t)
    doubled = replace(d, q=(2 * real(d.q)).astype(d.q.dtype))
    other = replace(d, scale=2 * d.scale)
    t.within(_attend(t, doubled), _attend(t, other), 2 * _allowed(t, other), "scale s of 2q = scale 2s of q")


def _values_scale(t: Trial) -> None:
    # Linear in v; 2v is exact.
    d = _draw(t)
    doubled = replace(d, v=(2 * real(d.v)).astype(d.v.dtype))
    bound = _allowed(t, doubled) + 2 * _allowed(t, d)
    t.within(_attend(t, doubled), 2 * _attend(t, d), bound, "attention to 2v is twice attention to v")


def _batches_alone(t: Trial) -> None:
    d = _draw(t)
    together, bound = _attend(t, d), 2 * _allowed(t, d)
    for b in range(d.q.shape[0]):
        entry = slice(b, b + 1)
        q, k, v = (np.ascontiguousarray(x[entry]) for x in (d.q, d.k, d.v))
        alone = replace(d, q=q, k=k, v=v)
        t.within(together[entry], _attend(t, alone), bound[entry], "batch entries do not see each other")


LAWS = {
    "scaled_dot_product_attention": (
        Law("convex", _convex),
        Law("permutes-keys", _permutes_keys),
        Law("permutes-queries", _permutes_queries),
        Law("future-is-hidden", _future_is_hidden),
        Law("causal-is-a-mask", _causal_is_a_mask),
        Law("groups-share", _groups_share),
        Law("no-mask", _no_mask),
        Law("bool-is-infinite", _bool_is_infinite),
        Law("mask-broadcasts", _mask_broadcasts),
        Law("hidden-is-absent", _hidden_is_absent),
        Law("additive-shift", _additive_shift),
        Law("scale-moves", _scale_moves),
        Law("values-scale", _values_scale),
        Law("batches-alone", _batches_alone),
    )
}
