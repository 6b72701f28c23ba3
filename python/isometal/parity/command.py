"""The command `isometal parity`: from the words of the command line to matrix, evidence and exit code."""

from __future__ import annotations

import difflib
import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from isometal.errors import IsometalError
from isometal.files import write_atomic
from isometal.optable import ALL_DTYPES, BACKENDS, KINDS, OPS
from isometal.parity import console as shown
from isometal.parity import engine, errors, evidence, matrix, svg
from isometal.parity.builder import EvidenceBuilder, backend_info
from isometal.parity.evidence import BackendInfo, Evidence, Selected
from isometal.parity.model import PROFILES, Check, Outcome

INTERRUPTED = 130
#: Backends that a run without --backend must prove; Metal joins them where it can run.
_ALWAYS_DUE = ("cpu", "mlx")


class UsageError(IsometalError, ValueError):
    """The command line asks for something that does not exist or cannot be done here."""


@dataclass(frozen=True)
class Options:
    """The command line. Names may be repeated or comma separated; empty means all. Paths may be "-" for stdout."""

    backends: Sequence[str] = ()
    ops: Sequence[str] = ()
    kinds: Sequence[str] = ()
    dtypes: Sequence[str] = ()
    only: str | None = None
    seed: int = 0
    profile: str = "ci"
    json: str | None = None
    markdown: str | None = None
    svg: str | None = None
    quiet: bool = False


def run(options: Options, command: Sequence[str] | None = None) -> int:
    """Run the suite as asked and return the exit code: 0 proved, 1 failed, 2 environment, 130 interrupted.

    ``command`` is what the evidence says was run, by default the words of this process. Raises UsageError before
    anything has run.
    """
    selected = _selected(options)
    outputs = _outputs(options)
    backends = {name: backend_info(name) for name in BACKENDS}
    due = _due(options, selected, backends)
    checks = _plan(options, selected, backends)
    words = ["isometal", *sys.argv[1:]] if command is None else command
    builder = EvidenceBuilder(selected, seed=options.seed, profile=options.profile, backends=backends, command=words)
    # Where data goes to stdout, everything meant for people goes to stderr.
    console = _console(stderr="-" in outputs)
    if not options.quiet:
        shown.print_header(console, builder.build(complete=False), len(checks))
    start = time.perf_counter()
    complete = _execute(checks, builder, shown.Reporter(console, checks, quiet=options.quiet))
    found = builder.build(complete=complete)
    rows = matrix.rows(OPS, found)
    shown.print_report(console, rows, found, quiet=options.quiet)
    verdict = matrix.verdict(OPS, found, due)
    if complete:
        _write(outputs, found, rows)
    # After the files, so that the last line is the last word.
    shown.print_line(console, shown.summary(rows, found, time.perf_counter() - start), "bold")
    if not complete:
        files = f"; not written: {', '.join(outputs)}" if outputs else ""
        shown.print_line(console, f"interrupted{files}", "bold red")
        return INTERRUPTED
    _explain(console, verdict)
    return verdict.exit_code


def _execute(checks: list[Check], builder: EvidenceBuilder, reporter: shown.Reporter) -> bool:
    """Run the checks; False where Ctrl-C came in between."""

    def on_result(check: Check, outcome: Outcome) -> None:
        reporter.result(check, builder.add(check, outcome))

    try:
        # What a library prints must not end up between the data on stdout.
        with reporter, redirect_stdout(sys.stderr), warnings.catch_warnings(), _scratch():
            # Overflow and invalid operations are what many cases are about.
            warnings.simplefilter("ignore", RuntimeWarning)
            engine.run(checks, on_result)
    except KeyboardInterrupt:
        # A second Ctrl-C ends the process at once; no file is open by then.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        return False
    return True


@contextmanager
def _scratch() -> Iterator[None]:
    """Hypothesis keeps notes in the current directory; a user of the command asked for none."""
    with tempfile.TemporaryDirectory(prefix="isometal-") as folder:
        chosen = os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", folder)
        try:
            yield
        finally:
            if chosen == folder:
                del os.environ["HYPOTHESIS_STORAGE_DIRECTORY"]


def _explain(console: Console, verdict: matrix.Verdict) -> None:
    """Say why the exit code is not 0 where no failed check says it."""
    silent = tuple(line for line in verdict.failed if line.endswith("zero cases"))
    for what, lines in (("no check was there to run", silent), ("could not run", verdict.not_run)):
        if lines:
            more = f", and {len(lines) - 1} more like it" if len(lines) > 1 else ""
            shown.print_line(console, f"due, yet {what}: {matrix.one_line(lines[0])}{more}", "bold red")


