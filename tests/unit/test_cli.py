"""The command line as a user meets it: what it prints where, its exit codes, Ctrl-C, and what it never writes."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from isometal import _core, selection
from isometal.cli import app
from isometal.optable import KINDS, OPS
from isometal.parity import evidence as documents
from isometal.parity.model import DEFAULT_SEED

#: One op, one backend, one kind: a run of milliseconds.
QUICK = ("parity", "--op", "add", "--backend", "cpu", "--kind", "U")
#: Exit code of a run that passes: without MLX its column, and kind R of the others, are due and cannot run.
DUE_EXIT = 0 if selection.unavailable("mlx") is None else 2
WITHOUT_LLVM = "import sys; sys.modules['llvmlite'] = None; from isometal.cli import main; main()"
needs_soft = pytest.mark.skipif(
    not hasattr(_core, "SoftKernel"), reason="the software device is for machines without an Apple GPU"
)
WITHOUT_MLX = "import sys; sys.modules['mlx'] = sys.modules['mlx.core'] = None; from isometal.cli import main; main()"


def isometal(*arguments, code=None, cwd=None, **environment):
    """A real process; stdout and stderr apart."""
    start = [sys.executable, "-c", code] if code else [sys.executable, "-m", "isometal"]
    return subprocess.run(
        [*start, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
    )


def run(*arguments):
    """The same in this process, so that a test can plant a fault."""
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


# -- parity: exit codes -----------------------------------------------------------------------------------------------


def test_a_run_that_proves_what_was_due_exits_0():
    result = isometal(*QUICK)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].endswith(f"seed {DEFAULT_SEED}, profile ci")
    assert any(line.startswith("[ 1/1] Add: ") and line.endswith(" passed") for line in lines)
    assert re.fullmatch(
        r"\d+ passed, 0 failed, 0 not run in [\d.]+ s; proved: CPU 0/20, FFI 0/20, Metal 0/20", lines[-1]
    )
    assert result.stderr == ""


def test_a_partial_run_says_what_it_left_out_instead_of_green():
    result = run(*QUICK)
    assert "⬜ CPU: kind R not selected (Add)" in result.stdout
    assert "✅" not in re.sub("✅ (Required|proved)", "", result.stdout)


def test_a_fault_exits_1_and_tells_how_to_run_it_again(monkeypatch, tmp_path):
    backend = selection.get("cpu")
    monkeypatch.setattr(type(backend), "negative", lambda self, x: x)
    arguments = ("parity", "--op", "negative", "--backend", "cpu", "--kind", "U,R", "--dtype", "float32", "--seed", "7")
    result = run(*arguments, "--json", str(tmp_path / "e.json"))
    assert result.exit_code == 1
    found = documents.read(tmp_path / "e.json")
    failures = [failure for cell in found.cells for failure in cell.failures]
    assert failures
    again = f"again: isometal parity --only {failures[0].id} --seed 7"
    assert again in result.stdout
    assert "❌ CPU: float32 U: " in result.stdout
    # The printed command runs that check, and no other backend, kind or dtype.
    alone = run(*again.removeprefix("again: isometal ").split(), "--json", "-")
    assert alone.exit_code == 1
    assert {cell["failed"] > 0 for cell in json.loads(alone.stdout)["cells"]} == {True}


def test_without_mlx_the_due_cells_could_not_run():
    result = isometal("parity", "--op", "add", "--kind", "U", code=WITHOUT_MLX)
    assert result.returncode == 2
    assert "FFI    not run: [mlx] MLX is not installed" in result.stdout
    assert "due, yet could not run: add on mlx: [mlx] MLX is not installed" in result.stdout
    assert re.search(r"\d+ passed, 0 failed", result.stdout)


def test_without_mlx_the_cpu_alone_can_still_be_asked_for():
    result = isometal(*QUICK, code=WITHOUT_MLX)
    assert result.returncode == 0, result.stdout


@needs_soft
def test_metal_without_its_compiler_is_shown_with_its_reason_and_not_due():
    result = isometal("parity", "--op", "add", "--kind", "U", code=WITHOUT_LLVM)
    assert result.returncode == DUE_EXIT
    assert "Metal: [metal] the software Metal device needs llvmlite; pip install 'isometal[soft]'." in result.stdout


@needs_soft
def test_metal_without_its_compiler_cannot_be_asked_for():
    result = isometal("parity", "--op", "add", "--kind", "U", "--backend", "metal", code=WITHOUT_LLVM)
    assert result.returncode == 2
    assert "[metal] the software Metal device needs llvmlite;" in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--backend", "gpu"), "'gpu' names no backend; choose from cpu, mlx, metal."),
        (("--op", "sofmax"), "'sofmax' names no op; did you mean softmax?"),
        (("--op", "add,nothing"), "'nothing' names no op;"),
        (("--kind", "X"), "'X' names no kind;"),
        (("--dtype", "float31"), "did you mean float32? choose from"),
        (("--profile", "quick"), "'quick' names no profile;"),
        (("--op", "matmul", "--dtype", "int32", "--kind", "U"), "no check fits the options"),
        (("--op", "add", "--kind", "U", "--only", "no such check"), "no check has 'no such check' in its id"),
        (("--json", "missing/e.json"), "does not exist"),
        (("--svg", "/"), "cannot be written"),
        (("--json", "-", "--markdown", "-"), "--json and --markdown both go to -"),
    ],
)
def test_usage_errors_exit_2_with_one_line_on_stderr(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("parity", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert result.stderr.startswith("isometal: [parity] ")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_backend_that_was_asked_for_and_cannot_run_is_an_error():
    result = isometal("parity", "--backend", "mlx", code=WITHOUT_MLX)
    assert result.returncode == 2
    assert result.stderr.startswith("isometal: [parity] the backend mlx cannot run here: [mlx] MLX is not installed")


@pytest.mark.parametrize("arguments", [("--seed", "-1"), ("--seed", "x"), ("--nonsense",)])
def test_the_parser_refuses_with_2(arguments):
    assert run("parity", *arguments).exit_code == 2


def test_names_may_be_labels_kinds_in_words_repeated_and_in_any_case(tmp_path):
    path = str(tmp_path / "e.json")
    asked = ("--op", "RMSNorm", "--op", "add,ADD", "--kind", "unit", "--backend", "cpu", "--dtype", "Float32")
    assert run("parity", *asked, "--json", path).exit_code == 0
    chosen = documents.read(path).selection
    assert (chosen.ops, chosen.kinds, chosen.backends) == (("add", "rms_norm"), ("U",), ("cpu",))
    assert chosen.dtypes == ("float32",)


# -- parity: what is written ------------------------------------------------------------------------------------------


def test_json_on_stdout_is_alone_there_and_valid():
    result = isometal(*QUICK, "--json", "-")
    assert result.returncode == 0
    found = documents.loads(result.stdout)
    assert found.complete
    assert found.seed == DEFAULT_SEED
    assert found.command[:4] == ("isometal", *QUICK[:3])
    assert {cell.kind for cell in found.cells} == {"U"}
    assert all(cell.cases == cell.passed > 0 for cell in found.cells)
    assert "Op Category" in result.stderr, "the matrix goes to stderr"


def test_markdown_has_the_columns_and_one_row_per_op():
    result = isometal(*QUICK, "--markdown", "-")
    lines = result.stdout.splitlines()
    assert lines[0] == "| Op Category | Operation | CPU | FFI | Metal | Required Tests | Default Gate |"
    rows = [line.split(" | ") for line in lines[2 : 2 + len(OPS)]]
    assert [row[1] for row in rows] == [op.label for op in OPS.values()]
    assert all(len(row) == 7 for row in rows)


def test_files_are_written_together_and_nothing_else_is_left(tmp_path):
    paths = {name: tmp_path / f"m.{name}" for name in ("json", "markdown", "svg")}
    result = run(*QUICK, *(word for name, path in paths.items() for word in (f"--{name}", str(path))))
    assert result.exit_code == 0
    assert sorted(tmp_path.iterdir()) == sorted(paths.values())
    documents.read(paths["json"])
    ElementTree.fromstring(paths["svg"].read_text(encoding="utf-8"))


def test_quiet_prints_the_summary_only():
    result = run(*QUICK, "--quiet")
    assert len(result.stdout.splitlines()) == 1
    assert " passed, 0 failed" in result.stdout


# -- parity: on a terminal, interrupted -------------------------------------------------------------------------------


def test_a_terminal_sees_progress():
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "isometal", *QUICK[:-2], "--kind", "U,R"]
    process = subprocess.Popen(command, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    seen = b""
    try:
        while chunk := os.read(master, 65536):
            seen += chunk
    except OSError:
        pass  # Linux reports the end of a pty as an I/O error.
    finally:
        os.close(master)
    assert process.wait(timeout=60) == DUE_EXIT
    text = seen.decode()
    assert re.search(r"add float\d+ cpu [UR]", text), "the current cell"
    assert re.search(r"\d+/\d+", text), "how far it is"
    assert "\x1b[?25h" in text, "the cursor is shown again"


@pytest.mark.parametrize("outputs", [("--json", "e.json", "--svg", "m.svg"), ("--json", "-")])
def test_ctrl_c_prints_the_matrix_so_far_and_leaves_no_half_written_file(tmp_path, outputs):
    (tmp_path / "e.json").write_text("the evidence of an earlier run")
    command = [sys.executable, "-m", "isometal", "parity", "--backend", "cpu", "--kind", "U,R", "--profile", "deep"]
    process = subprocess.Popen(
        [*command, *outputs],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"},
    )
    people = process.stderr if "-" in outputs else process.stdout
    try:
        head = ""
        while not re.search(r"^\[ 1/20\]", head, re.MULTILINE):
            line = people.readline()
            assert line, "the run ended before it could be interrupted"
            head += line
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, stderr
    shown = stderr if "-" in outputs else stdout
    assert "Op Category" in shown
    assert "interrupted before it ran" in shown
    assert shown.splitlines()[-1].startswith("interrupted; not written: ")
    assert "Traceback" not in stdout + stderr
    if "-" in outputs:
        assert stdout == ""
    assert (tmp_path / "e.json").read_text() == "the evidence of an earlier run"
    assert [entry.name for entry in tmp_path.iterdir()] == ["e.json"]


def test_a_reader_that_goes_away_is_no_traceback():
    process = subprocess.Popen(
        [sys.executable, "-m", "isometal", "ops", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    errors = process.stderr.read()
    process.wait(timeout=60)
    process.stderr.close()
    assert errors == b""


# -- the other commands -----------------------------------------------------------------------------------------------


def test_version_and_module_entry():
    from isometal import __version__

    assert isometal("--version").stdout == f"isometal {__version__}\n"


def test_help_teaches_by_example_and_loads_little():
    code = (
        "import sys\n"
        "from isometal.cli import app\n"
        "try: app(['parity', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'mlx', 'hypothesis', 'jsonschema', 'safetensors', 'rich', 'isometal.parity'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    result = isometal(code=code)
    assert result.returncode == 0, result.stderr
    assert "isometal parity --op matmul --dtype float16" in result.stdout
    assert "Exit codes: 0 everything due is proved; 1 something failed; 2 usage" in result.stdout
    for option in ("backend", "op", "kind", "dtype", "only", "seed", "profile", "json", "markdown", "svg", "quiet"):
        assert f"--{option}" in result.stdout


def test_status_tells_the_default_and_why():
    result = isometal("status", ISOMETAL_BACKEND="cpu")
    assert result.returncode == 0, result.stderr
    assert "default backend  cpu: the environment variable ISOMETAL_BACKEND" in result.stdout
    facts = json.loads(isometal("status", "--json", ISOMETAL_BACKEND="cpu").stdout)
    assert facts["default"]["backend"] == "cpu"
    assert facts["backends"]["cpu"]["available"] is True
    assert set(facts["backends"]) == {"cpu", "mlx", "metal"}
    assert facts["qualification"]["holds"] is False
    assert facts["versions"]["numpy"]


def test_status_with_a_wrong_environment_is_one_line():
    result = isometal("status", ISOMETAL_BACKEND="gpu")
    assert result.returncode == 2
    assert (
        result.stderr == "isometal: [backend] ISOMETAL_BACKEND='gpu' names no backend; choose one of cpu, mlx, metal.\n"
    )


def test_devices_lists_what_runs_and_why_the_others_do_not():
    pytest.importorskip("llvmlite", reason="the software device compiles kernels with llvmlite, which is not installed")
    result = isometal("devices", "--json", ISOMETAL_SOFT_THREADS="3")
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert set(facts["devices"]) == {"apple-gpu", "apple-paravirtual", "software"}
    here = facts["devices"].pop(facts["chosen"])
    assert here["available"] is True
    assert here["name"]
    assert here["family"]
    assert here["memory_bytes"] > 0
    assert (here["software"], here["threads"]) == ((True, 3) if facts["chosen"] == "software" else (False, None))
    for other in facts["devices"].values():
        assert other["available"] is False
        assert re.match("this build of isometal is for |the Metal device of this machine is ", other["reason"])


def test_devices_never_calls_software_a_gpu():
    pytest.importorskip("llvmlite", reason="the software device compiles kernels with llvmlite, which is not installed")
    text = isometal("devices").stdout
    if "* software " in text:
        assert re.search(r"^\* software +isometal software Metal device \(CPU ", text, re.M)
        assert re.search(r"software: kernels run on the CPU, on \d+ threads$", text, re.M)
        assert re.search(r"^  apple-gpu +not available: ", text, re.M)
        assert re.search(r"^  apple-paravirtual +not available: ", text, re.M)
    assert text.splitlines()[-1].endswith("(Apple's GPU where there is one, else the software device)")


@pytest.mark.parametrize("arguments", [(), ("info", "k.metal"), ("run", "k.metal", "--grid", "1"), ("cache",)])
def test_soft_says_where_the_software_device_is_not(monkeypatch, arguments):
    # As in a wheel for macOS.
    monkeypatch.setattr("isometal._core", SimpleNamespace(build_info=_core.build_info))
    monkeypatch.setitem(sys.modules, "isometal.soft", None)
    result = run("soft", *arguments)
    assert result.exit_code == 2
    assert result.stderr == (
        f"isometal: [soft] this build of isometal is for {_core.build_info()['platform']}; "
        "the software Metal device is in those for machines without an Apple GPU.\n"
    )


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_devices_with_a_device_that_is_not_here_exits_2(arguments):
    absent = json.loads(isometal("devices", "--json").stdout)
    kind = next(kind for kind, device in absent["devices"].items() if not device["available"])
    result = isometal("devices", *arguments, ISOMETAL_DEVICE=kind)
    assert result.returncode == 2
    assert (
        result.stderr == f"isometal: [metal] no Metal device runs here (ISOMETAL_DEVICE={kind}); the list says why.\n"
    )
    if arguments:
        assert json.loads(result.stdout)["chosen"] is None
    else:
        assert f"chosen: none (ISOMETAL_DEVICE={kind})" in result.stdout


def test_devices_with_an_unknown_device_is_one_line():
    result = isometal("devices", ISOMETAL_DEVICE="gpu")
    assert (result.returncode, result.stdout) == (2, "")
    text = "[metal] ISOMETAL_DEVICE='gpu' names no device; choose one of apple-gpu, apple-paravirtual, software."
    assert result.stderr == f"isometal: {text}\n"


@needs_soft
def test_devices_says_what_keeps_the_software_device_from_running():
    result = isometal("devices", code=WITHOUT_LLVM)
    assert result.returncode == 2
    assert "software          not available: the software Metal device needs llvmlite; pip install" in result.stdout


def test_ops_lists_the_table():
    assert [row["name"] for row in json.loads(run("ops", "--json").stdout)] == list(OPS)
    text = run("ops").stdout
    assert all(f"{op.name}{op.signature}" in text for op in OPS.values())
    assert all(f"{kind}  {meaning}" in text for kind, meaning in KINDS.items())
    markdown = run("ops", "--markdown").stdout.splitlines()
    assert len(markdown) == 2 + len(OPS)
    assert run("ops", "--json", "--markdown").exit_code == 2
