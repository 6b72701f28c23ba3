"""The command line: `isometal parity`, `gate`, `qualify`, `status`, `devices`, `ops`; `soft` is in cli_soft.py.

Only typer is imported here, so that `--help` is quick; each command imports what it needs. Expected errors are one
line on stderr and exit code 2.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from isometal import cli_soft
from isometal._version import __version__
from isometal.cli_errors import INTERRUPTED, expected_errors
from isometal.errors import BackendError, IsometalError

app = typer.Typer(
    name="isometal",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain help: exact line breaks in the examples, and no import of rich.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

#: An option that may be repeated, or hold several names separated by commas.
_Names = list[str] | None


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"isometal {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Metal kernels with proof: one tensor facade, three backends, and a suite that decides from evidence.

    \b
    isometal parity                 prove every op on every backend of this machine
    isometal parity --op softmax    one op
    isometal gate --evidence FILE   may Metal become the default?
    isometal qualify                both on your Mac's GPU, and a bench: evidence to share
    isometal status                 which backend is the default, and why
    isometal devices                the Metal devices here, and which one runs
    isometal ops                    the ops, and what each owes
    isometal soft run FILE ...      run a Metal kernel on this machine's CPU
    """


@app.command(short_help="Run the parity suite, print the matrix.")
@expected_errors
def parity(
    backend: Annotated[
        _Names, typer.Option(metavar="NAMES", help="cpu, mlx, metal. Default: all that can run here.")
    ] = None,
    op: Annotated[_Names, typer.Option(metavar="NAMES", help="Ops by name; `isometal ops` lists them.")] = None,
    kind: Annotated[
        _Names, typer.Option(metavar="KINDS", help="U unit, P property, G golden, R parity with cpu and mlx, B bench.")
    ] = None,
    dtype: Annotated[
        _Names, typer.Option(metavar="NAMES", help="float32, float16, bfloat16, int32, int64, uint32, bool.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only the checks with TEXT in their id, as failures print it."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**63 - 1, metavar="N", help="Seed of all cases. Printed; pinned by default."),
    ] = None,
    profile: Annotated[str, typer.Option(metavar="ci|deep", help="How many cases and examples.")] = "ci",
    json: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write the evidence; - for stdout."),
    ] = None,
    markdown: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the matrix as Markdown; - for stdout."),
    ] = None,
    svg: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the matrix as a picture; - for stdout."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only failures and the summary.")] = False,
) -> None:
    """Run the parity suite, print the matrix, write evidence.

    Options may be repeated or hold several names: `--op add,matmul --op softmax`.

    \b
    isometal parity                                   everything, on every backend that can run
    isometal parity --op matmul --dtype float16       one op in one dtype
    isometal parity --kind R,G --backend mlx          two test kinds on one backend
    isometal parity --profile deep --seed 7           more cases, other values
    isometal parity --json evidence.json --svg m.svg  evidence for the gate, and a picture
    isometal parity --json - | jq .cells              only JSON on stdout

    \b
    Exit codes: 0 everything due is proved; 1 something failed; 2 usage, or something due could not run here;
    130 Ctrl-C (the matrix so far is printed, no file is written).
    """
    from isometal.parity import command
    from isometal.parity.model import DEFAULT_SEED

    options = command.Options(
        backends=backend or (),
        ops=op or (),
        kinds=kind or (),
        dtypes=dtype or (),
        only=only,
        seed=DEFAULT_SEED if seed is None else seed,
        profile=profile,
        json=json,
        markdown=markdown,
        svg=svg,
        quiet=quiet,
    )
    raise typer.Exit(command.run(options))


