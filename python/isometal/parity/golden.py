"""Kind G: a backend's result against what Python MLX recorded for the same inputs, and both against float64.

Golden and result are two roundings of one truth. The result must be within the row's tolerance of the truth (as in
parity), and within the row's tolerance of the golden. Where MLX's own answer spends the tolerance itself (its float32
angle in `rope` at position 10^6, say), no right answer can be near it: there the golden's measured distance from the
truth is added to the bound, element by element (`compare_with_golden`), and the outcome's facts say how far off the
golden is. The mlx backend, which is that same MLX, gets a grant against float64 where the golden is out of tolerance;
no other backend does.

Measured with MLX 0.32.4 on the CPU, worst distance of a golden from float64 in units of the row's tolerance: rope
51,000 / 29 / 6.7 (float32, float16, bfloat16; position 10^6), layer_norm 9.0 / 2.2 / 2.1 (mean 30, deviation 1),
attention - / 1.02 / 5.7 (sharp scores), softmax bfloat16 1.6 (515 columns, not precise). All others are within it.
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
from isometal.parity.rounding import round_to, spacing, to_dtype
from isometal.parity.subnormals import as_flushed, flush, flushed_operands, flushes, has_subnormals

__all__ = ["GoldenCase", "GoldenError", "checks", "directory", "judge", "load", "run", "verify"]


def checks(op: str, dtype: str, backend: str) -> list[Check]:
    """The golden checks of a cell. An untrustworthy file, or one without a case of the cell, is a check that fails."""
    try:
        cases = cases_of(op, dtype)
    except GoldenError as error:
        return [Check(op, dtype, backend, "G", "golden-file", partial(broken, error))]
    return [Check(op, dtype, backend, "G", case.name, partial(_check, case, backend)) for case in cases]


def cases_of(name: str, dtype: str) -> list[GoldenCase]:
    """The cases of a golden file in one dtype; GoldenError where there is none or the file cannot be trusted."""
    cases = [case for case in load(name) if case.dtype == dtype]
    if not cases:
        raise GoldenError(f"[golden] {directory()} holds no {dtype} case of {name}; run python goldens/generate.py.")
    return cases


def broken(error: GoldenError) -> Outcome:
    """Stands in for the checks of a file that cannot be trusted, so that they fail instead of being left out."""
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
    operands = Operands(list(case.inputs), dict(case.params))
    truth = _truth(case, operands)
    tolerance = OPS[case.op].tolerance[truth.dtype]
    try:
        of_golden = compare(case.result, truth, tolerance, "mlx")
    except MismatchError as error:
        return Outcome("failed", f"the golden itself against float64: {error}")
    try:
        if not flushes(backend, case.op):
            return _against(case.result, result, truth, tolerance, backend, of_golden)
        outcome = _against_flushed(case.result, result, truth, tolerance, backend, of_golden)
        if outcome.status == "passed" or not any(map(has_subnormals, operands.inputs)):
            return outcome
        seen = _truth(case, flushed_operands(operands))
        # MLX saw the subnormals: where they decide the answer, its golden has no say.
        golden = _where_changed(truth, seen, case.result)
        again = _against_flushed(golden, result, seen, tolerance, backend, of_golden)
        return again if again.status == "passed" else outcome
    except MismatchError as error:
        return Outcome("failed", f"against MLX's golden: {error}")


def _truth(case: GoldenCase, operands: Operands) -> Truth:
    with np.errstate(all="ignore"):
        return truths.truth(Case(case.op, case.dtype, case.name, ()), operands)


def _against_flushed(
    golden: NDArray, result: NDArray, truth: Truth, tolerance: Tolerance, backend: str, of_golden: Metrics
) -> Outcome:
    """On a device that flushes subnormals: truth and golden flushed too."""
    kept = flush(result, truth.dtype)
    seen = as_flushed(truth, kept)
    golden = _where_changed(truth, seen, flush(golden, truth.dtype))
    return _against(golden, kept, seen, tolerance, backend, of_golden)


def _where_changed(before: Truth, after: Truth, golden: NDArray) -> NDArray:
    """The golden, with the truth ``after`` in its place where that is another than ``before``."""
    same = (before.value == after.value) | (np.isnan(before.value) & np.isnan(after.value))
    return np.where(same, golden, to_dtype(after.value, after.dtype))


def _against(
    golden: NDArray, result: NDArray, truth: Truth, tolerance: Tolerance, backend: str, of_golden: Metrics
) -> Outcome:
    against_golden = compare_with_golden(result, golden, truth, tolerance)
    against_truth = compare(result, _grant_mlx(golden, truth, tolerance), tolerance, backend)
    return verdict(against_golden, against_truth, of_golden)


def compare_with_golden(result: NDArray, golden: NDArray, truth: Truth, tolerance: Tolerance) -> Metrics:
    """How far ``result`` is from ``golden``, against what two roundings of one truth can be held to.

    Per element the bound is the tolerance's at the golden, and never less than one unit in the last place: two
    neighbours can both be right. Where the golden itself spends more than half of the tolerance at the truth, a right
    answer on the other side of the truth may be further away than that: there the bound is the tolerance plus the
    golden's distance from the truth (triangle inequality). The rule exact stays exact.
    """
    if not dtypes.is_floating(golden.dtype):
        return compare(result, replace(truth, value=golden), tolerance, "golden")
    value = golden.astype(np.float64)
    # MLX makes the mask's zeros as 0 * finfo.min = -0.0; an addend's zero has no sign that matters.
    zeros = truth.value == 0
    if tolerance.rule == "exact":
        target = np.where((value == 0) & zeros, truth.value, value)
        return compare(result, replace(truth, value=target), tolerance, "golden")
    # An intermediate of MLX's that overflows within the bound: the golden says no more than that it is large.
    value = np.where(np.isinf(value) & np.isfinite(truth.value), truth.value, value)
    at_golden = _bound(value, truth, tolerance)
    ulp = spacing(np.where(np.isfinite(value), value, 0.0), truth.dtype)
    excess = _excess(golden, truth, tolerance, 0.5)
    bound = np.where(excess > 0, _bound(truth.value, truth, tolerance) + excess, np.maximum(at_golden, ulp))
    slack = np.maximum(bound - at_golden, 0.0)
    return compare(result, replace(truth, value=value), tolerance, "golden", slack)


def _grant_mlx(golden: NDArray, truth: Truth, tolerance: Tolerance) -> Truth:
    """The truth with slack for the mlx backend where MLX's own golden is out of tolerance; no other backend gets it."""
    if tolerance.rule == "exact" or not dtypes.is_floating(golden.dtype):
        return truth
    known = 0.0 if truth.mlx_slack is None else truth.mlx_slack
    return replace(truth, mlx_slack=np.maximum(_excess(golden, truth, tolerance), known))


