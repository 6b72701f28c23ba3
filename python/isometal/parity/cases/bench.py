"""The cases that are timed: small, medium and large, contiguous, normal values."""

from __future__ import annotations

from typing import Any

from isometal.optable import OPS
from isometal.parity.cases.collect import Collector
from isometal.parity.model import ArraySpec, Case, Operand

SIZES = ("small", "medium", "large")
#: (op, dtype, size) of a whole bench. float32 at every size, the half-precision dtypes at one: they differ in
#: arithmetic, not in how they scale.
GROUPS = [
    (op, dtype, size)
    for op in OPS
    for dtype, sizes in (("float32", SIZES), ("float16", ("medium",)), ("bfloat16", ("medium",)))
    for size in sizes
]
_FLAT = ((16,), (100_000,), (10_000_000,))
_ROWS = ((1, 64), (512, 1024), (4096, 4096))
_SOFTMAX = ((1, 64), (512, 1024), (4096, 1024))
_GRID = ((4, 4), (316, 316), (3162, 3162))
_BINARY = ("add", "subtract", "multiply", "divide")


def _operands(c: Collector, index: int) -> tuple[tuple[Operand, ...], dict[str, Any]]:
    """Inputs and parameters of the op at size ``index``."""

    def one(shape: tuple[int, ...]) -> ArraySpec:
        return c.spec(*shape)

    flat, rows, grid = one(_FLAT[index]), one(_ROWS[index]), one(_GRID[index])
    if c.op in _BINARY:
        return (flat, flat), {}
    if c.op in ("negative", "silu", "gelu"):
        return (flat,), {}
    if c.op == "matmul":
        n = (16, 256, 1024)[index]
        return (c.spec(n, n), c.spec(n, n)), {}
    if c.op == "softmax":
        return (one(_SOFTMAX[index]),), {}
    if c.op == "causal_mask":
        n = (16, 256, 4096)[index]
        return (), {"q_len": n, "kv_len": n, "dtype": c.dtype}
    if c.op in ("rms_norm", "layer_norm"):
        vector = c.spec(rows.shape[-1])
        return (rows, vector) if c.op == "rms_norm" else (rows, vector, vector), {}
    if c.op == "rope":
        return (c.spec(1, 8, (1, 256, 8192)[index], 64),), {"dims": 64}
    if c.op in ("sum", "mean", "max"):
        return (grid,), {"axis": -1}
    if c.op == "reshape":
        return (grid,), {"shape": (grid.shape[0] * grid.shape[1],)}
    if c.op == "transpose":
        return (grid,), {}
    if c.op == "broadcast_to":
        return (c.spec(grid.shape[1]),), {"shape": grid.shape}
    length = (16, 256, 1024)[index]
    head = c.spec(1, 8, length, 64)
    return (head, head, head), {"scale": 0.125, "mask": "causal"}


def bench_cases(op: str, dtype: str) -> dict[str, Case]:
    """The cases small, medium and large of ``op``; empty where it does not take ``dtype``."""
    if dtype not in OPS[op].dtypes:
        return {}
    out = {}
    for index, size in enumerate(SIZES):
        c = Collector(op, dtype, 0, "ci")
        inputs, params = _operands(c, index)
        c.add(*inputs, note=f"bench-{size}", params=params)
        (out[size],) = c.cases()
    return out
