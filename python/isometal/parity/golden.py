"""Kind G: a backend's result against what Python MLX recorded for the same inputs, and both against float64.

Golden and result are two roundings of one truth. The result must be within the row's tolerance of the truth (as in
parity), and within the row's tolerance of the golden. Where MLX's own answer is further from the truth than that (its
float32 angle in `rope` at position 10^6, say), no right answer can be near it: there the golden's measured distance
from the truth is added to the bound, element by element, and the outcome's facts say how far off the golden is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

import isometal
from isometal import dtypes, selection
from isometal.optable import OPS, Tolerance
from isometal.parity import truth as truths
from isometal.parity.compare import MismatchError, compare, error_ratio
from isometal.parity.golden_files import GoldenCase, GoldenError, directory, load, verify
from isometal.parity.model import Case, Check, Metrics, NDArray, Outcome, Truth
from isometal.parity.operands import Operands
from isometal.parity.rounding import spacing

__all__ = ["GoldenCase", "GoldenError", "checks", "directory", "judge", "load", "run", "verify"]


def checks(op: str, dtype: str, backend: str) -> list[Check]:
    """The golden checks of a cell. An untrustworthy file, or one without a case of the cell, is a check that fails."""
    try:
        cases = [case for case in load(op) if case.dtype == dtype]
        if not cases:
            raise GoldenError(f"[golden] {directory()} holds no {dtype} case of {op}; run python goldens/generate.py.")
    except GoldenError as error:
        return [Check(op, dtype, backend, "G", "golden-file", partial(_broken, error))]
    return [Check(op, dtype, backend, "G", case.name, partial(_check, case, backend)) for case in cases]


def _broken(error: GoldenError) -> Outcome:
    raise error


def _check(case: GoldenCase, backend: str) -> Outcome:
    reason = selection.unavailable(backend)
    if reason is not None:
        return Outcome("not-run", reason)
    return judge(case, run(case, backend), backend)


def run(case: GoldenCase, backend: str) -> NDArray:
    """The facade's result on the golden's inputs, its output memory poisoned before. Fails where an input changed."""
    placed: list[tuple[NDArray, NDArray]] = []

    def place(value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        # A copy: a backend may share its memory, and the golden's own must outlive a kernel that writes to it.
        mine = value.copy()
        placed.append((mine, value))
        return isometal.array(mine, backend=backend)

    inputs = [place(operand) for operand in case.inputs]
    params = {name: place(value) for name, value in case.params.items()}
    with isometal.use_backend(backend):
        selection.get(backend).poison(case.result.nbytes)
        result = getattr(isometal, case.op)(*inputs, **params)
        out: NDArray = result.numpy()
    if result.backend != backend:
        raise AssertionError(f"[golden] the result is on {result.backend}; it must be on {backend}.")
    if any(mine.tobytes() != pristine.tobytes() for mine, pristine in placed):
        raise AssertionError(f"[golden] {case.op} wrote to an input; inputs are read-only.")
    return out


def judge(case: GoldenCase, result: NDArray, backend: str) -> Outcome:
    """``result`` against the golden and against float64, both under the row's tolerance."""
    with np.errstate(all="ignore"):
        truth = truths.truth(Case(case.op, case.dtype, case.name, ()), Operands(list(case.inputs), dict(case.params)))
    tolerance = OPS[case.op].tolerance[truth.dtype]
    try:
        against_truth = compare(result, truth, tolerance, backend)
        of_golden = compare(case.result, truth, tolerance, "mlx")
        # The slack is the golden's, so it applies whatever the backend: compare grants it under MLX's name.
        against_golden = compare(result, as_truth(case, truth, tolerance), tolerance, "mlx")
    except MismatchError as error:
        return Outcome("failed", str(error))
    return verdict(against_golden, against_truth, of_golden)


def as_truth(case: GoldenCase, truth: Truth, tolerance: Tolerance) -> Truth:
    """The golden in the place of the truth, with the slack that its own distance from the truth asks for."""
    golden = np.asarray(case.result)
    if not dtypes.is_floating(golden.dtype):
        return replace(truth, value=golden)
    value = golden.astype(np.float64)
    if case.op == "causal_mask":
        # MLX makes its zeros as 0 * finfo.min = -0.0; an addend's zero has no sign that matters.
        value = value + 0.0
    if tolerance.rule == "exact":
        return replace(truth, value=value, mlx_slack=None)
    return replace(truth, value=value, mlx_slack=_slack(value, truth, tolerance))


def _slack(golden: NDArray, truth: Truth, tolerance: Tolerance) -> NDArray:
    finite = np.isfinite(golden) & np.isfinite(truth.value)
    difference = np.zeros(golden.shape)
    np.subtract(golden, truth.value, out=difference, where=finite)
    distance = np.abs(difference)
    size = np.abs(np.where(finite, truth.value, 0.0))
    if tolerance.rule == "magnitude":
        bound = tolerance.value * np.where(finite, np.asarray(truth.magnitude), 0.0)
    elif tolerance.rule == "ulp":
        bound = tolerance.value * spacing(np.where(finite, golden, 0.0), truth.dtype)
    else:
        bound = tolerance.value * (1.0 + size)
    return np.where(distance > bound, distance, 0.0)


def verdict(against_golden: Metrics, against_truth: Metrics, of_golden: Metrics) -> Outcome:
    """Passed where both comparisons passed; the metrics are those against the golden."""
    metrics = replace(against_golden, error_ratio_to_mlx=error_ratio(against_truth.rms, of_golden.rms))
    facts: Mapping[str, float] = {
        "rms_vs_float64": against_truth.rms,
        "bound_ratio_vs_float64": against_truth.bound_ratio,
        "golden_rms_vs_float64": of_golden.rms,
        "golden_bound_ratio_vs_float64": of_golden.bound_ratio,
    }
    wrong = [
        _describe(what, found)
        for what, found in (("MLX's golden", against_golden), ("float64", against_truth))
        if not found.passed
    ]
    if wrong and not of_golden.passed:
        wrong.append(_describe("the golden itself against float64", of_golden, subject=""))
    return Outcome("failed" if wrong else "passed", "; ".join(wrong), metrics, facts=facts)


def _describe(what: str, found: Metrics, subject: str = "against ") -> str:
    if found.pattern_mismatches:
        how = f"{found.pattern_mismatches} of {found.size} elements differ in NaN, infinity or sign of zero"
    else:
        how = f"{found.bound_ratio:.3g} x the bound (max abs {found.max_abs:.3g}, max ULP {found.max_ulp:.3g})"
    return f"{subject}{what}: {how}, worst at {found.worst_index}"
