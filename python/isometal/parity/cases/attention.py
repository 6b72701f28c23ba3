"""Cases of scaled_dot_product_attention.

NaN and infinity stand in q alone: what a masked key or value that is not finite does is not part of the op (MLX
multiplies it by 0, a kernel that skips masked blocks never reads it).
"""

from __future__ import annotations

from typing import NamedTuple

from isometal.parity.cases.collect import AWKWARD, Collector
from isometal.parity.model import ArraySpec, Layout


class _Shape(NamedTuple):
    """Batch, query heads, key heads, query length, key length, head dimension, value dimension (None: the same)."""

    batch: int = 1
    heads: int = 4
    kv_heads: int = 2
    q_len: int = 17
    kv_len: int = 33
    dim: int = 32
    value_dim: int | None = None


def attention(c: Collector) -> None:
    def add(
        s: _Shape,
        note: str = "",
        mask: ArraySpec | str | None = None,
        values: tuple[str, str, str] = ("normal", "normal", "normal"),
        layouts: tuple[Layout, Layout, Layout] = ("contiguous", "contiguous", "contiguous"),
        scale: float | None = None,
        deep: bool = False,
    ) -> None:
        params: dict[str, object] = {"scale": s.dim**-0.5 if scale is None else scale}
        if mask is not None:
            params["mask"] = mask
        kv = (s.batch, s.kv_heads, s.kv_len)
        q, k, v = (
            c.spec(*shape, values=kind, layout=layout)
            for shape, kind, layout in zip(
                ((s.batch, s.heads, s.q_len, s.dim), (*kv, s.dim), (*kv, s.value_dim or s.dim)),
                values,
                layouts,
                strict=True,
            )
        )
        c.add(q, k, v, note=note, params=params, deep=deep)

    # Lengths around the tile edges; decode is q_len 1.
    for q_len, kv_len, deep in (
        (1, 1, False), (1, 7, False), (1, 64, False), (1, 1025, False), (8, 8, False), (31, 33, False),
        (32, 32, False), (33, 31, False), (63, 65, False), (65, 64, False), (5, 129, False), (129, 5, False),
        (64, 64, True), (127, 129, True), (1, 4097, True), (128, 1024, True),
    ):  # fmt: skip
        shape = _Shape(q_len=q_len, kv_len=kv_len)
        add(shape, deep=deep)
        add(shape, "causal", "causal", deep=deep)
    for dim in (2, 32, 40, 64, 80, 96, 128, 256):
        add(_Shape(dim=dim, q_len=9, kv_len=35), "dim")
        add(_Shape(dim=dim, q_len=35, kv_len=35), "dim-causal", "causal", deep=dim in (2, 96))
    for dim, value_dim in ((32, 64), (64, 32), (40, 7), (16, 80)):
        add(_Shape(dim=dim, value_dim=value_dim), "value-dim")
    for heads, kv_heads in ((1, 1), (2, 2), (4, 1), (8, 2), (6, 2), (16, 4)):
        add(_Shape(2, heads, kv_heads, 9, 17), "heads")
        add(_Shape(2, heads, kv_heads, 1, 17), "heads-decode-causal", "causal")
    for empty in (_Shape(q_len=0), _Shape(kv_len=0), _Shape(batch=0), _Shape(q_len=0, kv_len=0)):
        add(empty, "empty")
    small = _Shape(2, 4, 2, 7, 11, 16)
    for given in ((7, 11), (1, 11), (7, 1), (11,), (1, 1, 7, 11), (2, 1, 7, 11), (1, 4, 7, 11), (2, 4, 7, 11),
                  (4, 7, 11), (2, 1, 1, 11), ()):  # fmt: skip
        where = "x".join(map(str, given)) or "0d"
        visible = "ones" if given in ((7, 1), ()) else "mask"
        add(small, f"bool-{where}", c.spec(*given, values=visible, dtype="bool"))
        add(small, f"additive-{where}", c.spec(*given))
        if visible == "mask":
            add(small, f"blocked-{where}", c.spec(*given, values="mask"), deep=len(given) == 3)
    for mask_layout in AWKWARD:
        add(small, f"bool-{mask_layout}", c.spec(7, 11, values="mask", dtype="bool", layout=mask_layout))
        add(small, f"additive-{mask_layout}", c.spec(2, 4, 7, 11, layout=mask_layout))
    # Rows that see no key: uniform over all keys where the mask is bool, NaN where it is additive -inf.
    add(small, "dead-rows-bool", c.spec(7, 11, values="dead-rows", dtype="bool"))
    add(small, "dead-rows-additive", c.spec(7, 11, values="dead-rows"))
    add(small, "all-dead-bool", c.spec(7, 11, values="zeros", dtype="bool"))
    add(small, "causal-array", c.spec(7, 11, values="causal"))
    add(_Shape(2, 4, 2, 33, 70, 16), "dead-rows-bool", c.spec(2, 1, 33, 70, values="dead-rows", dtype="bool"))
    if c.dtype == "float32":
        # MLX takes an additive mask of another dtype where it promotes to q's.
        add(small, "mask-float16", c.spec(7, 11, dtype="float16"))
    for layout in AWKWARD:
        add(small, layouts=(layout, "contiguous", "contiguous"))
        add(small, layouts=("contiguous", layout, "contiguous"))
        add(small, layouts=("contiguous", "contiguous", layout))
        add(small, "causal", "causal", layouts=(layout, layout, layout))
    for values in (("spread", "uniform", "normal"), ("zeros", "zeros", "normal"), ("ones", "ones", "normal"),
                   ("nonfinite", "normal", "normal"), ("normal", "normal", "spread"), ("tiny", "tiny", "tiny"),
                   ("denormal", "normal", "denormal"), ("uniform", "ties", "positive"),
                   ("uniform", "uniform", "offset")):  # fmt: skip
        add(small, values=values)
    for scale in (1.0, 0.1, 0.0, -0.25):
        add(small, f"scale{scale}", values=("uniform", "uniform", "normal"), scale=scale)
    add(_Shape(1, 8, 8, 256, 256, 64), "large")
    add(_Shape(1, 8, 2, 256, 256, 64), "large-causal", "causal")
