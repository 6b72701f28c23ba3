"""The matrix: op table and evidence in, one row per op out. Pure; computed only from what ran.

A cell (op, backend) is

    proved       every kind that the row owes ran for each proof dtype with at least one case, and everything that
                 ran, those kinds and any other, passed with nothing left out
    failed       a check failed, or something due (selected, on a backend that can run) had zero cases
    unsupported  the backend says that it does not have the op
    not run      everything else, with the reasons

The SDPA row also owes the attention-block golden, its "Golden functional test".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from isometal.optable import BACKEND_LABELS, PROOF_DTYPES, Op
from isometal.parity.evidence import AttentionResult, CellResult, Evidence

if TYPE_CHECKING:
    from rich.table import Table

#: The row that owes the attention-block golden.
ATTENTION_OP = "scaled_dot_product_attention"

COLUMNS = ("Op Category", "Operation", *BACKEND_LABELS.values(), "Required Tests", "Default Gate")


class State(Enum):
    PROVED = "proved"
    FAILED = "failed"
    NOT_RUN = "not run"
    UNSUPPORTED = "unsupported"

    @property
    def mark(self) -> str:
        return _MARKS[self]


_MARKS = {State.PROVED: "✅", State.FAILED: "❌", State.NOT_RUN: "⬜", State.UNSUPPORTED: "➖"}


@dataclass(frozen=True)
class Cell:
    """``reasons`` say why the cell is not proved; empty where it is. ``cases`` counts the checks that ran."""

    op: str
    backend: str
    state: State
    reasons: tuple[str, ...]
    cases: int


@dataclass(frozen=True)
class Row:
    op: Op
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class Verdict:
    """What a run says about the checks that were due in it: a line for each that failed, and for each left out."""

    failed: tuple[str, ...]
    not_run: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 everything due is proved, 1 something failed, 2 something due could not run."""
        return 1 if self.failed else 2 if self.not_run else 0


@dataclass
class _Gaps:
    """What keeps a cell from being proved."""

    failed: list[str]
    #: Due, yet could not run.
    not_run: list[str]
    #: Not asked for in this run.
    unselected: list[str]


