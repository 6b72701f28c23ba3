"""Golden files that are missing, changed or hostile: each is a GoldenError that names the file, never a skip."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from isometal.optable import FLOATING, OPS, PROOF_DTYPES
from isometal.parity import attention_block, golden, golden_files
from isometal.parity.golden_files import BLOCK, GoldenError, file_name, names

OP = "softmax"
NAME = file_name(OP)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the goldens that a test may spoil."""
    copy = tmp_path / "goldens"
    shutil.copytree(golden.directory(), copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def edit_manifest(folder: Path, change: Callable[[dict], object]) -> None:
    path = folder / golden_files.MANIFEST
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def replace_file(folder: Path, data: bytes) -> None:
    """Put ``data`` in place of the file and bless it in the manifest: what is left to stop it is the parser."""
    (folder / NAME).write_bytes(data)
    blessing = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    edit_manifest(folder, lambda m: m["files"][NAME].update(blessing))


def file_with_header(header: object, payload: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + payload


def listing(**change: object) -> dict[str, str]:
    """A safetensors __metadata__ entry with one case of softmax whose tensor is t."""
    case = {"dtype": "float32", "name": "x", "inputs": [{"array": "t"}], "params": {}, "outputs": {"result": "t"}}
    content = {"format": 1, "op": OP, "cases": [case], **change}
    return {"isometal": json.dumps(content)}


T = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def test_committed_goldens_are_whole():
    assert golden_files.verify() == []


@pytest.mark.parametrize("op", names())
def test_every_row_of_the_op_table_has_cases_of_every_dtype(op):
    cases = golden.load(op)
    dtypes = OPS[op].dtypes if op in OPS else FLOATING
    assert {case.dtype for case in cases} == set(dtypes)
    assert set(PROOF_DTYPES) <= set(dtypes)
    assert all(not array.flags.writeable for case in cases for array in case.outputs.values())


def test_values_and_dtypes_survive_the_file():
    cases = {(case.dtype, case.name): case for case in golden.load("add")}
    zero_d = cases["bfloat16", "0d"]
    assert zero_d.result.dtype == ml_dtypes.bfloat16
    assert zero_d.result.shape == ()
    assert cases["uint32", "wraparound"].inputs[0].dtype == np.uint32
    assert cases["bool", "odd"].result.dtype == np.bool_
    assert cases["float32", "python-scalar"].inputs[1] == 1.1
    assert cases["float16", "empty"].result.shape == (0, 3)
    axes = {case.name: case.params for case in golden.load("sum")}["axes"]
    assert axes["axis"] == (0, -2)


def test_goldens_of_the_block_cover_prefill_chunk_and_decode():
    for case in golden.load(BLOCK):
        lengths = [x.shape[1] for x in case.inputs]
        assert lengths[0] > 1
        assert lengths.count(1) >= 2
        assert lengths[0] % 2 == 1
    shapes = [(c.params["heads"], c.params["kv_heads"], c.inputs[0].shape[0]) for c in golden.load(BLOCK)]
    assert (8, 2, 2) in shapes


def spoil_one_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-7] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def make_it_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoil_one_byte, "was changed: its SHA-256 is"),
        (truncate, r"has \d+ bytes; the manifest says \d+"),
        (lengthen, r"has more than \d+ bytes; the manifest says \d+"),
        (Path.unlink, "is missing"),
        (make_it_a_folder, "cannot be read"),
    ],
)
def test_a_spoiled_file_is_an_error_that_names_it(folder, spoil, says):
    spoil(folder / NAME)
    with pytest.raises(GoldenError, match=says) as caught:
        golden.load(OP, folder)
    assert str(folder / NAME) in str(caught.value)
    (problem,) = golden_files.verify(folder)
    assert problem == str(caught.value)
    golden.load("add", folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m["files"][NAME].update(sha256="0" * 64), "was changed"),
        (lambda m: m["files"][NAME].update(sha256="00"), "needs sha256"),
        (lambda m: m["files"][NAME].update(size=-1), "has more than"),
        (lambda m: m["files"][NAME].update(size=True), "needs sha256"),
        (lambda m: m["files"][NAME].update(cases={"float32": 0}), "needs sha256"),
        (lambda m: m["files"][NAME].update(cases={"float32": 1}), "cases per dtype"),
        (lambda m: m["files"].update({NAME: None}), "needs sha256"),
        (lambda m: m["files"].pop(NAME), "does not list softmax"),
        (lambda m: m.update(files={}), "lists no files"),
        (lambda m: m.update(format=2), "the format is 2"),
        (lambda m: m.pop("mlx"), "provenance field 'mlx'"),
        (lambda m: m.update(mlx={"packages": {}}), "mlx.version is missing"),
        (lambda m: m.update(seed="1"), "provenance field 'seed'"),
        (lambda m: m.update(command=""), "provenance field 'command'"),
        (lambda m: m["files"].update({"../softmax.safetensors": m["files"][NAME]}), "is not the name of a golden file"),
        (lambda m: m["files"].update({"/etc/passwd": m["files"][NAME]}), "is not the name of a golden file"),
        (lambda m: m["files"].update({"other.safetensors": m["files"][NAME]}), "is not the name of a golden file"),
    ],
)
def test_a_wrong_manifest_is_an_error_that_names_it(folder, change, says):
    edit_manifest(folder, change)
    with pytest.raises(GoldenError, match=says) as caught:
        golden.load(OP, folder)
    assert str(folder) in str(caught.value)
    assert golden_files.verify(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\xff"])
def test_a_manifest_that_is_not_ours(folder, text):
    (folder / golden_files.MANIFEST).write_text(text, encoding="latin-1")
    with pytest.raises(GoldenError, match=r"manifest\.json"):
        golden.load(OP, folder)


def test_no_manifest(folder):
    (folder / golden_files.MANIFEST).unlink()
    with pytest.raises(GoldenError, match=r"manifest\.json is missing"):
        golden.load(OP, folder)


@pytest.mark.parametrize("op", ["../manifest", "Softmax", "", "matmul/../add"])
def test_a_name_that_is_no_op(op):
    with pytest.raises(GoldenError, match="no golden file is named"):
        golden.load(op)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 7,
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 10**6) + b"{}",
        file_with_header(b"not json"),
        file_with_header(b"[" * 200_000),
        file_with_header({"t": {**T, "data_offsets": [0, 2**40]}}, b"\0" * 4),
        file_with_header({"t": {**T, "data_offsets": [4, 0]}}, b"\0" * 4),
        file_with_header({"t": {**T, "shape": [2**62, 4]}}, b"\0" * 4),
        file_with_header({"t": T, "u": T}, b"\0" * 4),
        file_with_header({"t": {**T, "dtype": "F99"}}, b"\0" * 4),
        file_with_header({"t": {**T, "dtype": "I8", "shape": [4]}, "__metadata__": listing()}, b"\0" * 4),
        file_with_header({"t": T}, b"\0" * 4),
        file_with_header({"t": T, "__metadata__": {"isometal": "{"}}, b"\0" * 4),
        file_with_header({"t": T, "__metadata__": {"isometal": "[]"}}, b"\0" * 4),
        file_with_header({"t": T, "__metadata__": listing(op="add")}, b"\0" * 4),
        file_with_header({"t": T, "__metadata__": listing(format=0)}, b"\0" * 4),
        file_with_header({"t": T, "__metadata__": listing(cases=[{"dtype": "float32"}])}, b"\0" * 4),
        file_with_header({"u": T, "__metadata__": listing()}, b"\0" * 4),
    ],
)
def test_a_hostile_file_that_the_manifest_blesses(folder, data):
    replace_file(folder, data)
    with pytest.raises(GoldenError, match=r"softmax\.safetensors"):
        golden.load(OP, folder)


