"""The engine: what a selection means, and that no check is lost, whatever happens in it."""

from __future__ import annotations

import numpy as np
import pytest

from isometal import selection
from isometal.errors import BackendError
from isometal.optable import KINDS, OPS, PROOF_DTYPES
from isometal.parity import against_truth, engine
from isometal.parity.model import Check, Outcome

HAS_MLX = selection.unavailable("mlx") is None
AVAILABLE = selection.available()


def test_the_plan_covers_every_kind_that_every_row_owes() -> None:
    checks = engine.plan(engine.Selection())
    found = {(check.op, check.backend, check.dtype, check.kind) for check in checks}
    due = {(op.name, backend, dtype, kind)
           for op in OPS.values() for backend in AVAILABLE for dtype in PROOF_DTYPES for kind in op.owes}  # fmt: skip
    assert due <= found
    # More than is owed: laws, goldens and parity for every row.
    assert {(op, kind) for op in OPS for kind in "UPGR"} <= {(check.op, check.kind) for check in checks}
    blocks = {(check.backend, check.dtype) for check in checks if check.attention_block}
    assert blocks == {(backend, dtype) for backend in AVAILABLE for dtype in PROOF_DTYPES}


def test_ids_are_unique_and_read_op_dtype_backend_kind() -> None:
    checks = engine.plan(engine.Selection())
    ids = [check.id for check in checks]
    assert len(set(ids)) == len(ids)
    assert all(check.id.startswith(f"{check.op}-{check.dtype}-{check.backend}-{check.kind}-") for check in checks)


@pytest.mark.parametrize("kind", KINDS)
def test_a_selection_is_kept(kind: str) -> None:
    chosen = engine.Selection(backends=("cpu",), ops=("matmul", "rms_norm"), kinds=(kind,), dtypes=("float16",))
    checks = engine.plan(chosen)
    assert {(check.backend, check.kind, check.dtype) for check in checks} == {("cpu", kind, "float16")}
    assert {check.op for check in checks} == {"matmul", "rms_norm"}


def test_a_backend_that_cannot_run_contributes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "unavailable", lambda backend: f"[{backend}] no device")
    assert engine.plan(engine.Selection(backends=("metal",))) == []


def _check(run) -> Check:
    return Check("add", "float32", "cpu", "U", "x", run)


def test_an_exception_is_a_failure_with_its_text() -> None:
    def fail() -> Outcome:
        raise BackendError("[metal] lost the device")

    outcome = engine.execute(_check(fail))
    assert (outcome.status, outcome.message) == ("failed", "BackendError: [metal] lost the device")


def test_ctrl_c_is_no_outcome() -> None:
    def interrupt() -> Outcome:
        raise KeyboardInterrupt

    seen: list[str] = []
    checks = [_check(lambda: Outcome("passed")), _check(interrupt), _check(lambda: Outcome("passed"))]
    with pytest.raises(KeyboardInterrupt):
        engine.run(checks, lambda check, outcome: seen.append(outcome.status))
    assert seen == ["passed"]


def test_outcomes_are_timed() -> None:
    assert engine.execute(_check(lambda: Outcome("passed"))).seconds > 0


@pytest.mark.skipif(not HAS_MLX, reason="MLX is not installed: kind R needs it")
def test_parity_reports_ratio_and_odd_one_out(monkeypatch: pytest.MonkeyPatch) -> None:
    mlx = selection.get("mlx")
    true = mlx.matmul
    monkeypatch.setattr(
        type(mlx),
        "matmul",
        staticmethod(lambda x, y: mlx.from_numpy(np.array(mlx.to_numpy(true(x, y))) * np.float32(1.01))),
    )
    checks = against_truth.checks("matmul", "float32", AVAILABLE, 1, "ci", against_truth.Evaluations())
    outcomes = {(check.backend, check.name): engine.execute(check) for check in checks}
    wrong = [name for (backend, name), outcome in outcomes.items() if backend == "mlx" and outcome.status == "failed"]
    assert wrong
    for name in wrong:
        outcome = outcomes["mlx", name]
        if outcome.metrics is None or outcome.metrics.pattern_mismatches:
            continue
        assert "the odd one out is mlx" in outcome.message
        mine = outcomes["cpu", name]
        assert mine.status == "passed"
        assert mine.metrics.odd_one_out == "mlx"
        assert mine.metrics.error_ratio_to_mlx is None or mine.metrics.error_ratio_to_mlx < 1


def test_parity_without_mlx_is_not_run_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = "[mlx] MLX is not installed; pip install 'isometal[mlx]'."
    monkeypatch.setattr(against_truth.selection, "unavailable", lambda name: missing if name == "mlx" else None)
    checks = against_truth.checks("add", "float32", ("cpu",), 1, "ci", against_truth.Evaluations())
    assert checks
    for check in checks:
        assert engine.execute(check) == Outcome(
            "not-run", f"parity needs mlx: {missing}", seconds=pytest.approx(0, abs=1)
        )
