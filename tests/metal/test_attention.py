"""The attention kernels against float64: every variant, head dims, masks, layouts, and what must not leak."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from isometal import dtypes
from isometal.backends.metal import MetalBackend

NDArray = np.ndarray[Any, Any]
Force = Callable[[str, str], None]

#: Bounds on |result - truth|, relative to the greatest value: the floor that OPS.md gives.
BOUND = {"float32": 1e-5, "float16": 1e-3, "bfloat16": 5e-3}
VARIANTS = ("tile", "streamed", "split", "parts")
LOWEST = float(np.finfo(np.float32).min)


def truth(q: NDArray, k: NDArray, v: NDArray, scale: float, mask: Any = None) -> NDArray:
    """In float64. A hidden key counts only where all are hidden, and not at all where an additive mask is -inf."""
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    group = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
    queries, keys = q.shape[2], k.shape[2]
    if keys == 0:
        return np.zeros((*q.shape[:3], v.shape[3]))
    with np.errstate(all="ignore"):
        scores = np.einsum("bhqd,bhkd->bhqk", q, k) * scale
        if isinstance(mask, str):
            mask = np.arange(keys) <= np.arange(queries)[:, None] + keys - queries
        if mask is not None and mask.dtype == np.bool_:
            scores = np.where(mask, scores, LOWEST)
        elif mask is not None:
            scores = np.where(mask == -np.inf, -np.inf, scores + mask.astype(np.float64))
        top = np.maximum(scores.max(axis=-1, keepdims=True), LOWEST)
        weights = np.exp(scores - top)
        # 0 * inf is for keys that are seen.
        seen = (weights > 0) | np.isnan(weights) | ((scores > LOWEST) & ~np.isnan(scores))
        out = np.zeros((*scores.shape[:3], v.shape[3]))
        for j in range(keys):
            out += np.where(seen[..., j, None], weights[..., j, None] * v[:, :, None, j], 0)
        return np.asarray(out / weights.sum(axis=-1, keepdims=True))


def draw(seed: int, dtype: str, *shape: int) -> NDArray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtypes.BY_NAME[dtype])


def inputs(
    dtype: str = "float32",
    batch: int = 2,
    heads: int = 4,
    kv_heads: int = 2,
    queries: int = 7,
    keys: int = 11,
    dim: int = 16,
    value_dim: int | None = None,
) -> tuple[NDArray, NDArray, NDArray]:
    value_dim = dim if value_dim is None else value_dim
    return (
        draw(0, dtype, batch, heads, queries, dim),
        draw(1, dtype, batch, kv_heads, keys, dim),
        draw(2, dtype, batch, kv_heads, keys, value_dim),
    )


def run(metal: MetalBackend, operands: Sequence[Any], scale: float, mask: Any = None) -> NDArray:
    """Of arrays on the device, as float64."""
    q, k, v = operands
    return metal.to_numpy(metal.scaled_dot_product_attention(q, k, v, scale, mask)).astype(np.float64)


def attend(
    metal: MetalBackend, q: NDArray, k: NDArray, v: NDArray, mask: Any = None, scale: float | None = None
) -> NDArray:
    scale = q.shape[3] ** -0.5 if scale is None else scale
    held = metal.from_numpy(mask) if isinstance(mask, np.ndarray) else mask
    operands = [metal.from_numpy(x) for x in (q, k, v)]
    metal.poison(q.nbytes)
    return run(metal, operands, scale, held)


def check(
    metal: MetalBackend, q: NDArray, k: NDArray, v: NDArray, mask: Any = None, scale: float | None = None
) -> None:
    result = attend(metal, q, k, v, mask, scale)
    wanted = truth(q, k, v, q.shape[3] ** -0.5 if scale is None else scale, mask)
    close(result, wanted, dtypes.NAME_OF[q.dtype])


def close(result: NDArray, wanted: NDArray, dtype: str) -> None:
    assert result.shape == wanted.shape
    finite = wanted[np.isfinite(wanted)]
    size = max(1.0, float(np.abs(finite).max())) if finite.size else 1.0
    np.testing.assert_allclose(result, wanted, rtol=0, atol=BOUND[dtype] * size)


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest, force: Force) -> str:
    force("attention", request.param)
    return str(request.param)


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("dim", [1, 16, 31, 33, 40, 64, 65, 80, 96, 100, 128, 129, 256, 257, 320])
def test_head_dims(metal: MetalBackend, variant: str, dim: int, dtype: str) -> None:
    check(metal, *inputs(dtype, dim=dim, batch=1, queries=5, keys=37))


@pytest.mark.parametrize(("dim", "value_dim"), [(32, 64), (64, 32), (40, 7), (16, 80), (8, 300), (300, 8), (0, 4)])
def test_value_dims(metal: MetalBackend, variant: str, dim: int, value_dim: int) -> None:
    check(metal, *inputs(dim=dim, value_dim=value_dim, batch=1), scale=0.3)


@pytest.mark.parametrize("keys", [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256, 257, 513])
@pytest.mark.parametrize("mask", [None, "causal"])
def test_lengths_of_keys(metal: MetalBackend, variant: str, keys: int, mask: str | None) -> None:
    check(metal, *inputs(keys=keys, dim=32), mask)


@pytest.mark.parametrize("queries", [1, 2, 7, 8, 9, 31, 32, 33, 65])
@pytest.mark.parametrize("mask", [None, "causal"])
def test_lengths_of_queries(metal: MetalBackend, variant: str, queries: int, mask: str | None) -> None:
    check(metal, *inputs(queries=queries, keys=41, dim=32), mask)


@pytest.mark.parametrize(("heads", "kv_heads"), [(1, 1), (3, 1), (8, 2), (6, 6), (16, 1)])
def test_grouped_heads(metal: MetalBackend, variant: str, heads: int, kv_heads: int) -> None:
    for queries in (1, 3):
        check(metal, *inputs(heads=heads, kv_heads=kv_heads, queries=queries, dim=32))


def test_own_choice(metal: MetalBackend) -> None:
    for queries, keys in ((1, 100), (1, 5000), (8, 700), (9, 700), (70, 70)):
        for mask in (None, "causal"):
            check(metal, *inputs(queries=queries, keys=keys, dim=64, batch=1), mask)


MASK_SHAPES = [(7, 41), (1, 41), (7, 1), (2, 1, 7, 41), (1, 4, 7, 41), (2, 4, 7, 41), (2, 1, 1, 41), (1, 1, 1, 1)]


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("shape", MASK_SHAPES)
def test_masks(metal: MetalBackend, variant: str, shape: tuple[int, ...], dtype: str) -> None:
    four = (1,) * (4 - len(shape)) + shape
    q, k, v = inputs(dtype, keys=41, dim=32)
    seen = np.random.default_rng(3).random(four) < 0.6
    added = draw(4, dtype, *four)
    check(metal, q, k, v, seen)
    check(metal, q, k, v, added)
    check(metal, q, k, v, np.where(seen, added, -np.inf).astype(added.dtype))


def test_strided_masks(metal: MetalBackend, variant: str) -> None:
    q, k, v = inputs(keys=41, dim=32)
    scale = 32**-0.5
    wide = np.random.default_rng(5).random((2, 4, 14, 82)) < 0.5
    data = metal.from_numpy(wide)
    held = metal.getitem(data, (slice(0, 2), slice(3, None, -1), slice(1, 14, 2), slice(81, None, -2)))
    numpy_mask = wide[:, ::-1, 1:14:2, ::-2]
    result = run(metal, [metal.from_numpy(x) for x in (q, k, v)], scale, held)
    close(result, truth(q, k, v, scale, numpy_mask), "float32")


@pytest.mark.parametrize("queries", [3, 40, 100])
def test_rows_that_see_nothing(metal: MetalBackend, variant: str, queries: int) -> None:
    q, k, v = inputs(queries=queries, keys=37, dim=32)
    seen = np.random.default_rng(6).random((1, 1, queries, 37)) < 0.5
    seen[:, :, ::3] = False
    check(metal, q, k, v, seen)
    check(metal, q, k, v, np.zeros((1, 1, 1, 1), bool))
    # More queries than keys: the first ones see none.
    check(metal, q, k, v, "causal")
    added = np.where(seen, 0, -np.inf).astype(np.float32)
    result = attend(metal, q, k, v, added)
    assert np.isnan(result[:, :, ::3]).all()
    close(result, truth(q, k, v, 32**-0.5, added), "float32")


@pytest.mark.parametrize("queries", [5, 70])
def test_infinite_scores(metal: MetalBackend, variant: str, queries: int) -> None:
    """A row of which all visible scores are -inf takes the hidden keys, as numbers would have it."""
    q, k, v = inputs(queries=queries, keys=70, dim=32, batch=1)
    k[..., 0] = np.abs(k[..., 0]) + 1
    q[:, :, 2, 0] = -np.inf
    check(metal, q, k, v)
    check(metal, q, k, v, "causal")
    q[:, :, 1, 0] = np.inf
    q[:, :, 3, 5] = np.nan
    check(metal, q, k, v)


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_hidden_stays_hidden(metal: MetalBackend, variant: str, value: float, dtype: str) -> None:
    q, k, v = inputs(dtype, queries=40, keys=71, dim=32, batch=1)
    clean = (q, k.copy(), v.copy())
    hidden = [3, 17, 40, 70]
    k[:, :, hidden] = value
    v[:, :, hidden] = value
    seen = np.random.default_rng(7).random((1, 4, 40, 71)) < 0.7
    seen[..., hidden] = False
    added = np.where(seen, draw(8, dtype, 1, 4, 40, 71).astype(np.float32), -np.inf).astype(q.dtype)
    for mask in (seen, added):
        result = attend(metal, q, k, v, mask)
        assert np.isfinite(result).all()
        np.testing.assert_array_equal(result, attend(metal, *clean, mask))


def test_keys_hidden_before_the_first_that_is_seen(metal: MetalBackend, variant: str) -> None:
    """As long as a row has seen nothing it counts the hidden keys."""
    q, k, v = inputs(queries=9, keys=600, dim=32, batch=1)
    seen = np.zeros((1, 1, 9, 600), bool)
    seen[..., 500:] = True
    wanted = attend(metal, q, k, v, seen)
    close(wanted, truth(q, k, v, 32**-0.5, seen), "float32")
    v[:, :, :500] = np.nan
    np.testing.assert_array_equal(attend(metal, q, k, v, seen), wanted)


@pytest.mark.parametrize("queries", [6, 71])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_seen_shows(metal: MetalBackend, variant: str, value: float, queries: int) -> None:
    q, k, v = inputs(queries=queries, keys=71, dim=32, batch=1)
    for key in (0, 33, 68, 70):
        v[:, 1, key, key % 32] = value
    check(metal, q, k, v)
    check(metal, q, k, v, "causal")
    seen = np.random.default_rng(9).random((1, 1, queries, 71)) < 0.5
    seen[..., 5] = True
    check(metal, q, k, v, seen)
    check(metal, q, k, v, np.where(seen, 0.0, -np.inf).astype(np.float32))


def test_no_keys_and_nothing(metal: MetalBackend, variant: str) -> None:
    for mask in (None, "causal", np.zeros((1, 1, 1, 0), bool), np.zeros((1, 1, 1, 0), np.float32)):
        assert (attend(metal, *inputs(keys=0), mask) == 0).all()
    for shape in ({"batch": 0}, {"queries": 0}, {"value_dim": 0}, {"queries": 0, "keys": 0}):
        q, k, v = inputs(**shape)  # type: ignore[arg-type]
        assert attend(metal, q, k, v).size == 0


def _views(metal: MetalBackend, x: NDArray) -> dict[str, Any]:
    """The same array (B, H, T, D) as the device may hold it."""
    b, h, t, d = x.shape
    doubled = np.zeros((b, h, 2 * t, d), x.dtype)
    doubled[:, :, ::2] = x
    wide = np.zeros((b, h, t, d + 3), x.dtype)
    wide[..., 3:] = x
    every = slice(None)
    return {
        "heads last": metal.transpose(metal.from_numpy(np.ascontiguousarray(x.transpose(0, 2, 1, 3))), (0, 2, 1, 3)),
        "every other row": metal.getitem(metal.from_numpy(doubled), (every, every, slice(0, 2 * t, 2), every)),
        "reversed rows": metal.getitem(
            metal.from_numpy(np.ascontiguousarray(x[:, ::-1, ::-1])),
            (every, slice(h - 1, None, -1), slice(t - 1, None, -1), every),
        ),
        "offset": metal.getitem(metal.from_numpy(wide), (every, every, every, slice(3, d + 3))),
        "dims first": metal.transpose(metal.from_numpy(np.ascontiguousarray(x.transpose(0, 1, 3, 2))), (0, 1, 3, 2)),
    }


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_layouts(metal: MetalBackend, variant: str, dtype: str) -> None:
    q, k, v = inputs(dtype, queries=9, keys=35, dim=32)
    wanted = attend(metal, q, k, v, "causal", 0.2)
    for name in _views(metal, q):
        operands = [_views(metal, x)[name] for x in (q, k, v)]
        np.testing.assert_array_equal(run(metal, operands, 0.2, "causal"), wanted, err_msg=name)


def test_broadcast_operands(metal: MetalBackend, variant: str) -> None:
    q, k, v = inputs(queries=9, keys=35, dim=32)
    k, v = k[:1, :1], v[:1, :1]
    operands = [metal.broadcast_to(metal.from_numpy(x), (2, 2, 35, 32)) for x in (k, v)]
    result = run(metal, [metal.from_numpy(q), *operands], 0.2)
    k, v = (np.broadcast_to(x, (2, 2, 35, 32)) for x in (k, v))
    close(result, truth(q, k, v, 0.2), "float32")


def test_in_place_without_copies(metal: MetalBackend) -> None:
    q, k, v = inputs(queries=9, keys=35, dim=32)
    operands = [_views(metal, x)["heads last"] for x in (q, k, v)]
    before = metal._metal.stats()["dispatches"]
    run(metal, operands, 0.2)
    assert metal._metal.stats()["dispatches"] == before + 1


def test_memory_does_not_grow_with_the_scores(metal: MetalBackend) -> None:
    """1 x 1 x 3000 x 3000 scores would be 36 MB."""
    q, k, v = inputs(queries=3000, keys=3000, dim=32, batch=1, heads=1, kv_heads=1)
    data_q, data_k, data_v = (metal.from_numpy(x) for x in (q, k, v))
    metal._metal.synchronize()
    before = metal._metal.stats()["active_bytes"]
    out = metal.scaled_dot_product_attention(data_q, data_k, data_v, 0.2, "causal")
    assert metal._metal.stats()["active_bytes"] - before < 4 * q.nbytes
    close(metal.to_numpy(out), truth(q, k, v, 0.2, "causal"), "float32")