class _Index:
    """The evidence by (op, backend), so that a matrix is one pass over it."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.cells: dict[tuple[str, str], dict[tuple[str, str], CellResult]] = {}
        for cell in evidence.cells:
            self.cells.setdefault((cell.op, cell.backend), {})[cell.dtype, cell.kind] = cell
        self.attention = {(block.backend, block.dtype): block for block in evidence.attention_block}

    def gaps(self, op: Op, backend: str) -> _Gaps:
        evidence, selection = self.evidence, self.evidence.selection
        gaps = _Gaps([], [], _unselected(op, backend, evidence))
        info = evidence.backends.get(backend)
        can_run = info is not None and info.available
        if not can_run:
            gaps.not_run.append((info.reason if info else None) or f"the evidence says nothing about {backend}")
        found = self.cells.get((op.name, backend), {})
        due = {(dtype, kind) for dtype in PROOF_DTYPES for kind in op.owes}
        for dtype, kind in [*sorted(due - found.keys(), key=_table_order), *sorted(found, key=_table_order)]:
            if (dtype, kind) in found:
                _weigh(gaps, f"{dtype} {kind}", found[dtype, kind])
            elif can_run and _selected(op, backend, dtype, kind, evidence):
                _nothing(gaps, f"{dtype} {kind}", evidence)
        if op.name == ATTENTION_OP:
            for dtype in PROOF_DTYPES:
                block = self.attention.get((backend, dtype))
                if block is not None:
                    _weigh(gaps, f"{dtype} attention block", block)
                elif can_run and _selected(op, backend, dtype, "G", evidence):
                    _nothing(gaps, f"{dtype} attention block", evidence)
        if selection.only is not None and not gaps.unselected:
            gaps.unselected.append(f"only the checks with {selection.only!r} in their id were run")
        return gaps


def _table_order(key: tuple[str, str]) -> tuple[int, str, str]:
    dtype, kind = key
    return (PROOF_DTYPES.index(dtype) if dtype in PROOF_DTYPES else len(PROOF_DTYPES)), dtype, kind


def _weigh(gaps: _Gaps, name: str, result: CellResult | AttentionResult) -> None:
    if result.failed > 0:
        gaps.failed.append(f"{name}: {result.failed} of {result.cases} failed")
    elif result.passed != result.cases or min(result.passed, result.not_run, result.failed) < 0:
        gaps.failed.append(f"{name}: the counts do not add up")
    elif result.not_run > 0:
        why = result.reasons[0] if isinstance(result, CellResult) and result.reasons else "no reason recorded"
        gaps.not_run.append(f"{name}: {result.not_run} not run: {why}")
    elif result.cases == 0:
        gaps.failed.append(f"{name}: zero cases")


def _nothing(gaps: _Gaps, name: str, evidence: Evidence) -> None:
    if evidence.selection.only is not None:
        return
    if evidence.complete:
        gaps.failed.append(f"{name}: zero cases")
    else:
        gaps.not_run.append(f"{name}: interrupted before it ran")


def _selected(op: Op, backend: str, dtype: str, kind: str, evidence: Evidence) -> bool:
    chosen = evidence.selection
    return op.name in chosen.ops and backend in chosen.backends and dtype in chosen.dtypes and kind in chosen.kinds


def _unselected(op: Op, backend: str, evidence: Evidence) -> list[str]:
    chosen = evidence.selection
    if backend not in chosen.backends:
        return [f"backend {backend} not selected"]
    if op.name not in chosen.ops:
        return ["op not selected"]
    reasons = []
    if kinds := [kind for kind in op.owes if kind not in chosen.kinds]:
        reasons.append(f"kind {', '.join(kinds)} not selected")
    if dtypes := [dtype for dtype in PROOF_DTYPES if dtype not in chosen.dtypes]:
        reasons.append(f"{', '.join(dtypes)} not selected")
    return reasons


def _cell(index: _Index, op: Op, backend: str) -> Cell:
    gaps = index.gaps(op, backend)
    results = index.cells.get((op.name, backend), {}).values()
    info = index.evidence.backends.get(backend)
    if info is not None and op.name in info.unsupported and not results:
        state, reasons = State.UNSUPPORTED, [info.unsupported[op.name]]
    elif gaps.failed:
        state, reasons = State.FAILED, gaps.failed
    elif gaps.not_run or gaps.unselected:
        state, reasons = State.NOT_RUN, gaps.unselected + gaps.not_run
    else:
        state, reasons = State.PROVED, []
    return Cell(op.name, backend, state, tuple(reasons), sum(max(result.cases, 0) for result in results))


def rows(table: Mapping[str, Op], evidence: Evidence) -> tuple[Row, ...]:
    """One row per op of the table, in its order, with a cell for each backend."""
    index = _Index(evidence)
    return tuple(Row(op, {backend: _cell(index, op, backend) for backend in BACKEND_LABELS}) for op in table.values())


def verdict(table: Mapping[str, Op], evidence: Evidence, due: Collection[str]) -> Verdict:
    """Judge what was selected on the ``due`` backends: those that had to run, whether they could or not.

    Unlike a cell, a verdict asks nothing of kinds, dtypes and ops that were not selected.
    """
    index = _Index(evidence)
    failed, not_run = [], []
    for op in table.values():
        if op.name not in evidence.selection.ops:
            continue
        for backend in due:
            cell, gaps = _cell(index, op, backend), index.gaps(op, backend)
            if cell.state is State.UNSUPPORTED:
                continue
            failed += [f"{op.name} on {backend}: {reason}" for reason in gaps.failed]
            not_run += [f"{op.name} on {backend}: {reason}" for reason in gaps.not_run]
    return Verdict(tuple(failed), tuple(not_run))


# -- renderers ----------------------------------------------------------------------------------------------------


def one_line(text: str) -> str:
    """Text from evidence made safe to print: no control characters, one line."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def devices(evidence: Evidence) -> list[tuple[str, str]]:
    """(column title, what ran) per backend. A software device is called that, whatever its name."""
    lines = []
    for backend, label in BACKEND_LABELS.items():
        info = evidence.backends.get(backend)
        if info is None:
            lines.append((label, "not recorded"))
        elif not info.available:
            lines.append((label, f"not run: {one_line(info.reason or 'no reason recorded')}"))
        else:
            device = info.device or {}
            kind = device.get("kind", "unknown device")
            name = device.get("name", "unnamed")
            shown = kind if kind == name else f"{name} ({kind})"
            if kind == "software" and "software" not in name.lower():
                shown = f"software device: {shown}"
            lines.append((label, one_line(f"{shown}, {device.get('os', 'unknown system')}")))
    return lines


