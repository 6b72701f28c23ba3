"""Attention on `cpu` holds no (Tq, Tkv) array: its peak memory at Tq = Tkv = 8192, with numbers."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from bench_session import BenchLog, Goal

import isometal
from isometal import dtypes

LENGTH, DEPTH, MIB = 8192, 64, 1 << 20
#: One float32 score matrix of a single head takes 256 MiB.
PEAK_MIB = 64.0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("mask", [None, "causal"])
def test_peak_memory(dtype: str, mask: str | None, bench_log: BenchLog) -> None:
    rng = np.random.default_rng(0)
    shape = (1, 1, LENGTH, DEPTH)
    q, k, v = (
        isometal.array(rng.standard_normal(shape).astype(dtypes.BY_NAME[dtype]), backend="cpu") for _ in range(3)
    )
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = isometal.scaled_dot_product_attention(q, k, v, scale=DEPTH**-0.5, mask=mask)
        peak = (tracemalloc.get_traced_memory()[1] - before) / MIB
    finally:
        tracemalloc.stop()
    assert result.shape == shape
    what = f"attention {dtype} {mask or 'no mask'}, Tq = Tkv = {LENGTH}, D = {DEPTH}: peak memory on cpu"
    bench_log.goals.append(Goal(what, peak, PEAK_MIB, "MiB"))
    # Unlike a time this is a fact about the code.
    assert peak < PEAK_MIB
