"""Apple's kernels on the software device beside what does the same on a CPU, on one OS thread unless a row says two.

Figures for the table, each with its goal; a missed goal fails nothing, a wrong result does.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from bench_session import BenchLog, Goal

from isometal.parity import timing

pytest.importorskip("llvmlite", reason="the software device compiles kernels with llvmlite, which is not installed")

from soft_files import elementwise, gemm, metallib, rows, runner

BUDGET = 4.0
#: float32 elements, rows x columns, and rows and columns of a square matrix.
ADD, SOFTMAX, GEMM = 10**7, (4096, 1024), 512
GFLOPS = 6.0
PIPELINE_KERNELS = ("rmsfloat32", "block_softmax_float32", "row_reduce_simple_sumfloat32", "gn2_Addfloat32")


def _record(log: BenchLog, what: str, measured: float, goal: float, unit: str) -> None:
    log.goals.append(Goal(what, measured, goal, unit))


def _ratio(ours: Callable[[], object], peer: Callable[[], object]) -> float:
    timings = timing.interleave({"ours": ours, "peer": peer}, BUDGET)
    return timing.ratio(timings["ours"], timings["peer"]).value


@pytest.fixture(scope="module")
def matrices() -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((GEMM, GEMM)).astype(np.float32) for _ in range(2))
    return a, b


@pytest.mark.parametrize("variant", ["", "n"], ids=["one per thread", "two per thread"])
def test_add(variant: str, bench_log: BenchLog) -> None:
    """MLX takes the kernel with two elements per thread for so many; the one with one is simpler."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(ADD).astype(np.float32) for _ in range(2))
    program = elementwise.binary("Add", a, b, np.float32, variant=variant)
    ours, out = runner(program), np.empty_like(a)
    ours()
    assert np.array_equal(program.output, a + b)
    ratio = _ratio(ours, lambda: np.add(a, b, out=out))
    _record(bench_log, f"soft: vv{variant}_Add of {ADD} float32 to np.add", ratio, 1.3, "x")


def test_softmax(bench_log: BenchLog) -> None:
    x = np.random.default_rng(0).standard_normal(SOFTMAX).astype(np.float32)
    program = rows.softmax(x)
    ours = runner(program)

    def by_numpy() -> np.ndarray:  # type: ignore[type-arg]
        weights = np.exp(x - x.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        return weights

    ours()
    np.testing.assert_allclose(program.output.reshape(SOFTMAX), by_numpy(), rtol=1e-5)
    _record(bench_log, f"soft: softmax of {SOFTMAX} float32 to NumPy", _ratio(ours, by_numpy), 5.0, "x")


def test_gemm(matrices: tuple[np.ndarray, np.ndarray], bench_log: BenchLog) -> None:  # type: ignore[type-arg]
    mx = pytest.importorskip("mlx.core", reason="MLX is the peer, and it is not installed")
    a, b = matrices
    program = gemm.gemm(a[None], b[None])
    one, two = runner(program), runner(program, threads=2)
    with mx.stream(mx.cpu):
        x, y = mx.array(a), mx.array(b)
        by_mlx = lambda: mx.eval(mx.matmul(x, y))  # noqa: E731
        one()
        np.testing.assert_allclose(program.output.reshape(a.shape), a.astype(float) @ b, rtol=1e-3, atol=1e-4)
        timings = timing.interleave({"one": one, "two": two, "mlx": by_mlx}, 2 * BUDGET)
    seconds = timings["one"].best
    what = f"soft: steel GEMM {GEMM}^3 float32"
    _record(
        bench_log,
        f"{what}, time at {2 * GEMM**3 / seconds / 1e9:.1f} GFLOP/s",
        seconds * 1e3,
        1e3 * 2 * GEMM**3 / (GFLOPS * 1e9),
        "ms",
    )
    _record(bench_log, f"{what} to mx.matmul on the CPU", timing.ratio(timings["one"], timings["mlx"]).value, 1.0, "x")
    _record(
        bench_log, f"{what}, two OS threads to one", timing.ratio(timings["two"], timings["one"]).value, 1 / 1.7, "x"
    )


def test_pipeline_from_a_warm_cache(bench_log: BenchLog) -> None:
    """In a fresh process: the first kernel starts LLVM, the others are what a pipeline costs."""
    script = (
        "import sys, time\nfrom isometal.soft import Library\nlibrary = Library.from_metallib(sys.argv[1])\n"
        "library.kernel('vv_Addfloat32')\ntimes = []\n"
        "for name in sys.argv[2:]:\n"
        "    start = time.perf_counter(); library.kernel(name); times.append(time.perf_counter() - start)\n"
        "print(max(times))"
    )
    command = [sys.executable, "-c", script, str(metallib()), *PIPELINE_KERNELS]
    slowest = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(4)]
    what = f"soft: slowest of {len(PIPELINE_KERNELS)} pipelines from a warm cache"
    # The first run may have had to compile.
    _record(bench_log, what, 1e3 * min(slowest[1:]), 3.0, "ms")