def stack(evidence: Evidence) -> str:
    """Versions in one line."""
    versions = ", ".join(f"{name} {version}" for name, version in evidence.versions.items() if version is not None)
    return one_line(f"isometal {evidence.isometal.version}, {versions}")


def notes(matrix: tuple[Row, ...]) -> list[tuple[str, State, str, tuple[str, ...]]]:
    """(backend, state, reason, labels of the ops) for every cell that is not proved, grouped by reason."""
    grouped: dict[tuple[str, State, str], list[str]] = {}
    for row in matrix:
        for backend, cell in row.cells.items():
            for reason in cell.reasons:
                grouped.setdefault((backend, cell.state, one_line(reason)), []).append(row.op.label)
    return [(*key, tuple(labels)) for key, labels in grouped.items()]


def markdown_table(matrix: tuple[Row, ...]) -> str:
    """The table alone, in GitHub's Markdown."""
    lines = [_line(COLUMNS), _line(("---",) * 2 + (":---:",) * len(BACKEND_LABELS) + ("---",) * 2)]
    for row in matrix:
        marks = tuple(row.cells[backend].state.mark for backend in BACKEND_LABELS)
        lines.append(_line((row.op.category, row.op.label, *marks, row.op.required_tests, row.op.gate)))
    return "\n".join(lines) + "\n"


def markdown(matrix: tuple[Row, ...], evidence: Evidence) -> str:
    """The table, what the marks mean, the devices, and why cells are not proved."""
    legend = ", ".join(f"{state.mark} {state.value}" for state in State)
    lines = [markdown_table(matrix), f"{legend}.", ""]
    lines += [f"- {label}: {_escape(text)}" for label, text in devices(evidence)]
    lines.append(f"- {_escape(stack(evidence))}; seed {evidence.seed}, profile {_escape(evidence.profile)}")
    lines += [
        f"- {BACKEND_LABELS[backend]} {state.mark} {_escape(reason)}: {', '.join(labels)}"
        for backend, state, reason, labels in notes(matrix)
        # That a backend could not run at all is said above, once.
        if backend in evidence.backends and evidence.backends[backend].available
    ]
    return "\n".join(lines) + "\n"


def rich_table(matrix: tuple[Row, ...]) -> Table:
    """The matrix for a terminal, with the number of proved cells under each backend."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_footer=True, pad_edge=False)
    table.add_column(COLUMNS[0], footer="proved")
    table.add_column(COLUMNS[1], no_wrap=True)
    for backend, label in BACKEND_LABELS.items():
        proved = sum(row.cells[backend].state is State.PROVED for row in matrix)
        table.add_column(label, justify="center", footer=f"{proved}/{len(matrix)}", no_wrap=True)
    table.add_column(COLUMNS[-2])
    table.add_column(COLUMNS[-1], no_wrap=True)
    category = None
    for row in matrix:
        marks = [row.cells[backend].state.mark for backend in BACKEND_LABELS]
        shown = Text(row.op.category if row.op.category != category else "", style="bold")
        table.add_row(shown, Text(row.op.label), *marks, row.op.required_tests, row.op.gate)
        category = row.op.category
    return table


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#" else char for char in text)
