"""The attention block: the golden functional test `attention_block_goldens`, which the gate asks for by name.

    x -> rms_norm -> q, k, v projections -> rope -> causal attention with grouped queries -> output projection -> + x

`attention_block` is written with the facade alone, so it runs on every backend; its twin in MLX made the goldens
(goldens/block.py), `evaluate` is the float64 definition. A sequence goes through in steps: a prefill, possibly a chunk,
then single tokens, each of which sees the keys and values of all before it through the KV cache.

Each step records its stages, so that a failure says where the data first went wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

import isometal as im
from isometal import selection
from isometal.optable import OPS, Tolerance
from isometal.parity import golden
from isometal.parity.compare import MismatchError, compare, error_ratio
from isometal.parity.golden_files import BLOCK, GoldenCase, GoldenError
from isometal.parity.model import Check, Metrics, NDArray, Outcome, Truth

#: The row that the block's checks count for.
OP = "scaled_dot_product_attention"
WEIGHTS = ("norm", "wq", "wk", "wv", "wo")
#: What a step records, in the order of the data flow; q and k after rope, attention before the output projection.
STAGES = ("normed", "q", "k", "v", "attention", "output")


@dataclass(frozen=True)
class Config:
    """The block's shape and constants. Width is that of x; queries have ``heads``, keys and values ``kv_heads``."""

    heads: int
    kv_heads: int
    head_dim: int
    eps: float
    base: float
    traditional: bool


@dataclass
class KVCache:
    """Keys and values of the tokens so far, (B, Hkv, capacity, D), in NumPy buffers on the host.

    None of the 20 ops joins arrays, and a cache is storage, not arithmetic: tokens are copied in bit for bit, and what
    is filled goes back to the backend as one array. The view of a buffer with room to grow has a stride larger than its
    extent, which is how caches reach attention kernels in practice.
    """

    capacity: int
    length: int = 0
    _buffers: list[NDArray] = field(default_factory=list)

    def append(self, keys: im.Array, values: im.Array) -> tuple[im.Array, im.Array]:
        """Add the tokens of ``keys`` and ``values`` (B, Hkv, T, D); all keys and values so far, on the same backend."""
        new = (keys.numpy(), values.numpy())
        if not self._buffers:
            self._buffers = [np.zeros((*a.shape[:2], self.capacity, a.shape[3]), a.dtype) for a in new]
        end = self.length + keys.shape[2]
        for buffer, tokens in zip(self._buffers, new, strict=True):
            buffer[:, :, self.length : end] = tokens
        self.length = end
        filled_keys, filled_values = (im.array(buffer[:, :, :end], backend=keys.backend) for buffer in self._buffers)
        return filled_keys, filled_values


def attention_block(
    x: im.Array, weights: Mapping[str, im.Array], cache: KVCache, config: Config
) -> dict[str, im.Array]:
    """The stages of one step for x (B, T, width), the last of which is the output (B, T, width).

    weights: norm (width,), wq (width, Hq * D), wk and wv (width, Hkv * D), wo (Hq * D, width). Extends ``cache``.
    """
    batch, length, _ = x.shape
    position = cache.length

    def split(projected: im.Array, heads: int) -> im.Array:
        """(B, T, H * D) to (B, H, T, D)."""
        return im.transpose(im.reshape(projected, (batch, length, heads, config.head_dim)), (0, 2, 1, 3))

    def rotate(t: im.Array) -> im.Array:
        return im.rope(t, config.head_dim, traditional=config.traditional, base=config.base, offset=position)

    normed = im.rms_norm(x, weights["norm"], config.eps)
    q = rotate(split(im.matmul(normed, weights["wq"]), config.heads))
    k = rotate(split(im.matmul(normed, weights["wk"]), config.kv_heads))
    v = split(im.matmul(normed, weights["wv"]), config.kv_heads)
    keys, values = cache.append(k, v)
    attention = im.scaled_dot_product_attention(q, keys, values, scale=config.head_dim**-0.5, mask="causal")
    joined = im.reshape(im.transpose(attention, (0, 2, 1, 3)), (batch, length, config.heads * config.head_dim))
    output = im.add(x, im.matmul(joined, weights["wo"]))
    return dict(zip(STAGES, (normed, q, k, v, attention, output), strict=True))


