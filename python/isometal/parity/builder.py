"""Gathers the outcomes of a run into evidence."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata

from isometal import optable, provenance
from isometal._version import __version__
from isometal.backends.base import Backend
from isometal.errors import BackendError
from isometal.parity.evidence import (
    MAX_FACTS,
    MAX_FAILURES,
    MAX_LINE,
    MAX_REASONS,
    MAX_TEXT,
    AttentionResult,
    BackendInfo,
    CellResult,
    Evidence,
    Failure,
    Selected,
    Source,
    Worst,
)
from isometal.parity.model import Check, Metrics, Outcome

_PACKAGES = ("numpy", "ml_dtypes", "mlx", "hypothesis")


def backend_info(name: str) -> BackendInfo:
    """What runs behind the backend ``name`` on this machine, or why it cannot run."""
    from isometal import selection

    try:
        backend: Backend = selection.get(name)
        device = {key: _clip(str(value), MAX_LINE) for key, value in backend.device().items()}
    except BackendError as error:
        return BackendInfo(available=False, reason=_clip(str(error), MAX_TEXT))
    # A backend that lacks an op says so in a mapping of op to reason; the three of isometal lack none.
    unsupported: Mapping[str, str] = getattr(backend, "unsupported", {})
    return BackendInfo(available=True, device=device, unsupported=dict(unsupported))


def versions() -> dict[str, str | None]:
    """Versions of Python and of the packages that take part; None for one that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


@dataclass
class _Counts:
    passed: int = 0
    failed: int = 0
    not_run: int = 0

    def add(self, outcome: Outcome) -> None:
        if outcome.status == "passed":
            self.passed += 1
        elif outcome.status == "failed":
            self.failed += 1
        else:
            self.not_run += 1


@dataclass
class _Cell:
    counts: _Counts = field(default_factory=_Counts)
    seconds: float = 0.0
    reasons: dict[str, None] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    worst: Worst | None = None
    facts: dict[str, dict[str, float]] = field(default_factory=dict)


class EvidenceBuilder:
    """Takes (Check, Outcome) pairs in any order and builds the evidence of the run.

    ``backends`` describes every backend, also those that could not run: see `backend_info`.
    """

    def __init__(
        self,
        selection: Selected,
        *,
        seed: int,
        profile: str,
        backends: Mapping[str, BackendInfo],
        command: Sequence[str] = (),
    ) -> None:
        self._selection, self._seed, self._profile = selection, seed, profile
        self._backends = dict(backends)
        self._command = tuple(_clip(word, MAX_LINE) for word in command)
        self._created = datetime.now(timezone.utc)
        self._cells: dict[tuple[str, str, str, str], _Cell] = {}
        self._attention: dict[tuple[str, str], _Counts] = {}

    def add(self, check: Check, outcome: Outcome) -> Outcome:
        """Count one outcome; returns it as counted.

        An outcome that contradicts itself counts as failed, so that a mistake in a check cannot turn a cell green:
        passed with metrics beyond the bound, or not run without a reason.
        """
        outcome = _consistent(outcome)
        cell = self._cells.setdefault((check.op, check.backend, check.dtype, check.kind), _Cell())
        cell.seconds += max(outcome.seconds, 0.0)
        message = _clip(outcome.message, MAX_TEXT)
        cell.counts.add(outcome)
        if outcome.status == "failed" and len(cell.failures) < MAX_FAILURES:
            cell.failures.append(Failure(_clip(check.id, MAX_LINE), message))
        if outcome.status == "not-run" and len(cell.reasons) < MAX_REASONS:
            cell.reasons[message] = None
        if outcome.metrics is not None:
            candidate = Worst(_clip(check.id, MAX_LINE), _plain_metrics(outcome.metrics))
            if cell.worst is None or _badness(candidate.metrics) > _badness(cell.worst.metrics):
                cell.worst = candidate
        if outcome.facts and len(cell.facts) < MAX_FACTS:
            cell.facts[_clip(check.name, MAX_LINE)] = {key: float(value) for key, value in outcome.facts.items()}
        if check.attention_block:
            self._attention.setdefault((check.backend, check.dtype), _Counts()).add(outcome)
        return outcome

    def build(self, *, complete: bool = True) -> Evidence:
        """The evidence so far; ``complete=False`` says that the run was interrupted."""
        commit, dirty = provenance.commit()
        here = provenance.installed()
        return Evidence(
            created=self._created.isoformat(timespec="seconds"),
            complete=complete,
            isometal=Source(__version__, commit, dirty),
            versions=versions(),
            platform=_clip(platform.platform(), MAX_LINE),
            command=self._command,
            seed=self._seed,
            profile=self._profile,
            selection=self._selection,
            op_table=here.op_table,
            kernels=here.kernels,
            goldens=here.goldens,
            backends=self._backends,
            cells=tuple(_result(key, self._cells[key]) for key in sorted(self._cells, key=_order)),
            attention_block=tuple(
                AttentionResult(backend, dtype, n.passed + n.failed, n.passed, n.failed, n.not_run)
                for (backend, dtype), n in sorted(self._attention.items())
            ),
        )


