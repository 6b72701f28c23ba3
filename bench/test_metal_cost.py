"""What a small op of the Metal backend costs the host: to encode, and from call to result.

Through the methods of `_core.Metal`, beneath the facade (test_overhead.py has that). Encoding is measured in CPU time
of the calling thread, which the device's own threads and other processes do not enter; every 200 calls the device is
waited for, outside of the time. From call to result is against MLX, in turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from bench_session import BenchLog, Goal

from isometal import _core, selection
from isometal.backends.metal import MetalBackend
from isometal.parity import peers, timing

ENCODE_MICROSECONDS = 2.0
CALLS = 200
REPEATS = 50
EAGER_TO_MLX = 1.0

Call = Callable[[], _core.Array]


@pytest.fixture(scope="module")
def metal() -> MetalBackend:
    reason = selection.unavailable("metal")
    if reason is not None:
        pytest.skip(reason)
    return MetalBackend()


def _values(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


X, ROWS, WEIGHT, HEADS = _values(16), _values(16, 16), _values(16), _values(1, 4, 16, 16)
#: By the name of the op: the call on the device's arrays, and what `isometal.parity.peers` gives for MLX.
OPS: dict[str, tuple[tuple[np.ndarray, ...], Callable[..., _core.Array], dict[str, object]]] = {
    "add": ((X, X), lambda m, a, b: m.add(a, b), {}),
    "subtract": ((X, X), lambda m, a, b: m.subtract(a, b), {}),
    "multiply": ((X, X), lambda m, a, b: m.multiply(a, b), {}),
    "divide": ((X, X), lambda m, a, b: m.divide(a, b), {}),
    "negative": ((X,), lambda m, x: m.negative(x), {}),
    "silu": ((X,), lambda m, x: m.silu(x), {}),
    "gelu": ((X,), lambda m, x: m.gelu(x), {}),
    "matmul": ((ROWS, ROWS), lambda m, a, b: m.matmul(a, b), {}),
    "softmax": ((ROWS,), lambda m, x: m.softmax(x, (1,)), {}),
    "causal_mask": ((), lambda m: m.causal_mask(16, 16, "float32"), {"q_len": 16, "kv_len": 16}),
    "rms_norm": ((ROWS, WEIGHT), lambda m, x, w: m.rms_norm(x, w, 1e-5), {}),
    "layer_norm": ((ROWS, WEIGHT, WEIGHT), lambda m, x, w, b: m.layer_norm(x, w, b, 1e-5), {}),
    "rope": ((HEADS,), lambda m, x: m.rope(x, 16, False, 1e4, 1.0, 3, None, None), {"dims": 16, "offset": 3}),
    "sum": ((ROWS,), lambda m, x: m.sum(x, (1,), False), {"axis": 1}),
    "mean": ((ROWS,), lambda m, x: m.mean(x, (1,), False), {"axis": 1}),
    "max": ((ROWS,), lambda m, x: m.max(x, (1,), False), {"axis": 1}),
    "scaled_dot_product_attention": (
        (HEADS, HEADS, HEADS),
        lambda m, q, k, v: m.scaled_dot_product_attention(q, k, v, 0.25),
        {"scale": 0.25},
    ),
}


def _call(metal: MetalBackend, op: str) -> Call:
    operands, function, _ = OPS[op]
    arrays = [metal.from_numpy(one) for one in operands]
    return lambda: function(metal._metal, *arrays)


@pytest.mark.parametrize("op", OPS)
def test_encode(op: str, metal: MetalBackend, bench_log: BenchLog) -> None:
    call = _call(metal, op)
    assert np.isfinite(metal.to_numpy(call())).all()
    costs = []
    for _ in range(REPEATS):
        metal._metal.synchronize()
        start = time.thread_time()
        for _ in range(CALLS):
            call()
        costs.append((time.thread_time() - start) / CALLS)
    bench_log.goals.append(Goal(f"{op} on metal, encode only", 1e6 * min(costs), ENCODE_MICROSECONDS, "us"))


@pytest.mark.parametrize("op", OPS)
def test_eager(op: str, metal: MetalBackend, bench_log: BenchLog) -> None:
    functions = peers.mlx()
    if functions is None:
        pytest.skip("MLX is not here")
    import mlx.core as mx

    call, function = _call(metal, op), functions[op]
    operands, _, params = OPS[op]
    arrays = [mx.array(one) for one in operands]
    mx.eval(arrays)
    timings = timing.interleave(
        {"metal": lambda: call().wait(), "mlx": lambda: mx.eval(function(*arrays, **params))}, budget=0.5
    )
    ours, theirs = 1e6 * timings["metal"].best, 1e6 * timings["mlx"].best
    assert ours > 0
    what = f"{op} on metal, call to result: {ours:.1f} us, MLX {theirs:.1f} us"
    bench_log.goals.append(Goal(what, ours / theirs, EAGER_TO_MLX, "of MLX's time"))