# -- names --------------------------------------------------------------------------------------------------------


def _selected(options: Options) -> Selected:
    if options.profile not in PROFILES:
        raise UsageError(_unknown("profile", options.profile, PROFILES))
    kinds = {text.partition(":")[0]: kind for kind, text in KINDS.items()}
    labels = {op.label.lower(): op.name for op in OPS.values()}
    return Selected(
        backends=_names("backend", options.backends, BACKENDS, {}),
        ops=_names("op", options.ops, tuple(OPS), labels),
        kinds=_names("kind", options.kinds, tuple(KINDS), kinds),
        dtypes=_names("dtype", options.dtypes, ALL_DTYPES, {}),
        only=options.only,
    )


def _names(what: str, asked: Iterable[str], valid: tuple[str, ...], aliases: Mapping[str, str]) -> tuple[str, ...]:
    """The valid names among ``asked``, in table order, all where nothing was asked. Raises UsageError."""
    words = [word.strip() for text in asked for word in text.split(",") if word.strip()]
    spelled = {name.lower(): name for name in valid} | dict(aliases)
    for word in words:
        if word.lower() not in spelled:
            raise UsageError(_unknown(what, word, valid, spelled))
    chosen = {spelled[word.lower()] for word in words}
    return tuple(name for name in valid if name in chosen or not words)


def _unknown(what: str, word: str, valid: Iterable[str], spelled: Iterable[str] = ()) -> str:
    near = difflib.get_close_matches(word.lower(), [*spelled] or [*valid], n=1, cutoff=0.7)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"[parity] {word!r} names no {what}; {hint}choose from {', '.join(valid)}."


def _due(options: Options, selected: Selected, backends: Mapping[str, BackendInfo]) -> tuple[str, ...]:
    """The backends that this run must prove. Raises UsageError for one that was asked for and cannot run."""
    if not any(text.strip(", ") for text in options.backends):
        return tuple(name for name in BACKENDS if name in _ALWAYS_DUE or backends[name].available)
    for name in selected.backends:
        if not backends[name].available:
            raise UsageError(f"[parity] the backend {name} cannot run here: {backends[name].reason}")
    return selected.backends


def _plan(options: Options, selected: Selected, backends: Mapping[str, BackendInfo]) -> list[Check]:
    available = tuple(name for name in selected.backends if backends[name].available)
    chosen = engine.Selection(
        backends=available,
        ops=selected.ops,
        kinds=selected.kinds,
        dtypes=selected.dtypes,
        seed=options.seed,
        profile=options.profile,
    )
    checks = [check for check in engine.plan(chosen) if options.only is None or options.only in check.id]
    if not checks:
        what = f"no check has {options.only!r} in its id" if options.only is not None else "no check fits the options"
        raise UsageError(f"[parity] {what}; `isometal ops` lists what each op owes and which dtypes it takes.")
    return checks


# -- outputs ------------------------------------------------------------------------------------------------------


def _outputs(options: Options) -> dict[str, str]:
    """Format by path. Raises UsageError now for what could not be written after minutes of work."""
    asked = {"json": options.json, "markdown": options.markdown, "svg": options.svg}
    outputs: dict[str, str] = {}
    for form, path in asked.items():
        if path is None:
            continue
        if path in outputs:
            raise UsageError(f"[parity] --{outputs[path]} and --{form} both go to {path}; give each its own.")
        outputs[path] = form
        if path != "-":
            folder = Path(os.path.realpath(path)).parent
            if not folder.is_dir():
                raise UsageError(f"[parity] --{form} {path}: the directory {folder} does not exist; create it first.")
            if Path(path).is_dir() or not os.access(folder, os.W_OK):
                raise UsageError(f"[parity] --{form} {path} cannot be written; give the path of a file.")
    return outputs


def _write(outputs: Mapping[str, str], found: Evidence, rows: tuple[matrix.Row, ...]) -> None:
    render: dict[str, Callable[[], str]] = {
        "json": lambda: evidence.dumps(found),
        "markdown": lambda: "\n".join(filter(None, (matrix.markdown(rows, found), errors.markdown(found)))),
        "svg": lambda: svg.render(rows, found),
    }
    for path, form in outputs.items():
        text = render[form]()
        if path == "-":
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            write_atomic(path, text.encode())


def _console(*, stderr: bool) -> Console:
    # The stream itself: a console without one follows sys.stdout, which is redirected while checks run.
    stream = sys.stderr if stderr else sys.stdout
    # A log has no width of its own, and the table needs about 100 columns.
    width = None if stream.isatty() else 120
    return Console(file=stream, highlight=False, markup=False, emoji=False, width=width)
