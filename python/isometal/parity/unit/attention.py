"""Hand-checked rows of scaled_dot_product_attention.

With q = 0 all scores are 0, so a query gets the plain mean of the values that it sees. With scores 0 and 1 the weights
are 1 / (1 + e) = 0.2689414213699951 and e / (1 + e) = 0.7310585786300049.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import isometal as im
from isometal.parity.unit.table import INF, NAN, Make, Row

A0, A1 = 0.2689414213699951, 0.7310585786300049
F, T = False, True


def _one_head(x: Make, q: Any, k: Any, v: Any, *, scale: float = 1.0, mask: Any = None) -> im.Array:
    """One batch, one head: q (Tq, D), k (Tkv, D), v (Tkv, Dv)."""
    return im.scaled_dot_product_attention(x([[q]]), x([[k]]), x([[v]]), scale=scale, mask=mask)


def _uniform(x: Make, q_len: int, v: Any, mask: Any = None) -> im.Array:
    """Queries and keys of zeros, D = 2: each result is the mean of the values seen."""
    return _one_head(x, np.zeros((q_len, 2)), np.zeros((len(v), 2)), v, mask=mask)


# fmt: off
ROWS = {"scaled_dot_product_attention": (
    Row("single-key", lambda x: _one_head(x, [[1, 2], [3, 4]], [[5, 6]], [[7, 8]], scale=0.5), [[[[7, 8], [7, 8]]]]),
    Row("uniform", lambda x: _uniform(x, 2, [[2, 20], [4, 40], [12, 120]]), [[[[6, 60], [6, 60]]]]),
    Row("two-keys", lambda x: _one_head(x, [[1]], [[0], [1]], [[1, 0], [0, 1]]), [[[[A0, A1]]]]),
    # scores 0.5 * (2 * 0) and 0.5 * (2 * 1)
    Row("scale", lambda x: _one_head(x, [[2]], [[0], [1]], [[1, 0], [0, 1]], scale=0.5), [[[[A0, A1]]]]),
    # scores 1*1 + 2*0 = 1 and 1*2 + 2*(-1) = 0
    Row("dot-product", lambda x: _one_head(x, [[1, 2]], [[1, 0], [2, -1]], [[1, 0], [0, 1]]), [[[[A1, A0]]]]),
    Row("each-query-by-itself", lambda x: _one_head(x, [[1], [0], [-1]], [[0], [1]], [[1, 0], [0, 1]]),
        [[[[A0, A1], [0.5, 0.5], [A1, A0]]]]),
    Row("value-dim-differs", lambda x: _one_head(x, [[1, 0]], [[0, 5], [1, 5]], [[1, 0, 2], [0, 1, 2]]),
        [[[[A0, A1, 2]]]]),
    # Scores of 1000 overflow exp in every dtype; the larger one takes all.
    Row("large-scores", lambda x: _one_head(x, [[100]], [[9], [10]], [[3], [5]]), [[[[5]]]]),
    Row("causal", lambda x: _uniform(x, 3, [[2], [4], [12]], "causal"), [[[[2], [3], [6]]]]),
    # Aligned to the end: with three keys the first of two queries sees two.
    Row("causal-more-keys", lambda x: _uniform(x, 2, [[2], [4], [12]], "causal"), [[[[3], [6]]]]),
    Row("causal-decode", lambda x: _uniform(x, 1, [[2], [4], [12]], "causal"), [[[[6]]]]),
    # The first of three queries sees no key: the mean of all values, as in MLX.
    Row("causal-more-queries", lambda x: _uniform(x, 3, [[2], [4]], "causal"), [[[[3], [2], [3]]]]),
    Row("bool-mask", lambda x: _uniform(x, 2, [[2], [4], [12]], x([[T, F, T], [F, T, F]], "bool")), [[[[7], [4]]]]),
    Row("bool-mask-of-keys", lambda x: _uniform(x, 2, [[2], [4], [12]], x([F, T, T], "bool")), [[[[8], [8]]]]),
    Row("bool-mask-column", lambda x: _uniform(x, 2, [[2], [4], [12]], x([[T], [T]], "bool")), [[[[6], [6]]]]),
    # No key seen: the mean of all values.
    Row("bool-mask-none-seen", lambda x: _uniform(x, 2, [[2], [4], [12]], x([[F, F, F], [T, F, F]], "bool")),
        [[[[6], [2]]]]),
    Row("additive-mask", lambda x: _uniform(x, 1, [[1, 0], [0, 1]], x([[0, 1]])), [[[[A0, A1]]]]),
    Row("additive-mask-after-scale",
        lambda x: _one_head(x, [[1]], [[0], [0]], [[1, 0], [0, 1]], scale=0.25, mask=x([[0, 1]])),
        [[[[A0, A1]]]]),
    Row("additive-infinite", lambda x: _uniform(x, 1, [[2], [4], [12]], x([[0, -INF, 0]])), [[[[7]]]]),
    Row("additive-none-seen", lambda x: _uniform(x, 2, [[2], [4]], x([[-INF, -INF], [0, -INF]])), [[[[NAN], [2]]]]),
    # One mask for each batch entry: (2, 1, 1, 2).
    Row("mask-of-batch",
        lambda x: im.scaled_dot_product_attention(
            x(np.zeros((2, 1, 1, 2))), x(np.zeros((2, 1, 2, 2))), x([[[[1], [2]]], [[[3], [4]]]]),
            scale=1.0, mask=x([[[[T, F]]], [[[F, T]]]], "bool")),
        [[[[1]]], [[[4]]]]),
    # One mask for each query head, (1, 2, 1, 2), over one key head.
    Row("mask-of-head",
        lambda x: im.scaled_dot_product_attention(
            x(np.zeros((1, 2, 1, 2))), x(np.zeros((1, 1, 2, 2))), x([[[[1], [2]]]]),
            scale=1.0, mask=x([[[[T, F]], [[F, T]]]], "bool")),
        [[[[1]], [[2]]]]),
    Row("causal-mask-array", lambda x: _uniform(x, 3, [[2], [4], [12]], im.causal_mask(3, dtype=x.dtype)),
        [[[[2], [3], [6]]]]),
    # Query heads 0, 1 read key head 0, query heads 2, 3 key head 1.
    Row("grouped-queries",
        lambda x: im.scaled_dot_product_attention(
            x(np.ones((1, 4, 1, 2))), x(np.ones((1, 2, 1, 2))), x([[[[10]], [[20]]]]),
            scale=1.0),
        [[[[10]], [[10]], [[20]], [[20]]]]),
    # The keys are grouped too: scores 0, 1 for key head 0 and 1, 0 for key head 1.
    Row("grouped-keys",
        lambda x: im.scaled_dot_product_attention(
            x(np.ones((1, 4, 1, 1))), x([[[[0], [1]], [[1], [0]]]]), x([[[[1], [0]], [[1], [0]]]]), scale=1.0),
        [[[[A0]], [[A0]], [[A1]], [[A1]]]]),
    Row("batch",
        lambda x: im.scaled_dot_product_attention(
            x(np.ones((2, 1, 1, 1))), x([[[[0], [1]]], [[[1], [0]]]]), x([[[[1], [0]]], [[[3], [0]]]]), scale=1.0),
        [[[[A0]]], [[[3 * A1]]]]),
    # (B, T, H, D) swapped to (B, H, T, D), as a projection gives it.
    Row("transposed-heads",
        lambda x: im.scaled_dot_product_attention(
            im.transpose(x(np.zeros((1, 1, 2, 2))), (0, 2, 1, 3)),
            im.transpose(x(np.zeros((1, 2, 2, 2))), (0, 2, 1, 3)),
            im.transpose(x([[[[1], [10]], [[3], [30]]]]), (0, 2, 1, 3)), scale=1.0),
        [[[[2]], [[20]]]]),
    # 33 keys, value j is j: the mean is 16.
    Row("thirty-three-keys", lambda x: _uniform(x, 1, [[j] for j in range(33)]), [[[[16]]]]),
    Row("no-keys", lambda x: _one_head(x, np.ones((2, 3)), np.zeros((0, 3)), np.zeros((0, 4))), np.zeros((1, 1, 2, 4))),
    Row("no-queries", lambda x: _one_head(x, np.zeros((0, 3)), np.ones((2, 3)), np.ones((2, 4))),
        np.zeros((1, 1, 0, 4))),
    Row("nan-stays-in-its-row", lambda x: _one_head(x, [[NAN], [0]], [[1], [2]], [[3], [5]]), [[[[NAN], [4]]]]),
    Row("promotes",
        lambda x: im.scaled_dot_product_attention(x([[[[1]]]]), x([[[[1]]]], "bfloat16"), x([[[[7]]]]), scale=1.0),
        [[[[7]]]], "float32", ("float16",)),
)}
# fmt: on
