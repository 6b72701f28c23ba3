"""The gate: may Metal become the default backend? A pure function of op table, evidence and installation.

Only evidence from an Apple GPU qualifies, made with exactly the kernels, goldens, op table and version that are
installed, with every required row proved for every proof dtype and the attention-block golden proved. Evidence from a
software or paravirtual device can only say what is still red: even where it is perfect, one reason remains.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from isometal.optable import BACKENDS, KINDS, PROOF_DTYPES, Op
from isometal.parity import matrix
from isometal.parity.evidence import (
    FORMAT,
    FORMAT_VERSION,
    AttentionResult,
    CellResult,
    Evidence,
    EvidenceError,
    loads,
)
from isometal.provenance import Installed

#: The backend that the gate is about, and the only device kind that qualifies it.
GATED = "metal"
QUALIFYING_DEVICE = "apple-gpu"
#: Profiles that run every case; a profile that runs fewer would not do.
PROFILES = ("ci", "deep")


@dataclass(frozen=True)
class Reason:
    """Why evidence does not qualify. ``code`` is stable, for programs; ``text`` is for people."""

    code: str
    text: str


@dataclass(frozen=True)
class Decision:
    """Qualified exactly where there is no reason against it."""

    reasons: tuple[Reason, ...]

    @property
    def qualified(self) -> bool:
        """Whether there is no reason against it."""
        return not self.reasons


def decide(table: Mapping[str, Op], evidence: Evidence, installed: Installed) -> Decision:
    """Every reason why ``evidence`` does not qualify Metal for ``installed``; qualified where there is none."""
    reasons: list[Reason] = []
    for part in (_document, _provenance, _coverage, _device, _counts, _rows, _attention):
        reasons += part(table, evidence, installed)
    # The reasons above name each gap once; what the matrix does not show as proved never qualifies, whatever they say.
    reasons = reasons or list(_matrix(table, evidence))
    return Decision(tuple(dict.fromkeys(reasons)))


def decide_document(
    table: Mapping[str, Op], data: bytes | str, installed: Installed
) -> tuple[Decision, Evidence | None]:
    """`decide` on JSON text, whatever it holds: what cannot be read is a reason like any other."""
    try:
        evidence = loads(data)
    except EvidenceError as error:
        return Decision((Reason(error.code, f"{error.path}: {error.reason}"),)), None
    return decide(table, evidence, installed), evidence


def decide_device(evidence: Evidence, here: Mapping[str, str] | str) -> Decision:
    """May evidence that qualifies be recorded for this machine, whose Metal device is ``here``?

    ``here`` is the device of the metal backend, or the text that says why it cannot run. Evidence counts for the kind
    of GPU that it was made on.
    """
    if isinstance(here, str):
        return Decision((Reason("metal-not-here", f"Metal cannot run on this machine: {here}"),))
    info = evidence.backends.get(GATED)
    there = (info.device if info else None) or {}
    if here.get("kind") != QUALIFYING_DEVICE:
        text = f"the Metal device of this machine is {_device_name(here)}; only {QUALIFYING_DEVICE} qualifies."
        return Decision((Reason("device-kind", text),))
    if any(here.get(key) != there.get(key) for key in ("kind", "name", "family")):
        text = f"the evidence was made on {_device_name(there)}, this machine has {_device_name(here)}."
        return Decision((Reason("other-device", text),))
    return Decision(())


Reasons = Iterator[Reason]


def _document(table: Mapping[str, Op], evidence: Evidence, installed: Installed) -> Reasons:
    if evidence.format != FORMAT:
        yield Reason("malformed", f"the format is {evidence.format!r}, not {FORMAT!r}.")
    if evidence.format_version != FORMAT_VERSION:
        yield Reason(
            "format-version", f"evidence format {evidence.format_version}; this isometal reads {FORMAT_VERSION}."
        )
    if not evidence.complete:
        yield Reason("incomplete", "the run was interrupted; run it to its end.")


def _provenance(table: Mapping[str, Op], evidence: Evidence, installed: Installed) -> Reasons:
    if evidence.isometal.version != installed.version:
        yield Reason(
            "stale-version", f"made by isometal {evidence.isometal.version}, installed is {installed.version}."
        )
    if evidence.op_table != installed.op_table:
        yield Reason("op-table", "made for another op table.")
    if not installed.kernels:
        yield Reason("no-kernels", "no Metal kernels are installed.")
    elif dict(evidence.kernels) != dict(installed.kernels):
        yield Reason("kernels", f"made with other kernels: {_difference(evidence.kernels, installed.kernels)}.")
    if installed.goldens is None:
        yield Reason("goldens", "no goldens are installed.")
    elif evidence.goldens != installed.goldens:
        yield Reason("goldens", "made with other goldens.")


def _difference(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    parts = {
        "changed": sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]),
        "not in the evidence": sorted(ours.keys() - theirs.keys()),
        "not installed": sorted(theirs.keys() - ours.keys()),
    }
    return "; ".join(f"{what}: {_few(names)}" for what, names in parts.items() if names)


def _few(names: list[str], limit: int = 5) -> str:
    shown = ", ".join(matrix.one_line(name)[:60] for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def _coverage(table: Mapping[str, Op], evidence: Evidence, installed: Installed) -> Reasons:
    chosen = evidence.selection
    if evidence.profile not in PROFILES:
        yield Reason("profile", f"profile {evidence.profile!r}; use one of {', '.join(PROFILES)}.")
    if evidence.seed < 0:
        yield Reason("seed", f"seed {evidence.seed} is negative: no run can have used it.")
    wanted = {"backends": BACKENDS, "ops": tuple(table), "kinds": tuple(KINDS), "dtypes": PROOF_DTYPES}
    missing = {name: [item for item in items if item not in getattr(chosen, name)] for name, items in wanted.items()}
    for name, items in missing.items():
        if items:
            yield Reason("selection", f"a partial run, without the {name} {_few(items)}.")
    if chosen.only is not None:
        yield Reason("selection", f"a partial run, only the checks with {chosen.only!r} in their id.")


def _device(table: Mapping[str, Op], evidence: Evidence, installed: Installed) -> Reasons:
    for backend in BACKENDS:
        info = evidence.backends.get(backend)
        if info is None or not info.available:
            why = (info.reason if info else None) or "no reason recorded"
            code = "metal-unavailable" if backend == GATED else "reference-unavailable"
            yield Reason(code, f"{backend} did not run: {matrix.one_line(why)}")
    metal = evidence.backends.get(GATED)
    if metal is not None and metal.available:
        device = metal.device or {}
        if device.get("kind") != QUALIFYING_DEVICE:
            yield Reason("device-kind", f"Metal ran on {_device_name(device)}; only {QUALIFYING_DEVICE} qualifies.")


def _device_name(device: Mapping[str, str]) -> str:
    shown = f"{device.get('name', 'an unnamed device')} (kind {device.get('kind', 'unknown')})"
    return matrix.one_line(shown)[:200]


def _counts(table: Mapping[str, Op], evidence: Evidence, installed: Installed) -> Reasons:
    """Evidence that contradicts itself proves nothing."""
    for cell in evidence.cells:
        name = matrix.one_line(f"{cell.op} on {cell.backend}, {cell.dtype}, kind {cell.kind}")
        if not _adds_up(cell):
            yield Reason("counts", f"{name}: {_sum(cell)}.")
        elif cell.failed < len(cell.failures):
            yield Reason("counts", f"{name}: {cell.failed} failed, yet {len(cell.failures)} failures are listed.")
        elif cell.failed == 0 and cell.worst is not None and not cell.worst.metrics.passed:
            worst = cell.worst.metrics
            text = f"error {worst.bound_ratio:.3g} of the bound, {worst.pattern_mismatches} NaN or inf mismatches"
            yield Reason("counts", f"{name}: no failure counted, yet the worst case has {text}.")
    for block in evidence.attention_block:
        if not _adds_up(block):
            name = matrix.one_line(f"attention block on {block.backend}, {block.dtype}")
            yield Reason("counts", f"{name}: {_sum(block)}.")


def _adds_up(counts: CellResult | AttentionResult) -> bool:
    smallest = min(counts.cases, counts.passed, counts.failed, counts.not_run)
    return smallest >= 0 and counts.passed + counts.failed == counts.cases


def _sum(counts: CellResult | AttentionResult) -> str:
    return f"{counts.passed} passed + {counts.failed} failed is not {counts.cases} cases, {counts.not_run} not run"


def _rows(table: Mapping[str, Op], evidence: Evidence, installed: Installed) -> Reasons:
    info = evidence.backends.get(GATED)
    if info is None or not info.available:
        return
    found = {cell.key: cell for cell in evidence.cells}
    for op in table.values():
        if not op.required:
            continue
        if op.name in info.unsupported:
            yield Reason("unsupported", f"{op.name}: the backend does not have it.")
            continue
        if not any(key[:2] == (op.name, GATED) for key in found):
            yield Reason("missing-row", f"{op.name}: nothing ran on {GATED}.")
            continue
        yield from _cells(op, found)


def _cells(op: Op, found: Mapping[tuple[str, str, str, str], CellResult]) -> Reasons:
    mine = {key[2:]: cell for key, cell in found.items() if key[:2] == (op.name, GATED)}
    for dtype in PROOF_DTYPES:
        if not any(ran == dtype for ran, _ in mine):
            yield Reason("missing-dtype", f"{op.name}: {dtype} did not run.")
            continue
        for kind in op.owes:
            if (dtype, kind) not in mine:
                yield Reason("missing-kind", f"{op.name}: kind {kind} did not run for {dtype}.")
    for (dtype, kind), cell in mine.items():
        name = matrix.one_line(f"{op.name}: {dtype}, kind {kind}")
        if cell.failed > 0:
            yield Reason("failed-cell", f"{name}: {cell.failed} of {cell.cases} failed.")
        if cell.not_run > 0:
            yield Reason("not-run", f"{name}: {cell.not_run} could not run.")
        elif cell.cases == 0:
            yield Reason("zero-cases", f"{name}: zero cases.")


def _attention(table: Mapping[str, Op], evidence: Evidence, installed: Installed) -> Reasons:
    info = evidence.backends.get(GATED)
    if info is None or not info.available:
        return
    found = {block.dtype: block for block in evidence.attention_block if block.backend == GATED}
    for dtype in PROOF_DTYPES:
        block = found.get(dtype)
        if block is None or block.cases == block.not_run == 0:
            yield Reason("attention-missing", f"the attention-block golden did not run for {dtype}.")
        elif block.failed > 0:
            yield Reason("attention-failed", f"attention block, {dtype}: {block.failed} of {block.cases} failed.")
        elif block.not_run > 0:
            yield Reason("attention-not-run", f"attention block, {dtype}: {block.not_run} could not run.")


def _matrix(table: Mapping[str, Op], evidence: Evidence) -> Reasons:
    for row in matrix.rows(table, evidence):
        cell = row.cells[GATED]
        if row.op.required and cell.state is not matrix.State.PROVED:
            yield Reason("not-proved", f"{row.op.name}: {cell.state.value}: {'; '.join(cell.reasons)}")
