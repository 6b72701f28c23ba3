"""What `isometal parity` shows: progress while it runs, then matrix, failures and a summary.

On a terminal a bar moves; elsewhere (a pipe, a log, with JSON on stdout) there is one plain line per op.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from isometal.optable import BACKEND_LABELS, OPS
from isometal.parity import matrix
from isometal.parity.evidence import Evidence
from isometal.parity.model import DEFAULT_SEED, Check, Outcome

#: Failures that are shown as they come, and in the end; the evidence keeps more.
SHOWN_FAILURES = 20
#: Reasons why cells are not proved.
SHOWN_NOTES = 30


class Reporter:
    """Follows a run. As a context manager it owns the progress bar; ``result`` takes each outcome as it comes."""

    def __init__(self, console: Console, checks: Sequence[Check], *, quiet: bool) -> None:
        self._console, self._quiet = console, quiet
        self._left = Counter(check.op for check in checks)
        self._ops = len(self._left)
        self._done: dict[str, Counter[str]] = {}
        self._failed = 0
        self._progress: Progress | None = None
        if console.is_terminal and not quiet:
            self._progress = Progress(
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.description}", markup=False),
                console=console,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._task = self._progress.add_task("", total=len(checks))

    def __enter__(self) -> Reporter:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def result(self, check: Check, outcome: Outcome) -> None:
        self._left[check.op] -= 1
        self._done.setdefault(check.op, Counter())[outcome.status] += 1
        if outcome.status == "failed":
            self._failed += 1
            if self._failed <= SHOWN_FAILURES and not self._quiet:
                self._console.print(_failure_line(check.id, outcome.message), soft_wrap=True)
        if self._progress is not None:
            cell = f"{check.op} {check.dtype} {check.backend} {check.kind}"
            self._progress.update(self._task, advance=1, description=f"{cell:<46.46}")
        elif not self._quiet and self._left[check.op] == 0:
            self._op_line(check.op)

    def _op_line(self, op: str) -> None:
        counts = self._done[op]
        place = sum(left == 0 for left in self._left.values())
        shown = ", ".join(f"{counts[status]} {status}" for status in ("passed", "failed", "not-run") if counts[status])
        print_line(self._console, f"[{place:2}/{self._ops}] {OPS[op].label}: {shown}")


def print_line(console: Console, text: str, style: str = "") -> None:
    """One line as it is: no markup, no wrapping, no colour by guess."""
    console.print(Text(text, style=style), soft_wrap=True)


def _failure_line(check_id: str, message: str) -> Text:
    return Text.assemble(("failed  ", "bold red"), matrix.one_line(check_id), f"\n        {matrix.one_line(message)}")


def rerun(check_id: str, seed: int, profile: str) -> str:
    """The command that runs one check alone."""
    command = ["isometal", "parity", "--only", check_id]
    if seed != DEFAULT_SEED:
        command += ["--seed", str(seed)]
    if profile != "ci":
        command += ["--profile", profile]
    return shlex.join(command)


def print_header(console: Console, evidence: Evidence, checks: int) -> None:
    """What is about to run; the seed first, so that even a run that dies can be repeated."""
    seed = f"seed {evidence.seed}, profile {evidence.profile}"
    print_line(console, f"isometal {evidence.isometal.version} parity: {checks} checks, {seed}", "bold")
    for label, device in matrix.devices(evidence):
        print_line(console, f"  {label:<6} {device}")


def print_report(console: Console, rows: tuple[matrix.Row, ...], evidence: Evidence, *, quiet: bool) -> None:
    """Matrix, why cells are not proved, and how to repeat each failure."""
    if not quiet:
        console.print(matrix.rich_table(rows))
        legend = "  ".join(f"{state.mark} {state.value}" for state in matrix.State)
        print_line(console, f" {legend}", "dim")
        _print_notes(console, rows, evidence)
    failures = [failure for cell in evidence.cells for failure in cell.failures]
    total = sum(cell.failed for cell in evidence.cells)
    for failure in failures[:SHOWN_FAILURES]:
        console.print(_failure_line(failure.id, failure.message), soft_wrap=True)
        print_line(console, f"        again: {rerun(failure.id, evidence.seed, evidence.profile)}", "dim")
    if total > SHOWN_FAILURES:
        print_line(console, f"        and {total - SHOWN_FAILURES} more; --json writes them to the evidence")


def _print_notes(console: Console, rows: tuple[matrix.Row, ...], evidence: Evidence) -> None:
    notes = matrix.notes(rows)
    for backend, state, reason, labels in notes[:SHOWN_NOTES]:
        which = "all rows" if len(labels) == len(rows) else ", ".join(labels)
        print_line(console, f" {state.mark} {BACKEND_LABELS[backend]}: {reason} ({which})")
    if len(notes) > SHOWN_NOTES:
        print_line(console, f" and {len(notes) - SHOWN_NOTES} more reasons")


def summary(rows: tuple[matrix.Row, ...], evidence: Evidence, seconds: float) -> str:
    """The last line."""
    passed, failed, not_run = (
        sum(getattr(c, name) for c in evidence.cells) for name in ("passed", "failed", "not_run")
    )
    proved = ", ".join(
        f"{label} {sum(row.cells[backend].state is matrix.State.PROVED for row in rows)}/{len(rows)}"
        for backend, label in BACKEND_LABELS.items()
    )
    return f"{passed} passed, {failed} failed, {not_run} not run in {seconds:.1f} s; proved: {proved}"
