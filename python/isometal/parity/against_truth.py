"""Kind R: parity. Each case on each backend against its float64 truth, with cpu and mlx as peers.

Operands, truth, results and their metrics are made once per case and shared by its columns.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from isometal import selection
from isometal.dtypes import BY_NAME
from isometal.parity import cases, errors
from isometal.parity import truth as truths
from isometal.parity.compare import MismatchError, attribute, error_ratio
from isometal.parity.model import Case, Check, Metrics, Outcome, Truth
from isometal.parity.operands import Operands, materialise, run
from isometal.parity.subnormals import judge

#: The backends that every other is compared with.
PEERS = ("cpu", "mlx")
#: Evaluations kept while their neighbours in the plan still need them.
_KEEP = 4


class Evaluation:
    """One case: its operands, its truth, and how far each backend's result is from it."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.operands: Operands = materialise(case)
        self.truth: Truth = truths.truth(case, self.operands)
        self._found: dict[str, Metrics | Exception] = {}

    def metrics(self, backend: str) -> Metrics:
        """Runs the case on ``backend`` at the first call. Raises what the op raised, or MismatchError."""
        if backend not in self._found:
            self._found[backend] = self._measure(backend)
        found = self._found[backend]
        if isinstance(found, Exception):
            raise found
        return found

    def _measure(self, backend: str) -> Metrics | Exception:
        truth = self.truth
        try:
            result = run(self.case, backend, self.operands, truth.value.size * BY_NAME[truth.dtype].itemsize)
            return judge(self.case, self.operands, truth, result, backend)
        except Exception as error:
            return error

    def known(self, backend: str) -> Metrics | None:
        """As `metrics`; None where there is nothing to measure. The backend's own column reports why."""
        try:
            return self.metrics(backend)
        except Exception:
            return None


class Evaluations:
    """The last few evaluations, so that the columns of one case share them and memory stays bounded."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], Evaluation] = OrderedDict()

    def of(self, case: Case) -> Evaluation:
        key = (case.id, case.seed)
        if key not in self._kept:
            self._kept[key] = Evaluation(case)
            while len(self._kept) > _KEEP:
                self._kept.popitem(last=False)
        return self._kept[key]


def checks(
    op: str, dtype: str, backends: Sequence[str], seed: int, profile: str, evaluations: Evaluations
) -> list[Check]:
    """The R checks of (op, dtype) for ``backends``; those of one case stand beside each other."""
    return [
        Check(op, dtype, backend, "R", case.name, partial(_check, case, backend, evaluations))
        for case in cases.cases(op, dtype, seed, profile)
        for backend in backends
    ]


def _check(case: Case, backend: str, evaluations: Evaluations) -> Outcome:
    """``backend`` against float64 under the row's tolerance; the peers tell whose error is unusual.

    Two results that are both within tolerance of the truth are at parity: comparing them with each other as well would
    only add their errors up.
    """
    without_mlx = selection.unavailable("mlx")
    if without_mlx is not None:
        return Outcome("not-run", f"parity needs mlx: {without_mlx}")
    evaluation = evaluations.of(case)
    try:
        mine = evaluation.metrics(backend)
    except MismatchError as error:
        return Outcome("failed", str(error))
    found = {name: evaluation.known(name) for name in dict.fromkeys((backend, *PEERS))}
    mlx = found["mlx"]
    mine = replace(
        mine,
        error_ratio_to_mlx=error_ratio(mine.rms, None if mlx is None else mlx.rms),
        odd_one_out=attribute(found, evaluation.truth),
    )
    troubled = [f"peer {name} gave no result to compare with" for name in PEERS if found[name] is None]
    return Outcome(
        "passed" if mine.passed else "failed",
        "; ".join([*_complaint(mine), *troubled]),
        mine,
        facts=errors.facts(mine, mlx, evaluation.truth, evaluation.operands),
    )


def _complaint(metrics: Metrics) -> list[str]:
    if metrics.passed:
        return []
    if metrics.pattern_mismatches:
        what = f"{metrics.pattern_mismatches} of {metrics.size} elements differ in NaN, infinity or sign of zero"
    else:
        what = (
            f"max abs {metrics.max_abs:.3g}, max rel {metrics.max_rel:.3g}, max ULP {metrics.max_ulp:.3g}, "
            f"{metrics.bound_ratio:.3g} x the bound"
        )
    blame = f"; against float64 the odd one out is {metrics.odd_one_out}" if metrics.odd_one_out else ""
    return [f"{what}, worst at {metrics.worst_index}{blame}"]