@app.command(short_help="May Metal be the default? Decide from evidence.")
@expected_errors
def gate(
    evidence: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Evidence of `isometal parity --json`, or a bundle of `isometal qualify`."),
    ] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Where it qualifies, record that for this machine.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Remove the recorded qualification.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the decision as JSON.")] = False,
) -> None:
    """Decide from evidence whether Metal may be the default backend, and print every reason against it.

    Without options: says whether a recorded qualification holds.

    \b
    isometal parity --json evidence.json
    isometal gate --evidence evidence.json            decide
    isometal gate --evidence evidence.json --accept   decide and, where it qualifies, make Metal the default here
    isometal gate --forget                            undo that

    \b
    Exit codes: 0 qualified; 3 not qualified; 2 usage.
    """
    from isometal import gate_command

    raise typer.Exit(gate_command.run(evidence, accept=accept, forget=forget, as_json=json))


@app.command(short_help="On a Mac: prove Metal on its GPU, bundle the evidence.")
@expected_errors
def qualify(
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The bundle. Default: isometal-evidence-DEVICE-TIME.zip, here."),
    ] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Where it qualifies, make Metal the default here.")] = False,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Run where nothing can qualify, on whatever Metal device there is.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON; all else goes to stderr.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only failures, summaries and the result.")] = False,
) -> None:
    """Qualify Metal on this Mac: parity on its GPU, a bench against MLX, the gate, and one file of evidence to share.

    Takes some minutes on an idle machine. Where nothing can qualify (a software device, the paravirtual GPU of a
    virtual machine or hosted runner, no MLX) it says so at once and runs nothing.

    \b
    isometal qualify                     run everything, write the bundle, say what to do next
    isometal qualify --accept            and, where it qualifies, make Metal the default on this machine
    isometal gate --forget               undo that
    isometal qualify --rehearse          the same steps on another device, labelled; it never qualifies

    \b
    The bundle holds evidence.json (what ran, on which GPU and macOS, with which kernels), the matrix, the bench's
    ratios, `isometal status` and `devices` as JSON, and the gate's decision. No user name, path or host name is in it.

    \b
    Exit codes: 0 qualified; 3 not qualified, with every reason; 2 usage or environment; 130 Ctrl-C, nothing written.
    """
    from isometal import qualify_command

    options = qualify_command.Options(output=output, accept=accept, rehearse=rehearse, as_json=json, quiet=quiet)
    raise typer.Exit(qualify_command.run(options))


@app.command(short_help="The default backend and why; what is installed.")
@expected_errors
def status(json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Say which backend is the default and why, what can run here, and what is installed."""
    from isometal import status as command

    typer.echo(command.as_json() if json else command.as_text(), nl=False)


@app.command(short_help="The Metal devices here, and which one runs.")
@expected_errors
def devices(json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """List the Metal devices of this machine and build, why the others are missing, and which one runs.

    \b
    isometal devices                                  the one with * runs the kernels
    ISOMETAL_DEVICE=software isometal devices         ask for one; otherwise Apple's GPU if there is one

    \b
    Exit codes: 0 a device runs; 2 usage, or none runs.
    """
    from isometal import devices as command

    facts = command.collect()
    typer.echo(command.as_json(facts) if json else command.as_text(facts), nl=False)
    if facts["chosen"] is None:
        raise BackendError(f"[metal] no Metal device runs here ({facts['reason']}); the list says why.")


@app.command(short_help="The ops, and what each owes.")
@expected_errors
def ops(
    json: Annotated[bool, typer.Option("--json", help="Print as JSON, with dtypes and tolerances.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print as Markdown.")] = False,
) -> None:
    """List the ops: signature, the test kinds each owes, and whether the gate waits for it."""
    from isometal import status as command

    if json and markdown:
        raise IsometalError("[ops] --json and --markdown exclude each other; give one.")
    typer.echo(command.ops_json() if json else command.ops_markdown() if markdown else command.ops_text(), nl=False)


app.add_typer(cli_soft.app, name="soft")


def main() -> None:
    """Entry point of the `isometal` script and of `python -m isometal`."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a mark shows a question mark; it must not end the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="isometal")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader has gone (`isometal parity | head`); the interpreter must not try to flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
