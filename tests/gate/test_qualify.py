"""`isometal qualify`: what it refuses at once, what a rehearsal writes, and what a Mac would get."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import zipfile
from pathlib import Path

import perfect
import pytest
from typer.testing import CliRunner

from isometal import bundle, gate_command, provenance, qualification, qualify_command, selection
from isometal.cli import app
from isometal.errors import IsometalError
from isometal.parity import command as parity
from isometal.parity import evidence as documents
from isometal.parity import gate
from isometal.qualify_command import Options, Scope

PARTS = {
    "README.txt",
    "evidence.json",
    "matrix.md",
    "matrix.svg",
    "bench.json",
    "bench.txt",
    "status.json",
    "devices.json",
    "decision.json",
}
VIRTUAL = {**perfect.APPLE, "kind": "apple-paravirtual", "name": "Apple Paravirtual device"}
SMALL = Scope(ops=("causal_mask",), groups=(("causal_mask", "float32", "small"),))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty current directory and a state of its own."""
    monkeypatch.setenv(qualification.ENVIRONMENT, str(tmp_path / "state"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "here"
    selection.forget_machine_default()


@pytest.fixture
def apple(monkeypatch):
    """A Mac on which parity proves everything. The bench and the rest of the bundle are this machine's."""

    def run(options, command):
        documents.write(options.json, perfect.evidence(command=tuple(command)))
        Path(options.markdown).write_text("matrix\n")
        Path(options.svg).write_text("<svg/>\n")
        return 0

    monkeypatch.setattr(provenance, "kernel_hashes", lambda: dict(perfect.KERNELS))
    monkeypatch.setattr(provenance, "goldens_hash", lambda: perfect.GOLDENS)
    monkeypatch.setattr(gate_command, "metal_device", lambda: perfect.APPLE)
    monkeypatch.setattr(selection, "unavailable", lambda name: None)
    monkeypatch.setattr(parity, "run", run)


def invoke(*arguments):
    return CliRunner().invoke(app, ["qualify", *arguments], catch_exceptions=False)


def contents(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


# -- refusal ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "code", "text"),
    [
        (perfect.SOFTWARE, "device-kind", "a software device, which runs the kernels on the CPU"),
        (VIRTUAL, "device-kind", "the paravirtual GPU of a virtual machine (hosted CI runners have it)"),
        ("[metal] this machine has no Metal device.", "metal-unavailable", "this machine has no Metal device"),
    ],
)
@pytest.mark.parametrize("arguments", [(), ("--accept",)])
def test_other_devices_are_refused_at_once(folder, monkeypatch, device, code, text, arguments):
    monkeypatch.setattr(gate_command, "metal_device", lambda: device)
    monkeypatch.setattr(parity, "run", lambda *_: pytest.fail("it ran"))
    result = invoke(*arguments)
    assert result.exit_code == 3
    assert f"  {code}: " in result.stdout
    assert text in result.stdout
    assert "isometal qualify --rehearse" in result.stdout
    assert list(folder.iterdir()) == []
    assert qualification.current() is None


def test_this_machine_is_refused_if_its_device_is_no_apple_gpu(folder):
    if isinstance(here := gate_command.metal_device(), dict) and here["kind"] == gate.QUALIFYING_DEVICE:
        pytest.skip("this machine has an Apple GPU and may qualify")
    result = invoke("--json")
    assert result.exit_code == 3
    answer = json.loads(result.stdout)
    assert answer["qualified"] is answer["rehearsal"] is False
    assert {reason["code"] for reason in answer["reasons"]} & {"device-kind", "metal-unavailable"}
    assert answer["bundle"] is answer["recorded"] is answer["evidence"] is None
    assert list(folder.iterdir()) == []


def test_a_mac_without_mlx_kernels_and_goldens_hears_of_each(apple, monkeypatch):
    monkeypatch.setattr(selection, "unavailable", lambda name: f"{name} is not installed")
    monkeypatch.setattr(provenance, "kernel_hashes", dict)
    monkeypatch.setattr(provenance, "goldens_hash", lambda: None)
    answer = json.loads(invoke("--json").stdout)
    assert [reason["code"] for reason in answer["reasons"]] == ["reference-unavailable", "no-kernels", "goldens"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (Options(rehearse=True, accept=True), "a rehearsal never qualifies"),
        (Options(rehearse=True), "this machine can qualify"),
        (Options(output=Path("missing/bundle.zip")), "missing/bundle.zip cannot be written"),
        (Options(output=Path()), "cannot be written"),
    ],
)
def test_usage_errors_come_before_anything_runs(apple, monkeypatch, options, text):
    monkeypatch.setattr(parity, "run", lambda *_: pytest.fail("it ran"))
    with pytest.raises(IsometalError, match=text):
        qualify_command.run(options)


def test_there_is_no_rehearsal_without_a_device(monkeypatch):
    monkeypatch.setattr(gate_command, "metal_device", lambda: "[metal] no device.")
    result = invoke("--rehearse")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "isometal: [qualify] no Metal device to rehearse on: [metal] no device.\n"


# -- rehearsal, for real ----------------------------------------------------------------------------------------------


@pytest.fixture
def rehearsal_device():
    device = gate_command.metal_device()
    if isinstance(device, str):
        pytest.skip(f"no Metal device to rehearse on: {device}")
    if device["kind"] == gate.QUALIFYING_DEVICE:
        pytest.skip("this machine can qualify: it refuses to rehearse")
    return device


def test_a_rehearsal_runs_every_step_and_qualifies_nothing(folder, rehearsal_device, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["isometal", "qualify", "--rehearse", "--output", "/home/jane/secret.zip"])
    assert qualify_command.run(Options(rehearse=True, as_json=True), SMALL) == 3
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert answer["rehearsal"] is True
    assert answer["qualified"] is False
    codes = [reason["code"] for reason in answer["reasons"]]
    assert codes[0] == "rehearsal"
    assert {"device-kind", "selection"} <= set(codes)
    assert "Causal Mask" in shown.err
    (path,) = folder.iterdir()
    assert path.name == answer["bundle"]
    assert path.name.startswith("isometal-rehearsal-")
    parts = contents(path)
    assert set(parts) == PARTS == set(answer["contents"])
    assert parts["README.txt"].startswith(b"REHEARSAL, which qualifies nothing. Metal ran on ")
    evidence = documents.loads(parts["evidence.json"])
    assert evidence.command == ("isometal", "qualify", "--rehearse")
    assert evidence.backends["metal"].device["kind"] == rehearsal_device["kind"]
    assert hashlib.sha256(parts["evidence.json"]).hexdigest() == answer["evidence"]
    (row,) = json.loads(parts["bench.json"])["rows"]
    assert row["key"] == "causal_mask-float32-small-metal"
    assert row["figures"]["ratio_to_numpy"]["value"] > 0
    assert json.loads(parts["bench.json"])["wrong"] == {}
    everything = b"".join(parts.values())
    for secret in (b"jane", str(Path.home()).encode() + b"/", str(folder).encode()):
        assert secret not in everything
    assert not (folder.parent / "state").exists()


def test_an_interrupted_run_leaves_nothing(folder, rehearsal_device, capsys, monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(parity.engine, "run", lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        assert qualify_command.run(Options(rehearse=True), SMALL) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().out.endswith("No bundle is written.\n")
    assert list(folder.iterdir()) == []


def test_a_bench_that_is_interrupted_leaves_nothing(folder, apple, monkeypatch):
    monkeypatch.setattr(bundle.bench, "measure", lambda *_: signal.raise_signal(signal.SIGINT))
    result = invoke()
    assert result.exit_code == 130
    assert "interrupted" in result.stderr
    assert list(folder.iterdir()) == []


# -- a Mac ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_bench(monkeypatch):
    monkeypatch.setattr(bundle, "bench_parts", lambda groups, quiet: {"bench.json": b"{}\n", "bench.txt": b"\n"})


def test_a_mac_qualifies_and_is_told_how_to_accept(folder, apple, no_bench):
    result = invoke()
    assert result.exit_code == 0, result.output
    (path,) = folder.iterdir()
    assert path.name.startswith("isometal-evidence-apple-m4-max-")
    assert f"unzip -o {path.name} evidence.json && isometal gate --evidence evidence.json --accept" in result.stdout
    assert qualification.current() is None
    parts = contents(path)
    assert set(parts) == PARTS
    assert b"The gate's decision: qualified." in parts["README.txt"]
    # What the command says to do next works.
    (folder / "evidence.json").write_bytes(parts["evidence.json"])
    gated = CliRunner().invoke(app, ["gate", "--evidence", "evidence.json", "--accept"])
    assert gated.exit_code == 0
    assert qualification.current().evidence == hashlib.sha256(parts["evidence.json"]).hexdigest()


def test_accept_records_what_is_in_the_bundle(folder, apple, no_bench):
    answer = json.loads(invoke("--accept", "--json", "--output", "b.zip").stdout)
    assert answer["qualified"] is True
    assert answer["recorded"] == str(qualification.path())
    assert qualification.current().evidence == answer["evidence"]
    assert hashlib.sha256(contents("b.zip")["evidence.json"]).hexdigest() == answer["evidence"]
    assert qualification.current().device == perfect.APPLE


def test_evidence_that_fails_is_bundled_and_not_recorded(folder, apple, no_bench, monkeypatch):
    def run(options, command):
        cells = tuple(
            perfect.cell(*cell.key, failed=1) if cell.key == ("softmax", "metal", "float16", "R") else cell
            for cell in perfect.evidence().cells
        )
        documents.write(options.json, perfect.evidence(cells=cells))
        Path(options.markdown).write_text("")
        Path(options.svg).write_text("")
        return 1

    monkeypatch.setattr(parity, "run", run)
    result = invoke("--accept")
    assert result.exit_code == 3
    assert "  failed-cell: softmax: float16, kind R: 1 of 4 failed." in result.stdout
    (path,) = folder.iterdir()
    decision = json.loads(contents(path)["decision.json"])
    assert [reason["code"] for reason in decision["reasons"]] == ["failed-cell"]
    assert qualification.current() is None


def test_a_wrong_or_failing_op_costs_the_others_nothing(monkeypatch, capsys):
    measure = bundle.bench.measure

    def faulty(case, size, backends, budget):
        if case.op == "add":
            raise ValueError(f"no such file: {Path.home()}/kernels")
        return measure(case, size, ("cpu",), 0.01)

    monkeypatch.setattr(bundle.bench, "measure", faulty)
    monkeypatch.setattr(bundle, "GATED", "cpu")
    parts = bundle.bench_parts([("add", "float32", "small"), ("negative", "float32", "small")], quiet=True)
    report = json.loads(parts["bench.json"])
    assert report["wrong"] == {"add-float32-small": "ValueError: no such file: ~/kernels"}
    assert [row["key"] for row in report["rows"]] == ["negative-float32-small-cpu"]
    assert b"wrong: add-float32-small" in parts["bench.txt"]
    assert capsys.readouterr().out == ""


def test_the_same_parts_give_the_same_bundle():
    parts = {"a.txt": b"1", "b.txt": b"2"}
    assert bundle.pack(parts) == bundle.pack(parts)
    assert contents(io.BytesIO(bundle.pack(parts))) == parts


def test_the_virtual_gpu_never_qualifies_by_the_gate():
    decision = gate.decide(qualify_command.OPS, perfect.evidence(VIRTUAL), perfect.INSTALLED)
    assert [reason.code for reason in decision.reasons] == ["device-kind"]


def test_help_teaches():
    text = invoke("--help").stdout
    for part in ("--rehearse", "--accept", "isometal qualify --accept", "Exit codes: 0 qualified; 3 not qualified"):
        assert part in text