def config_of(case: GoldenCase) -> Config:
    return Config(**{name: case.params[name] for name in Config.__dataclass_fields__})


def run(case: GoldenCase, backend: str) -> dict[str, NDArray]:
    """All steps of ``case`` on ``backend``: ``step<i>/<stage>`` to the result."""
    config = config_of(case)
    weights = {name: im.array(case.params[name].copy(), backend=backend) for name in WEIGHTS}
    cache = KVCache(sum(x.shape[1] for x in case.inputs))
    out: dict[str, NDArray] = {}
    with im.use_backend(backend):
        for index, x in enumerate(case.inputs):
            selection.get(backend).poison(x.nbytes)
            stages = attention_block(im.array(x.copy(), backend=backend), weights, cache, config)
            for stage, result in stages.items():
                if result.backend != backend:
                    raise AssertionError(f"[{BLOCK}] {stage} is on {result.backend}; it must be on {backend}.")
                out[f"step{index}/{stage}"] = result.numpy()
    return out


# -- float64 ----------------------------------------------------------------------------------------------------------


def evaluate(case: GoldenCase) -> dict[str, NDArray]:
    """The whole block in float64 from the case's inputs, nothing rounded on the way."""
    config = config_of(case)
    w = {name: case.params[name].astype(np.float64) for name in WEIGHTS}
    past: list[tuple[NDArray, NDArray]] = []
    position = 0
    out: dict[str, NDArray] = {}
    for index, recorded in enumerate(case.inputs):
        x = recorded.astype(np.float64)
        length = x.shape[1]
        normed = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + config.eps) * w["norm"]
        positions = np.arange(position, position + length)
        q = _rotate(_split(normed @ w["wq"], config), positions, config)
        k = _rotate(_split(normed @ w["wk"], config), positions, config)
        v = _split(normed @ w["wv"], config)
        past.append((k, v))
        keys, values = (np.concatenate(parts, axis=2) for parts in zip(*past, strict=True))
        attention = _attend(q, keys, values, positions)
        joined = attention.transpose(0, 2, 1, 3).reshape(*x.shape[:2], -1)
        output = x + joined @ w["wo"]
        for stage, value in zip(STAGES, (normed, q, k, v, attention, output), strict=True):
            out[f"step{index}/{stage}"] = value
        position += length
    return out


def _split(projected: NDArray, config: Config) -> NDArray:
    batch, length, width = projected.shape
    heads = projected.reshape(batch, length, width // config.head_dim, config.head_dim)
    return np.asarray(heads.transpose(0, 2, 1, 3))


def _rotate(t: NDArray, positions: NDArray, config: Config) -> NDArray:
    """Rotary embedding (Su et al., arXiv:2104.09864) of (B, H, T, D) as complex numbers."""
    half = config.head_dim // 2
    turn = np.exp(1j * positions[:, None] * config.base ** (-np.arange(half) / half))
    if config.traditional:
        turned = (t[..., 0::2] + 1j * t[..., 1::2]) * turn
        return np.asarray(np.stack([turned.real, turned.imag], axis=-1).reshape(t.shape))
    turned = (t[..., :half] + 1j * t[..., half:]) * turn
    return np.concatenate([turned.real, turned.imag], axis=-1)


def _attend(q: NDArray, keys: NDArray, values: NDArray, positions: NDArray) -> NDArray:
    """Query head h attends with key and value head h // (Hq / Hkv) to the tokens up to its own position."""
    groups = q.shape[1] // keys.shape[1]
    keys, values = (np.repeat(a, groups, axis=1) for a in (keys, values))
    scores = q @ keys.swapaxes(2, 3) / np.sqrt(q.shape[3])
    scores = np.where(np.arange(keys.shape[2]) <= positions[:, None], scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True) @ values)


# -- kind G -----------------------------------------------------------------------------------------------------------

