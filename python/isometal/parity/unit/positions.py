"""Hand-checked rows of rope and causal_mask.

A pair (a, b) at angle t becomes (a cos t - b sin t, a sin t + b cos t). Sines and cosines of whole radians:
Abramowitz and Stegun, Table 4.6 and its continuation for radians 0 to 1000.
"""

from __future__ import annotations

import numpy as np

import isometal as im
from isometal.parity.unit.table import LARGEST, Make, Row, per_dtype

C1, S1 = 0.5403023058681397, 0.8414709848078965
C2, S2 = -0.4161468365471424, 0.9092974268256817
C4, S4 = -0.6536436208636119, -0.7568024953079283


def _token(x: Make, *features: float) -> im.Array:
    """One batch, one token: (1, 1, D)."""
    return x([[features]])


# fmt: off
ROPE = (
    Row("position-0", lambda x: im.rope(_token(x, 1, 2, 3, 4), 4), [[[1, 2, 3, 4]]]),
    # Token t stands at position t.
    Row("positions-0-1-2", lambda x: im.rope(x([[[1, 0], [1, 0], [1, 0]]]), 2), [[[1, 0], [C1, S1], [C2, S2]]]),
    Row("second-of-pair", lambda x: im.rope(x([[[0, 1], [0, 1]]]), 2), [[[0, 1], [-S1, C1]]]),
    Row("two-dimensions", lambda x: im.rope(x([[1, 0], [1, 0]]), 2), [[1, 0], [C1, S1]]),
    Row("offset", lambda x: im.rope(x([[[1, 0], [0, 1]]]), 2, offset=1), [[[C1, S1], [-S2, C2]]]),
    # base 1: every pair has angle 1. Halves: pairs (0, 2), (1, 3).
    Row("pairs-are-halves", lambda x: im.rope(_token(x, 1, 2, 0, 0), 4, base=1.0, offset=1),
        [[[C1, 2 * C1, S1, 2 * S1]]]),
    # Traditional: pairs (0, 1), (2, 3).
    Row("traditional-pairs-are-neighbours",
        lambda x: im.rope(_token(x, 1, 0, 0, 2), 4, traditional=True, base=1.0, offset=1),
        [[[C1, S1, -2 * S1, 2 * C1]]]),
    # base 16, dims 4: 16^(-2/4) = 1/4, so position 4 has the angles 4 and 1.
    Row("base", lambda x: im.rope(_token(x, 1, 1, 0, 0), 4, base=16.0, offset=4), [[[C4, C1, S4, S1]]]),
    Row("traditional-base", lambda x: im.rope(_token(x, 1, 0, 1, 0), 4, traditional=True, base=16.0, offset=4),
        [[[C4, S4, C1, S1]]]),
    # The default base, 10000^(-2/4) = 1/100: position 1 has the angles 1 and 0.01.
    # cos 0.01 = 1 - 0.01^2/2 + 0.01^4/24, sin 0.01 = 0.01 - 0.01^3/6 + 0.01^5/120.
    Row("default-base", lambda x: im.rope(_token(x, 1, 1, 0, 0), 4, offset=1),
        [[[C1, 0.9999500004166653, S1, 0.0099998333341667]]]),
    Row("scale", lambda x: im.rope(_token(x, 1, 0), 2, scale=0.25, offset=4), [[[C1, S1]]]),
    # Position / freqs: 4 / 2 and 4 / 4.
    Row("freqs", lambda x: im.rope(_token(x, 1, 1, 0, 0), 4, offset=4, freqs=x([2, 4], "float32")),
        [[[C2, C1, S2, S1]]]),
    # dims 2 of 4: the last two features pass through.
    Row("rest-passes", lambda x: im.rope(_token(x, 1, 0, 7, 9), 2, offset=1), [[[C1, S1, 7, 9]]]),
    # dims 4 of 5: pairs (0, 2), (1, 3) of the first four.
    Row("rest-passes-odd", lambda x: im.rope(_token(x, 1, 0, 0, 2, 5), 4, base=1.0, offset=1),
        [[[C1, -2 * S1, S1, 2 * C1, 5]]]),
    Row("offset-for-each-batch", lambda x: im.rope(x([[[1, 0]], [[1, 0]]]), 2, offset=x([0, 1], "int32")),
        [[[1, 0]], [[C1, S1]]]),
    # (B, H, T, D) = (1, 2, 2, 2): both heads see the same positions.
    Row("heads-share-positions", lambda x: im.rope(x([[[[1, 0], [1, 0]], [[0, 1], [0, 1]]]]), 2),
        [[[[1, 0], [C1, S1]], [[0, 1], [-S1, C1]]]]),
    # (2, 2, 1, 2): the offset belongs to the batch, not to the head.
    Row("offset-of-batch-not-head",
        lambda x: im.rope(x([[[[1, 0]], [[0, 1]]], [[[1, 0]], [[0, 1]]]]), 2, offset=x([1, 2], "int32")),
        [[[[C1, S1]], [[-S1, C1]]], [[[C2, S2]], [[-S2, C2]]]]),
    # (T, B, D) swapped to (B, T, D).
    Row("transposed", lambda x: im.rope(im.transpose(x([[[1, 0], [0, 1]], [[1, 0], [0, 1]]]), (1, 0, 2)), 2),
        [[[1, 0], [C1, S1]], [[0, 1], [-S1, C1]]]),
    Row("no-tokens", lambda x: im.rope(x(np.zeros((2, 0, 4))), 4), np.zeros((2, 0, 4))),
)


def _mask(x: Make, *lengths: int) -> im.Array:
    return im.causal_mask(*lengths, dtype=x.dtype)


CAUSAL_MASK = (
    *per_dtype("square", LARGEST, lambda x, m: _mask(x, 3), lambda m: [[0, -m, -m], [0, 0, -m], [0, 0, 0]]),
    *per_dtype("square-by-name", LARGEST, lambda x, m: _mask(x, 2, 2), lambda m: [[0, -m], [0, 0]]),
    # Aligned to the end: the last query sees every key.
    *per_dtype("more-keys", LARGEST, lambda x, m: _mask(x, 2, 4), lambda m: [[0, 0, 0, -m], [0, 0, 0, 0]]),
    *per_dtype("more-queries", LARGEST, lambda x, m: _mask(x, 4, 2), lambda m: [[-m, -m], [-m, -m], [0, -m], [0, 0]]),
    *per_dtype("one-query", LARGEST, lambda x, m: _mask(x, 1, 5), lambda m: [[0, 0, 0, 0, 0]]),
    *per_dtype("one-key", LARGEST, lambda x, m: _mask(x, 3, 1), lambda m: [[-m], [-m], [0]]),
    *per_dtype("one", LARGEST, lambda x, m: _mask(x, 1), lambda m: [[0]]),
    Row("no-queries", lambda x: _mask(x, 0, 3), np.zeros((0, 3))),
    Row("no-keys", lambda x: _mask(x, 3, 0), np.zeros((3, 0))),
    Row("float32-is-the-default", lambda x: im.causal_mask(2), [[0, -LARGEST["float32"]], [0, 0]], dtypes=("float32",)),
    # 33 queries cross a tile of 32: row i has i + 1 zeros.
    *per_dtype("thirty-three", LARGEST, lambda x, m: _mask(x, 33),
               lambda m: [[0] * (i + 1) + [-m] * (32 - i) for i in range(33)]),
)
# fmt: on

ROWS = {"rope": ROPE, "causal_mask": CAUSAL_MASK}
