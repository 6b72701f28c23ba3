"""`isometal gate` and the release gate as commands: what they print, and their exit codes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import perfect
import pytest
from typer.testing import CliRunner

from isometal import bundle as bundles
from isometal import gate_command, provenance, qualification, selection
from isometal.cli import app
from isometal.parity import evidence as documents


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv(qualification.ENVIRONMENT, str(tmp_path / "state"))
    yield tmp_path
    selection.forget_machine_default()


@pytest.fixture
def apple(state, monkeypatch):
    """A Mac whose kernels are those of the perfect evidence. No machine that runs these tests is one yet."""
    monkeypatch.setattr(provenance, "kernel_hashes", lambda: dict(perfect.KERNELS))
    monkeypatch.setattr(provenance, "goldens_hash", lambda: perfect.GOLDENS)
    monkeypatch.setattr(gate_command, "metal_device", lambda: perfect.APPLE)
    return state


def write(path, evidence):
    documents.write(path, evidence)
    return str(path)


def run(*arguments):
    # Python's own encoding of stdout does not matter here; what is printed is text.
    return CliRunner().invoke(app, ["gate", *arguments], catch_exceptions=False)


def test_qualifying_evidence_exits_0_and_is_not_recorded_unasked(apple):
    result = run("--evidence", write(apple / "e.json", perfect.evidence()))
    assert result.exit_code == 0
    assert "Metal is qualified" in result.stdout
    assert "--accept" in result.stdout
    assert qualification.current() is None


def test_accept_records_and_forget_removes(apple):
    path = write(apple / "e.json", perfect.evidence())
    assert run("--evidence", path, "--accept").exit_code == 0
    found = qualification.current()
    assert found.evidence == hashlib.sha256((apple / "e.json").read_bytes()).hexdigest()
    assert found.device == perfect.APPLE
    assert found.kernels == perfect.KERNELS
    assert run().exit_code == 0
    assert "Apple M4 Max" in run().stdout
    assert run("--forget").stdout == "Removed the recorded qualification.\n"
    assert qualification.current() is None
    assert run("--forget").stdout == "No qualification was recorded.\n"
    assert run().exit_code == 3


@pytest.mark.parametrize("here", [perfect.SOFTWARE, {**perfect.APPLE, "name": "Apple M1"}, "[metal] no kernels to run"])
def test_accept_refuses_on_a_machine_that_is_not_the_one_that_qualified(apple, monkeypatch, here):
    monkeypatch.setattr(gate_command, "metal_device", lambda: here)
    path = write(apple / "e.json", perfect.evidence())
    assert run("--evidence", path).exit_code == 0
    assert run("--evidence", path, "--accept").exit_code == 3
    assert qualification.current() is None


def test_evidence_that_does_not_qualify_is_not_recorded(apple):
    path = write(apple / "e.json", perfect.evidence(perfect.SOFTWARE))
    result = run("--evidence", path, "--accept")
    assert result.exit_code == 3
    assert "device-kind" in result.stdout
    assert not (apple / "state").exists()


def test_a_state_directory_open_to_others_is_an_error_in_one_line(apple):
    (apple / "state").mkdir(mode=0o777)
    (apple / "state").chmod(0o777)
    result = run("--evidence", write(apple / "e.json", perfect.evidence()), "--accept")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "can be written by others" in result.stderr


def test_real_evidence_of_this_version_does_not_qualify(state):
    """Nothing is faked here: no kernels are installed, or none ran on an Apple GPU with those of the evidence."""
    result = run("--evidence", write(state / "e.json", perfect.evidence()), "--json")
    assert result.exit_code == 3
    codes = {reason["code"] for reason in json.loads(result.stdout)["reasons"]}
    assert codes & {"no-kernels", "kernels"}


def test_json_holds_the_decision(apple):
    path = write(apple / "e.json", perfect.evidence())
    answer = json.loads(run("--evidence", path, "--accept", "--json").stdout)
    assert answer["qualified"] is True
    assert answer["reasons"] == []
    assert answer["recorded"] == str(qualification.path())
    assert json.loads(run("--json").stdout)["qualified"] is True
    assert json.loads(run("--forget", "--json").stdout) == {"forgotten": True}
    assert json.loads(run("--json").stdout)["reasons"] == [{"code": "not-recorded", "text": "none recorded"}]


def test_without_options_it_says_what_to_do(state):
    result = run()
    assert result.exit_code == 3
    assert "none recorded" in result.stdout
    assert "isometal gate --evidence evidence.json --accept" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--accept"], ["--forget", "--accept"], ["--forget", "--evidence", "x"], ["--evidence", "missing.json"]],
)
def test_usage_errors_exit_2_with_one_line(state, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("isometal: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 50_000, b"\xff\xfe", b'{"a": NaN}', b"null"])
def test_hostile_evidence_is_refused_not_crashed_on(state, content):
    (state / "e.json").write_bytes(content)
    result = run("--evidence", str(state / "e.json"))
    assert result.exit_code == 3
    assert "malformed" in result.stdout


def test_evidence_that_is_too_large_is_refused(state):
    (state / "e.json").write_bytes(b" " * (documents.MAX_BYTES + 1))
    result = run("--evidence", str(state / "e.json"), "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["reasons"][0]["code"] == "malformed"


def test_text_from_evidence_cannot_drive_the_terminal(apple):
    device = {**perfect.APPLE, "kind": "\x1b[2Jsoft\nware"}
    path = write(apple / "e.json", perfect.evidence(device))
    result = run("--evidence", path)
    assert result.exit_code == 3
    assert "\x1b" not in result.stdout
    assert sum("device-kind" in line for line in result.stdout.splitlines()) == 1


def test_many_reasons_of_one_kind_are_counted_not_listed(apple):
    evidence = perfect.evidence(cells=(), attention_block=())
    result = run("--evidence", write(apple / "e.json", evidence))
    assert result.exit_code == 3
    assert "missing-row: and 6 more (--json lists all)" in result.stdout


# -- the zip of `isometal qualify` ------------------------------------------------------------------------------------


def bundle(path, evidence, *, name="evidence.json"):
    path.write_bytes(bundles.pack({"matrix.md": b"", name: evidence}))
    return str(path)


def test_a_bundle_is_its_evidence(apple):
    data = Path(write(apple / "e.json", perfect.evidence())).read_bytes()
    result = run("--evidence", bundle(apple / "e.zip", data), "--accept")
    assert result.exit_code == 0
    assert qualification.current().evidence == hashlib.sha256(data).hexdigest()
    assert release(str(apple / "e.zip")).stdout == release(str(apple / "e.json")).stdout.replace("e.json", "e.zip")


def test_damaged_bundles_are_refused(apple):
    data = Path(write(apple / "e.json", perfect.evidence())).read_bytes()
    whole = bundles.pack({"evidence.json": data})
    # Bit 0 of the flags, in the header of the file and in the directory, says that it is encrypted.
    encrypted = bytearray(whole)
    encrypted[6] |= 1
    encrypted[whole.index(b"PK\x01\x02") + 8] |= 1
    damaged = {
        "cut off": whole[: len(whole) // 2],
        "another byte": whole[:90] + bytes([whole[90] ^ 0xFF]) + whole[91:],
        "encrypted": bytes(encrypted),
    }
    for what, content in damaged.items():
        (apple / "e.zip").write_bytes(content)
        result = run("--evidence", str(apple / "e.zip"))
        assert (what, result.exit_code) == (what, 3)
        assert "malformed" in result.stdout


def test_a_bundle_without_evidence_or_with_too_much_is_refused(apple):
    assert "the zip holds no evidence.json" in run("--evidence", bundle(apple / "e.zip", b"{}", name="other")).stdout
    result = run("--evidence", bundle(apple / "e.zip", bytes(documents.MAX_BYTES + 1)))
    assert result.exit_code == 3
    assert "larger than" in result.stdout


# -- the release gate, for build scripts -----------------------------------------------------------------------------


def release(*arguments):
    command = [sys.executable, "-m", "isometal.parity.release_gate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_release_gate_refuses_what_does_not_qualify(tmp_path):
    result = release(write(tmp_path / "e.json", perfect.evidence(perfect.SOFTWARE)))
    assert result.returncode == 3
    assert "refused  device-kind: " in result.stdout
    assert "Metal is not qualified" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--help"], ["missing.json"]])
def test_the_release_gate_exits_2_on_usage_errors(arguments):
    result = release(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_the_release_gate_refuses_hostile_documents(tmp_path):
    (tmp_path / "e.json").write_bytes(b"[" * 100_000)
    result = release(str(tmp_path / "e.json"))
    assert result.returncode == 3
    assert "malformed" in result.stdout


def test_the_release_gate_passes_qualifying_evidence(apple, capsys):
    from isometal.parity import release_gate

    assert release_gate.main([write(apple / "e.json", perfect.evidence())]) == 0
    assert "Metal is qualified" in capsys.readouterr().out


def test_the_release_gate_needs_little(tmp_path):
    """A build environment has no built extension, no MLX and none of the packages of the command line."""
    path = write(tmp_path / "e.json", perfect.evidence())
    code = (
        "import sys\n"
        "for name in ('typer', 'rich', 'hypothesis', 'mlx', 'safetensors', 'platformdirs', 'isometal._core'):\n"
        "    sys.modules[name] = None\n"
        "from isometal.parity.release_gate import main\n"
        f"sys.exit(main([{path!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 3, done.stderr
