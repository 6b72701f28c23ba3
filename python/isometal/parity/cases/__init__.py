"""The cases of every op, as data: `cases(op, dtype, seed, profile)`; those that are timed: `bench_cases(op, dtype)`.

A case belongs to the cell of its first operand's dtype. The profile "ci" is small enough for every commit; "deep"
holds all of it and more.
"""

from __future__ import annotations

from collections.abc import Callable

from isometal.optable import OPS
from isometal.parity.cases import attention, elementwise, matmul, reductions, rope, rows, shapes
from isometal.parity.cases.bench import bench_cases
from isometal.parity.cases.collect import Collector
from isometal.parity.model import PROFILES, Case

__all__ = ["PROFILES", "bench_cases", "cases"]

_FAMILIES: dict[str, Callable[[Collector], None]] = {
    "add": elementwise.binary,
    "subtract": elementwise.binary,
    "multiply": elementwise.binary,
    "divide": elementwise.binary,
    "negative": elementwise.unary,
    "matmul": matmul.matmul,
    "silu": elementwise.unary,
    "gelu": elementwise.gelu,
    "softmax": rows.softmax,
    "causal_mask": rows.causal_mask,
    "rms_norm": rows.rms_norm,
    "layer_norm": rows.layer_norm,
    "rope": rope.rope,
    "sum": reductions.reduction,
    "mean": reductions.reduction,
    "max": reductions.reduction,
    "reshape": shapes.reshape,
    "transpose": shapes.transpose,
    "broadcast_to": shapes.broadcast_to,
    "scaled_dot_product_attention": attention.attention,
}


def cases(op: str, dtype: str, seed: int, profile: str) -> tuple[Case, ...]:
    """The cases of one cell, in a fixed order; empty where ``op`` does not take ``dtype``.

    Raises ValueError for a profile that does not exist.
    """
    if profile not in PROFILES:
        raise ValueError(f"[cases] {profile!r} names no profile; choose one of {', '.join(PROFILES)}.")
    if dtype not in OPS[op].dtypes:
        return ()
    collector = Collector(op, dtype, seed, profile)
    _FAMILIES[op](collector)
    return collector.cases()