def test_two_cases_of_one_name(folder):
    case = json.loads(listing()["isometal"])["cases"][0]
    replace_file(folder, file_with_header({"t": T, "__metadata__": listing(cases=[case, case])}, b"\0" * 4))
    with pytest.raises(GoldenError, match="two cases of one dtype and name"):
        golden.load(OP, folder)


def test_a_file_that_the_manifest_does_not_list(folder):
    shutil.copy(folder / NAME, folder / "extra.safetensors")
    (problem,) = golden_files.verify(folder)
    assert str(folder / "extra.safetensors") in problem
    assert "is not in the manifest" in problem


def test_a_dtype_without_cases_is_a_problem(folder):
    only = json.loads(listing()["isometal"])["cases"]
    replace_file(folder, file_with_header({"t": T, "__metadata__": listing(cases=only)}, b"\0" * 4))
    edit_manifest(folder, lambda m: m["files"][NAME].update(cases={"float32": 1}))
    (problem,) = golden_files.verify(folder)
    assert "has no cases of float16, bfloat16" in problem


@pytest.mark.parametrize(
    "checks", [lambda: golden.checks(OP, "float16", "cpu"), lambda: attention_block.checks("float16", "cpu")]
)
def test_a_spoiled_golden_is_a_check_that_fails(folder, monkeypatch, checks):
    for name in (NAME, file_name(BLOCK)):
        spoil_one_byte(folder / name)
    monkeypatch.setattr(golden_files, "directory", lambda: folder)
    (check,) = checks()
    with pytest.raises(GoldenError, match="was changed"):
        check.run()


def test_zero_cases_is_a_check_that_fails(monkeypatch):
    monkeypatch.setattr(golden, "load", lambda op: [])
    (check,) = golden.checks(OP, "float32", "cpu")
    with pytest.raises(GoldenError, match="holds no float32 case of softmax"):
        check.run()


def test_an_installed_package_finds_the_goldens_inside_it(tmp_path, folder):
    """A wheel carries the goldens as isometal/goldens: no checkout is near."""
    package = Path(golden_files.__file__).resolve().parents[1]
    shutil.copytree(package, tmp_path / "isometal", ignore=shutil.ignore_patterns("__pycache__", "goldens"))
    folder.rename(tmp_path / "isometal" / "goldens")
    script = (
        # An editable install answers before the path does.
        "import sys; sys.meta_path = [f for f in sys.meta_path if 'Redirecting' not in type(f).__name__]\n"
        "from isometal.parity import golden; print(golden.directory()); assert not golden.verify(); "
        "assert {c.run().status for c in golden.checks('rms_norm', 'bfloat16', 'cpu')} == {'passed'}"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == (tmp_path / "isometal" / "goldens").resolve()
