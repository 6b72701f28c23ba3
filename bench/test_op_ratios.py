"""Every op on every backend that can run here, against plain NumPy, plain MLX and a measured ceiling."""

from __future__ import annotations

import pytest
from bench_session import GROUP_IDS, GROUPS, BenchLog

from isometal import selection
from isometal.parity import bench
from isometal.parity.cases import bench_cases


@pytest.mark.parametrize(("op", "dtype", "size"), GROUPS, ids=GROUP_IDS)
def test_op(op: str, dtype: str, size: str, bench_log: BenchLog) -> None:
    backends = selection.available()
    measured = bench.measure(bench_cases(op, dtype)[size], size, backends, bench.GROUP_BUDGET)
    wrong = {backend: metrics for backend, metrics in bench.verify(measured).items() if not metrics.passed}
    # The speed of a wrong answer is no figure.
    bench_log.rows += [row for row in measured.rows if row.backend not in wrong]
    assert not wrong