def _excess(golden: NDArray, truth: Truth, tolerance: Tolerance, share: float = 1.0) -> NDArray:
    """The golden's distance from the truth where that is more than ``share`` of the tolerance, else 0."""
    golden = golden.astype(np.float64)
    finite = np.isfinite(golden) & np.isfinite(truth.value)
    distance = np.abs(np.where(finite, golden, 0.0) - np.where(finite, truth.value, 0.0))
    return np.where(distance > share * _bound(truth.value, truth, tolerance), distance, 0.0)


def _bound(value: NDArray, truth: Truth, tolerance: Tolerance) -> NDArray:
    """The tolerance at ``value``, per element; 0 where it is not finite."""
    size = np.abs(np.where(np.isfinite(value), value, 0.0))
    if tolerance.rule == "magnitude":
        magnitude = np.asarray(truth.magnitude)
        return np.asarray(tolerance.value * np.where(np.isfinite(magnitude), magnitude, 0.0))
    if tolerance.rule == "ulp":
        return np.asarray(tolerance.value * spacing(round_to(size, truth.dtype), truth.dtype))
    return np.asarray(tolerance.value * (1.0 + size))


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
        describe(subject, found)
        for subject, found in (("against MLX's golden", against_golden), ("against float64", against_truth))
        if not found.passed
    ]
    if wrong and not of_golden.passed:
        wrong.append(describe("the golden itself against float64", of_golden))
    return Outcome("failed" if wrong else "passed", "; ".join(wrong), metrics, facts=facts)


def describe(subject: str, found: Metrics) -> str:
    """How a comparison went, in words."""
    if found.pattern_mismatches:
        how = f"{found.pattern_mismatches} of {found.size} elements differ in NaN, infinity or sign of zero"
    else:
        how = f"{found.bound_ratio:.3g} x the bound (max abs {found.max_abs:.3g}, max ULP {found.max_ulp:.3g})"
    return f"{subject}: {how}, worst at {found.worst_index}"
