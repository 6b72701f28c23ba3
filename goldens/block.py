"""The attention block in MLX itself: the twin of `isometal.parity.attention_block.attention_block`.

    x -> rms_norm -> q, k, v projections -> rope -> causal attention with grouped queries -> output projection -> + x

Written with mlx.core and mlx.core.fast alone; the KV cache is concatenated, as users of MLX do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
from recipes import Draw, to_mlx, to_numpy

#: Names of the weights, and of what each step records, in the order of the data flow.
WEIGHTS = ("norm", "wq", "wk", "wv", "wo")
STAGES = ("normed", "q", "k", "v", "attention", "output")


@dataclass(frozen=True)
class BlockRecipe:
    """One sequence through the block: ``steps`` are the lengths of prefill, chunks and decode steps."""

    name: str
    params: Mapping[str, Any]
    weights: Mapping[str, Any] = field(repr=False)
    steps: tuple[Any, ...] = field(repr=False)


def recipes(dtype: str) -> Iterator[BlockRecipe]:
    def make(
        name: str, batch: int, heads: int, kv_heads: int, head_dim: int, lengths: tuple[int, ...], **more: Any
    ) -> Any:
        draw = Draw("attention_block", dtype)
        width = 64
        weights = dict(
            zip(
                WEIGHTS,
                (
                    *draw(f"{name}-norm", (width,), scale=0.1, shift=1.0),
                    # Variance 1 / fan-in keeps every stage near unit size.
                    *draw(
                        f"{name}-qkv", (width, heads * head_dim), *[(width, kv_heads * head_dim)] * 2, scale=width**-0.5
                    ),
                    *draw(f"{name}-o", (heads * head_dim, width), scale=(heads * head_dim) ** -0.5),
                ),
                strict=True,
            )
        )
        steps = tuple(draw(f"{name}-x", *[(batch, length, width) for length in lengths], scale=more.pop("size", 1.0)))
        params = {
            "heads": heads, "kv_heads": kv_heads, "head_dim": head_dim, "eps": 1e-5,
            "base": 10000.0, "traditional": False, **more,
        }  # fmt: skip
        return BlockRecipe(name, params, weights, steps)

    yield make("gqa-prefill13-decode3", 2, 8, 2, 16, (13, 1, 1, 1))
    # A chunk after the cache is where a mask aligned to the wrong end shows.
    yield make("mqa-chunks-decode2", 2, 4, 1, 12, (7, 4, 1, 1), traditional=True, base=500_000.0)
    # Activations so small that eps decides the norm.
    yield make("mha-small-decode2", 1, 4, 4, 8, (5, 1, 1), size=2e-3)


def run(recipe: BlockRecipe) -> dict[str, Any]:
    """What MLX computes: ``step<i>/<stage>`` -> array."""
    p = recipe.params
    w = {name: to_mlx(value) for name, value in recipe.weights.items()}
    heads, kv_heads, head_dim = p["heads"], p["kv_heads"], p["head_dim"]
    keys: mx.array | None = None
    values: mx.array | None = None
    out: dict[str, Any] = {}
    for index, step in enumerate(recipe.steps):
        x = to_mlx(step)
        batch, length, _ = x.shape
        offset = 0 if keys is None else keys.shape[2]

        def split(t: mx.array, count: int, batch: int = batch, length: int = length) -> mx.array:
            return t.reshape(batch, length, count, head_dim).transpose(0, 2, 1, 3)

        def rotate(t: mx.array, offset: int = offset) -> mx.array:
            return mx.fast.rope(
                t, head_dim, traditional=p["traditional"], base=p["base"], scale=1.0, offset=offset
            )  # fmt: skip

        normed = mx.fast.rms_norm(x, w["norm"], p["eps"])
        q = rotate(split(normed @ w["wq"], heads))
        k = rotate(split(normed @ w["wk"], kv_heads))
        v = split(normed @ w["wv"], kv_heads)
        keys = k if keys is None else mx.concatenate([keys, k], axis=2)
        values = v if values is None else mx.concatenate([values, v], axis=2)
        attention = mx.fast.scaled_dot_product_attention(q, keys, values, scale=head_dim**-0.5, mask="causal")
        joined = attention.transpose(0, 2, 1, 3).reshape(batch, length, heads * head_dim)
        output = x + joined @ w["wo"]
        for stage, value in zip(STAGES, (normed, q, k, v, attention, output), strict=True):
            out[f"step{index}/{stage}"] = to_numpy(value)
    return out
