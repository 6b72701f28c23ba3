"""What the facade costs: per call on arrays too small for the arithmetic to show, and on import.

Figures for the table, each with its goal; a missed goal fails nothing, because a time says as much about the machine
as about the code.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from bench_session import BenchLog, Goal

import isometal
from isometal import selection
from isometal.parity import timing

ELEMENTS = 16
MICROSECONDS_PER_CALL = 3.0
IMPORT_MILLISECONDS = 60.0
IMPORTS = 9


def _overhead(facade: Callable[[], object], peer: Callable[[], object]) -> float:
    """Microseconds per call of ``facade`` beyond ``peer``; the call through the lambda cancels out."""
    timings = timing.interleave({"facade": facade, "peer": peer}, budget=1.0)
    return 1e6 * (timings["facade"].best - timings["peer"].best)


def _record(log: BenchLog, what: str, measured: float, goal: float, unit: str) -> None:
    log.goals.append(Goal(what, measured, goal, unit))


@pytest.mark.parametrize("operands", ["Array", "ndarray"])
def test_add_on_cpu(operands: str, bench_log: BenchLog) -> None:
    a, b = np.arange(ELEMENTS, dtype=np.float32), np.ones(ELEMENTS, np.float32)
    with isometal.use_backend("cpu"):
        x, y = (isometal.array(a), isometal.array(b)) if operands == "Array" else (a, b)
        assert np.array_equal(isometal.add(x, y).numpy(), np.add(a, b))
        cost = _overhead(lambda: isometal.add(x, y), lambda: np.add(a, b))
    what = f"isometal.add beyond np.add, {ELEMENTS} float32, cpu, {operands} operands"
    _record(bench_log, what, cost, MICROSECONDS_PER_CALL, "us")


@pytest.mark.parametrize("operands", ["Array", "mlx.core.array"])
def test_add_on_mlx(operands: str, bench_log: BenchLog) -> None:
    """Without evaluation: each result is dropped at once, so that no graph grows."""
    reason = selection.unavailable("mlx")
    if reason is not None:
        pytest.skip(reason)
    import mlx.core as mx

    a, b = mx.arange(ELEMENTS, dtype=mx.float32), mx.ones(ELEMENTS)
    mx.eval(a, b)
    with isometal.use_backend("mlx"):
        x, y = (isometal.array(a), isometal.array(b)) if operands == "Array" else (a, b)
        assert isometal.add(x, y).tolist() == mx.add(a, b).tolist()
        cost = _overhead(lambda: isometal.add(x, y), lambda: mx.add(a, b))
    what = f"isometal.add beyond mx.add, {ELEMENTS} float32, mlx, {operands} operands"
    _record(bench_log, what, cost, MICROSECONDS_PER_CALL, "us")


def test_import(bench_log: BenchLog) -> None:
    """`import isometal` in a fresh interpreter that holds NumPy already; files in the page cache, bytecode compiled."""
    script = "import time, numpy; t = time.perf_counter(); import isometal; print(time.perf_counter() - t)"
    seconds = [
        float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
        for _ in range(IMPORTS)
    ]
    assert statistics.median(seconds) > 0
    _record(bench_log, "import isometal beyond import numpy", 1e3 * min(seconds), IMPORT_MILLISECONDS, "ms")
