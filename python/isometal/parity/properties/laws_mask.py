"""Laws of causal_mask."""

from __future__ import annotations

import numpy as np

import isometal as im
from isometal.parity.model import NDArray
from isometal.parity.properties.law import Law
from isometal.parity.properties.trial import Trial, real
from isometal.parity.rounding import FORMATS


def _mask(t: Trial, q_len: int, kv_len: int) -> NDArray:
    return im.causal_mask(q_len, kv_len, dtype=t.dtype).numpy()


def _lengths(t: Trial) -> tuple[int, int]:
    q_len, kv_len = t.extent(), t.extent()
    t.drawn.append(("q_len, kv_len", (q_len, kv_len)))
    return q_len, kv_len


def _two_values(t: Trial) -> None:
    q_len, kv_len = _lengths(t)
    mask = _mask(t, q_len, kv_len)
    lowest = -FORMATS[t.dtype].max
    t.same(mask, np.where(real(mask) == 0, 0.0, lowest).astype(mask.dtype), "only 0 and the lowest number")


def _counts(t: Trial) -> None:
    # Row i sees keys 0 .. i + kv - q: so many zeros, and all of them first.
    q_len, kv_len = _lengths(t)
    seen = real(_mask(t, q_len, kv_len)) == 0
    counts = np.clip(np.arange(q_len) + 1 + kv_len - q_len, 0, kv_len)
    t.same(seen.sum(axis=1), counts, "row i sees i + 1 + kv - q keys")
    t.same(seen, np.arange(kv_len) < counts[:, None], "the keys seen come first")


def _last_rows(t: Trial) -> None:
    # Queries at the end of a sequence: the mask of a suffix is the suffix of the square mask.
    q_len, kv_len = sorted(_lengths(t))
    square = _mask(t, kv_len, kv_len)
    t.same(_mask(t, q_len, kv_len), square[kv_len - q_len :], "decode rows are the last rows of the square mask")


def _grows(t: Trial) -> None:
    # One more query and key adds a first row and a last column around the same mask.
    q_len, kv_len = _lengths(t)
    larger = _mask(t, q_len + 1, kv_len + 1)
    t.same(larger[:-1, :-1], _mask(t, q_len, kv_len), "a longer mask starts with the shorter one")


def _square_default(t: Trial) -> None:
    q_len, _ = _lengths(t)
    t.same(im.causal_mask(q_len, dtype=t.dtype), _mask(t, q_len, q_len), "kv_len is q_len by default")


LAWS = {
    "causal_mask": (
        Law("two-values", _two_values),
        Law("counts", _counts),
        Law("last-rows", _last_rows),
        Law("grows", _grows),
        Law("square-default", _square_default),
    )
}