#: Bound on |x - t| <= v + v * |t| for every stage after the first, against float64 and against the golden alike.
#:
#: About twice what MLX itself shows and well below the sum of the tolerances of the ops passed through (3e-5, 4e-3 and
#: 4.5e-2). Measured over all stages, the worst of |x - t| / (1 + |t|):
#:           MLX's golden  cpu      cpu to golden
#: float32   6.3e-7        6.4e-7   8.8e-7
#: float16   1.7e-3        1.1e-3   2.4e-3
#: bfloat16  1.1e-2        8.9e-3   1.5e-2
TOLERANCE: Mapping[str, Tolerance] = {
    "float32": Tolerance("close", 2e-6),
    "float16": Tolerance("close", 4e-3),
    "bfloat16": Tolerance("close", 2.5e-2),
}


def tolerance_of(stage: str, dtype: str) -> Tolerance:
    """The first stage is one rms_norm, so its row's tolerance holds; the others are compositions."""
    return OPS["rms_norm"].tolerance[dtype] if stage == "normed" else TOLERANCE[dtype]


def checks(dtype: str, backend: str) -> list[Check]:
    """`attention_block_goldens` of a cell, one check per sequence; a file that cannot be trusted is one that fails."""
    make = partial(Check, OP, dtype, backend, "G", attention_block=True)
    try:
        cases = golden.cases_of(BLOCK, dtype)
    except GoldenError as error:
        return [make(name="attention_block_goldens-file", run=partial(golden.broken, error))]
    return [make(name=f"attention_block_goldens-{case.name}", run=partial(_check, case, backend)) for case in cases]


def _check(case: GoldenCase, backend: str) -> Outcome:
    reason = selection.unavailable(backend)
    if reason is not None:
        return Outcome("not-run", reason)
    return judge(case, run(case, backend), backend)


def judge(case: GoldenCase, results: Mapping[str, NDArray], backend: str) -> Outcome:
    """Every stage of every step against the golden and against float64. The message names the first that is wrong."""
    truth = evaluate(case)
    if wrong := _mismatched_keys(case, truth, results):
        return Outcome("failed", wrong)
    worst: Metrics | None = None
    failure: tuple[str, Metrics] | None = None
    rms = {"rms_vs_float64": 0.0, "golden_rms_vs_float64": 0.0}
    for key, what, found in _comparisons(case, truth, results, backend):
        if isinstance(found, str):
            return Outcome("failed", f"{key}: {found}")
        if what == "golden":
            worst = found if worst is None or found.bound_ratio > worst.bound_ratio else worst
        else:
            rms[what] = max(rms[what], found.rms)
        if what != "golden_rms_vs_float64" and not found.passed and failure is None:
            against = "MLX's golden" if what == "golden" else "float64"
            failure = (f"first wrong at {key}: {golden.describe(f'against {against}', found)}", found)
    if failure is not None:
        return Outcome("failed", *failure, facts=rms)
    if worst is None:
        return Outcome("failed", f"the golden {case.name} has no steps.")
    metrics = replace(worst, error_ratio_to_mlx=error_ratio(rms["rms_vs_float64"], rms["golden_rms_vs_float64"]))
    return Outcome("passed", "", metrics, facts=rms)


def _mismatched_keys(case: GoldenCase, truth: Mapping[str, NDArray], results: Mapping[str, NDArray]) -> str:
    if set(case.outputs) == set(truth) == set(results):
        return ""
    odd = sorted(set(case.outputs) ^ set(truth)) or sorted(set(results) ^ set(truth))
    return f"golden, result and definition record different stages: {', '.join(odd)}."


def _comparisons(
    case: GoldenCase, truth: Mapping[str, NDArray], results: Mapping[str, NDArray], backend: str
) -> Iterator[tuple[str, str, Metrics | str]]:
    """(stage, compared with what, how far), in the order of the data flow; text where there is nothing to compare."""
    for key in truth:
        tolerance = tolerance_of(key.partition("/")[2], case.dtype)
        wide = Truth(truth[key], case.dtype)
        recorded = case.outputs[key]
        try:
            yield (
                key,
                "golden",
                compare(results[key], replace(wide, value=recorded.astype(np.float64)), tolerance, backend),
            )
            yield key, "rms_vs_float64", compare(results[key], wide, tolerance, backend)
            yield key, "golden_rms_vs_float64", compare(recorded, wide, tolerance, "mlx")
        except MismatchError as error:
            yield key, "golden", str(error)
            return