def _result(key: tuple[str, str, str, str], cell: _Cell) -> CellResult:
    counts = cell.counts
    return CellResult(
        *key,
        cases=counts.passed + counts.failed,
        passed=counts.passed,
        failed=counts.failed,
        not_run=counts.not_run,
        seconds=round(cell.seconds, 6),
        reasons=tuple(cell.reasons),
        worst=cell.worst,
        failures=tuple(cell.failures),
        facts=cell.facts,
    )


def _order(key: tuple[str, str, str, str]) -> tuple[int, ...]:
    """Table order, so that the evidence of two runs can be compared line by line."""
    places = (list(optable.OPS), optable.BACKENDS, optable.ALL_DTYPES, list(optable.KINDS))
    return tuple(place.index(name) if name in place else len(place) for place, name in zip(places, key, strict=True))


def _consistent(outcome: Outcome) -> Outcome:
    if outcome.status == "passed" and outcome.metrics is not None and not outcome.metrics.passed:
        metrics = outcome.metrics
        text = (
            f"reported as passed, yet its error is {metrics.bound_ratio:.3g} of the bound "
            f"with {metrics.pattern_mismatches} NaN or inf mismatches"
        )
        return Outcome("failed", text, metrics, outcome.seconds, outcome.facts)
    if outcome.status == "not-run" and not outcome.message.strip():
        return Outcome("failed", "not run, and no reason given", outcome.metrics, outcome.seconds, outcome.facts)
    return outcome


def _badness(metrics: Metrics) -> tuple[bool, float]:
    ratio = metrics.bound_ratio
    return metrics.pattern_mismatches > 0, math.inf if math.isnan(ratio) else ratio


def _plain_metrics(metrics: Metrics) -> Metrics:
    """The same with Python's own numbers: NumPy scalars are no JSON."""
    ratio, index = metrics.error_ratio_to_mlx, metrics.worst_index
    return Metrics(
        size=int(metrics.size),
        max_abs=float(metrics.max_abs),
        max_rel=float(metrics.max_rel),
        max_ulp=float(metrics.max_ulp),
        rms=float(metrics.rms),
        bound_ratio=float(metrics.bound_ratio),
        worst_index=None if index is None else tuple(int(i) for i in index),
        pattern_mismatches=int(metrics.pattern_mismatches),
        error_ratio_to_mlx=None if ratio is None else float(ratio),
        odd_one_out=metrics.odd_one_out,
    )


def _clip(text: str, limit: int) -> str:
    # Text from a failing check can hold anything; a lone surrogate could not be written.
    clean = text.encode("utf-8", "replace").decode()
    return clean if len(clean) <= limit else clean[: limit - 4] + " ..."
