"""The engine: which checks a selection means, and running them.

`plan` enumerates, `run` executes. What came of each check goes to a callback; counting, the matrix and the gate are
others' jobs. Checks of one case stand beside each other for all backends, because they share truth and results.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from isometal import selection
from isometal.optable import ALL_DTYPES, BACKENDS, KINDS, OPS
from isometal.parity import attention_block, bench, cases, golden, properties, unit
from isometal.parity import truth as truths
from isometal.parity.compare import MismatchError, attribute, compare, error_ratio
from isometal.parity.model import DEFAULT_SEED, Case, Check, Metrics, NDArray, Outcome, Truth
from isometal.parity.operands import Operands, materialise
from isometal.parity.operands import run as run_case

#: Evaluations kept while their neighbours in the plan still need them.
_KEEP = 4


@dataclass(frozen=True)
class Selection:
    """What to run. Backends that cannot run here contribute no checks; the matrix says why."""

    backends: tuple[str, ...] = BACKENDS
    ops: tuple[str, ...] = tuple(OPS)
    kinds: tuple[str, ...] = tuple(KINDS)
    dtypes: tuple[str, ...] = ALL_DTYPES
    seed: int = DEFAULT_SEED
    profile: str = "ci"


def plan(chosen: Selection) -> list[Check]:
    """Every check that ``chosen`` means, in the order of the matrix."""
    backends = [name for name in chosen.backends if selection.unavailable(name) is None]
    evaluations = _Evaluations()
    out: list[Check] = []
    for op in chosen.ops:
        for dtype in (name for name in OPS[op].dtypes if name in chosen.dtypes):
            if "U" in chosen.kinds:
                out += [check for backend in backends for check in unit.checks(op, dtype, backend)]
            if "P" in chosen.kinds:
                for backend in backends:
                    out += properties.checks(op, dtype, backend, chosen.profile, chosen.seed)
            if "G" in chosen.kinds:
                out += [check for backend in backends for check in _golden_checks(op, dtype, backend)]
            if "R" in chosen.kinds:
                out += _parity_checks(op, dtype, backends, chosen, evaluations)
            if "B" in chosen.kinds and "B" in OPS[op].owes:
                out += [check for backend in backends for check in bench.checks(op, dtype, backend, chosen.seed)]
    return out


def run(checks: Iterable[Check], on_result: Callable[[Check, Outcome], None]) -> None:
    """Run ``checks`` in order and hand each outcome to ``on_result``. KeyboardInterrupt passes through."""
    for check in checks:
        on_result(check, execute(check))


def execute(check: Check) -> Outcome:
    """The outcome of one check; an exception is a failure, never a lost check."""
    start = time.perf_counter()
    try:
        outcome = check.run()
    except Exception as error:
        outcome = Outcome("failed", f"{type(error).__name__}: {error}")
    return replace(outcome, seconds=time.perf_counter() - start)


def _golden_checks(op: str, dtype: str, backend: str) -> list[Check]:
    found = golden.checks(op, dtype, backend)
    if op == attention_block.OP:
        found = found + attention_block.checks(dtype, backend)
    return found


# -- kind R: parity against float64, cpu and mlx ----------------------------------------------------------------------
class _Evaluation:
    """One case: its operands, its truth and each backend's result, each made once."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.operands: Operands = materialise(case)
        self.truth: Truth = truths.truth(case, self.operands)
        self._results: dict[str, NDArray] = {}

    def result(self, backend: str) -> NDArray:
        if backend not in self._results:
            nbytes = self.truth.value.size * np.dtype(_storage(self.truth.dtype)).itemsize
            self._results[backend] = run_case(self.case, backend, self.operands, nbytes)
        return self._results[backend]


def _storage(dtype: str) -> str:
    return "uint16" if dtype == "bfloat16" else dtype


class _Evaluations:
    """The last few evaluations, so that the columns of one case share them and memory stays bounded."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], _Evaluation] = OrderedDict()

    def of(self, case: Case) -> _Evaluation:
        key = (case.id, case.seed)
        if key not in self._kept:
            self._kept[key] = _Evaluation(case)
            while len(self._kept) > _KEEP:
                self._kept.popitem(last=False)
        return self._kept[key]


def _parity_checks(
    op: str, dtype: str, backends: list[str], chosen: Selection, evaluations: _Evaluations
) -> list[Check]:
    return [
        Check(op, dtype, backend, "R", case.name, partial(_parity, case, backend, evaluations))
        for case in cases.cases(op, dtype, chosen.seed, chosen.profile)
        for backend in backends
    ]


def _parity(case: Case, backend: str, evaluations: _Evaluations) -> Outcome:
    """``backend`` against float64 truth under the row's tolerance, and against cpu and mlx in shape, dtype and pattern.

    Two results that are both within tolerance of the truth are parity; comparing them with each other as well would
    add their errors up. The peers tell whose error is unusual (`odd_one_out`) and what MLX's own error is.
    """
    without_mlx = selection.unavailable("mlx")
    if without_mlx is not None:
        return Outcome("not-run", f"parity needs mlx: {without_mlx}")
    evaluation = evaluations.of(case)
    truth = evaluation.truth
    tolerance = OPS[case.op].tolerance[truth.dtype]
    mine = evaluation.result(backend)
    try:
        metrics = compare(mine, truth, tolerance, backend)
    except MismatchError as error:
        return Outcome("failed", str(error))
    results, troubled = _peer_results(evaluation, backend)
    metrics = replace(
        metrics,
        error_ratio_to_mlx=_ratio_to_mlx(metrics, results.get("mlx"), truth, case),
        odd_one_out=attribute(results, truth, tolerance) if len(results) > 1 else None,
    )
    return Outcome("passed" if metrics.passed else "failed", _verdict(metrics, troubled), metrics)


def _peer_results(evaluation: _Evaluation, backend: str) -> tuple[Mapping[str, NDArray], str]:
    """Results of ``backend``, cpu and mlx; and what is wrong with a peer that did not give one."""
    results = {backend: evaluation.result(backend)}
    troubled = []
    for peer in ("cpu", "mlx"):
        if peer not in results:
            try:
                results[peer] = evaluation.result(peer)
            except Exception as error:
                # The peer's own column reports it as a failure.
                troubled.append(f"peer {peer} raised {type(error).__name__}")
    return results, "; ".join(troubled)


def _ratio_to_mlx(metrics: Metrics, mlx: NDArray | None, truth: Truth, case: Case) -> float | None:
    if mlx is None:
        return None
    try:
        peer = compare(mlx, truth, OPS[case.op].tolerance[truth.dtype], "mlx")
    except MismatchError:
        return None
    return error_ratio(metrics.rms, peer.rms)


def _verdict(metrics: Metrics, troubled: str) -> str:
    if metrics.passed:
        return troubled
    if metrics.pattern_mismatches:
        what = f"{metrics.pattern_mismatches} of {metrics.size} elements differ in NaN, infinity or sign of zero"
    else:
        what = (
            f"max abs {metrics.max_abs:.3g}, max rel {metrics.max_rel:.3g}, max ULP {metrics.max_ulp:.3g}, "
            f"{metrics.bound_ratio:.3g} x the bound"
        )
    blame = f"; against float64 the odd one out is {metrics.odd_one_out}" if metrics.odd_one_out else ""
    return f"{what}, worst at {metrics.worst_index}{blame}" + (f"; {troubled}" if troubled else "")
