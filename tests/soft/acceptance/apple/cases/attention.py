"""sdpa_vector and sdpa_vector_2pass: head sizes, grouped heads, causal, bool and additive masks, sinks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product

import numpy as np

from apple.case import Case, Group, generator
from apple.host import attention as host
from apple.launch import NDArray
from apple.operands import FLOATS, normal, real
from apple.peer import mlx
from isometal.parity.definitions import attention as definitions

#: (batch, query heads, key heads, queries, keys)
SHAPES = ((1, 1, 1, 1, 1), (1, 2, 1, 1, 31), (1, 4, 2, 2, 33), (2, 3, 3, 3, 64), (1, 8, 2, 1, 257))
WIDTHS = ((64, 64), (96, 96), (128, 128), (192, 128), (256, 256))
VARIANTS = ("plain", "causal", "bool mask", "float mask", "sinks")
#: -inf is what a mask is made of; the kernels skip what is below the smallest finite number.
_HIDDEN = -np.inf


def _mask(rng: np.random.Generator, variant: str, shape: tuple[int, ...], dtype: str) -> NDArray | None:
    """At least the first key is visible to every query."""
    if variant == "bool mask":
        visible = rng.random(shape) < 0.6
        visible[..., 0] = True
        return visible
    if variant == "float mask":
        mask = normal(rng, shape, dtype)
        mask[rng.random(shape) < 0.3] = _HIDDEN
        mask[..., 0] = 0
        return mask
    return None


def _with_sinks(q: NDArray, k: NDArray, v: NDArray, scale: float, sinks: NDArray) -> NDArray:
    """A sink is one more score per head, to which no value belongs."""
    owner = np.arange(q.shape[1]) // (q.shape[1] // k.shape[1])
    scores = np.einsum("bhid,bhjd->bhij", real(q), real(k)[:, owner]) * scale
    sink = np.broadcast_to(real(sinks)[None, :, None, None], (*scores.shape[:3], 1))
    weights = np.exp(np.concatenate([scores, sink], -1) - np.maximum(scores.max(-1, keepdims=True), sink))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("bhij,bhjd->bhid", weights[..., :-1], real(v)[:, owner])


def _weighted_magnitude(q: NDArray, k: NDArray, v: NDArray, scale: float, mask: object) -> NDArray:
    """The same weights on the magnitudes of the values: the terms that cancel in the result."""
    parameters = {"scale": scale, "mask": mask}
    return definitions.attention((q, k, np.abs(real(v)).astype(np.float32).astype(v.dtype)), parameters).value


def _cases(dtype: str, widths: tuple[int, int], variant: str, blocks: int | None) -> list[Case]:
    rng = generator("attention", dtype, widths, variant, blocks)
    cases = []
    for batch, heads, key_heads, queries, keys in SHAPES:
        q = normal(rng, (batch, heads, queries, widths[0]), dtype)
        k = normal(rng, (batch, key_heads, keys, widths[0]), dtype)
        v = normal(rng, (batch, key_heads, keys, widths[1]), dtype)
        scale = widths[0] ** -0.5
        mask = _mask(rng, variant, (batch, heads, queries, keys), dtype)
        sinks = normal(rng, heads, dtype) if variant == "sinks" else None
        options = host.Options(variant == "causal", mask, sinks)
        if blocks is None:
            program = host.sdpa_vector(q, k, v, scale, options)
        else:
            program = host.sdpa_vector_two_pass(q, k, v, scale, options, blocks)
        semantic = "causal" if variant == "causal" else mask
        if sinks is None:
            truth = definitions.attention((q, k, v), {"scale": scale, "mask": semantic}).value
        else:
            truth = _with_sinks(q, k, v, scale, sinks)
        peer = mlx(
            lambda mx, q, k, v, mask, sinks, scale=scale: mx.fast.scaled_dot_product_attention(
                q, k, v, scale=scale, mask="causal" if variant == "causal" else mask, sinks=sinks
            ),
            q, k, v, mask, sinks,
        )  # fmt: skip
        magnitude = _weighted_magnitude(q, k, v, scale, semantic)
        cases.append(Case(f"{batch}x{heads}/{key_heads}x{queries}x{keys}", program, truth, peer, magnitude))
    return cases


def _grouped(dtype: str, factor: int, width: int) -> list[Case]:
    rng = generator("attention grouped", dtype, factor, width)
    cases = []
    for batch, key_heads, keys, blocks in ((1, 1, 64, 32), (2, 1, 1000, 32), (1, 2, 257, 64)):
        q = normal(rng, (batch, factor * key_heads, 1, width), dtype)
        k, v = (normal(rng, (batch, key_heads, keys, width), dtype) for _ in range(2))
        scale = width**-0.5
        truth = definitions.attention((q, k, v), {"scale": scale}).value
        peer = mlx(lambda mx, q, k, v, s=scale: mx.fast.scaled_dot_product_attention(q, k, v, scale=s), q, k, v)
        program = host.sdpa_vector_two_pass(q, k, v, scale, blocks=blocks, grouped=True)
        magnitude = _weighted_magnitude(q, k, v, scale, None)
        cases.append(Case(f"{batch}x{key_heads}x{keys} in {blocks}", program, truth, peer, magnitude))
    return cases


def groups() -> Iterator[Group]:
    for dtype, variant in product(FLOATS, VARIANTS):
        # Every option on the common width, the other widths without options.
        for widths in WIDTHS if variant == "plain" else WIDTHS[:1]:
            name = f"{widths[0]}_{widths[1]} {variant}"
            yield Group("attention", f"sdpa_vector_{name}", dtype, partial(_cases, dtype, widths, variant, None))
            yield Group("attention", f"sdpa_vector_2pass_{name}", dtype, partial(_cases, dtype, widths, variant, 32))
        for factor, width in ((8, 64), (16, 128)) if variant == "plain" else ():
            yield Group(
                "attention", f"sdpa_vector_2pass_gqa_{factor}_{width}", dtype, partial(_grouped, dtype, factor, width)
            )
