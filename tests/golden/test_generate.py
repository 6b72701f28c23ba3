"""goldens/generate.py as its users call it: in a process, by its exit code and what it prints."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from isometal.parity import golden
from isometal.parity.golden_files import MANIFEST, read_manifest

SCRIPT = Path(__file__).resolve().parents[2] / "goldens" / "generate.py"

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="generate.py runs in a checkout of isometal")


def generate(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    env = {**os.environ, "COLUMNS": "200", "PYTHONPATH": str(SCRIPT.parents[1] / "python"), **environment}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=300, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "goldens"
    copy.mkdir()
    for path in (*golden.directory().glob("*.safetensors"), golden.directory() / MANIFEST):
        shutil.copy(path, copy)
    return copy


def needs_the_same_mlx() -> None:
    """Skip, with the difference written out, where these goldens cannot be made again."""
    recorded = read_manifest(golden.directory()).provenance
    try:
        here = metadata.version("mlx")
    except metadata.PackageNotFoundError:
        pytest.skip("MLX is not installed; goldens cannot be made again")
    pairs = {
        "mlx": (here, recorded["mlx"]["version"]),
        "numpy": (metadata.version("numpy"), recorded["numpy"]),
        "ml_dtypes": (metadata.version("ml_dtypes"), recorded["ml_dtypes"]),
        "safetensors": (metadata.version("safetensors"), recorded["safetensors"]),
        "system": (platform.system(), recorded["platform"]["system"]),
        "machine": (platform.machine(), recorded["platform"]["machine"]),
        "C library": (" ".join(platform.libc_ver()).strip(), recorded["platform"]["c_library"]),
    }
    if differing := {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}:
        pytest.skip(f"not the environment that made the goldens (here, recorded): {differing}")


def test_check_passes_on_the_committed_files():
    done = generate("--check")
    assert done.returncode == 0, done.stderr
    assert "21 files" in done.stdout


def test_check_needs_no_mlx(tmp_path):
    (tmp_path / "mlx").mkdir()
    (tmp_path / "mlx" / "__init__.py").write_text("raise ImportError('mlx was imported')\n")
    path = os.pathsep.join([str(tmp_path), str(SCRIPT.parents[1] / "python")])
    done = generate("--check", PYTHONPATH=path)
    assert done.returncode == 0, done.stderr


def test_check_fails_on_a_changed_copy_and_names_the_file(folder):
    path = folder / "gelu.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 0x80
    path.write_bytes(data)
    (folder / "add.safetensors").unlink()
    done = generate("--check", "--out", folder)
    assert done.returncode == 1
    assert f"{path} was changed" in done.stderr
    assert f"{folder / 'add.safetensors'} is missing" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_of_an_empty_folder(tmp_path):
    done = generate("--check", "--out", tmp_path)
    assert done.returncode == 1
    assert MANIFEST in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--op", "soft"], "names no golden"),
        (["--regenerate"], "goes with --check"),
        (["--check", "--op", "add"], "looks at the whole folder"),
        (["--nonsense"], "No such option"),
    ],
)
def test_usage_errors(arguments, says):
    done = generate(*arguments)
    assert done.returncode == 2
    assert says in done.stderr


def test_help_teaches():
    done = generate("--help")
    assert done.returncode == 0
    for word in ("--check", "--regenerate", "--out", "--op", "scaled_dot_product_attention", "Exit codes"):
        assert word in done.stdout


def test_bit_for_bit_in_a_fresh_folder(tmp_path):
    needs_the_same_mlx()
    ops = ("softmax", "causal_mask", "attention_block")
    done = generate("--out", tmp_path, *(part for op in ops for part in ("--op", op)), PYTHONHASHSEED="3")
    assert done.returncode == 0, done.stderr
    for op in ops:
        name = f"{op}.safetensors"
        assert (tmp_path / name).read_bytes() == (golden.directory() / name).read_bytes(), name
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*(f"{op}.safetensors" for op in ops), MANIFEST])


def test_check_regenerate_compares_bit_for_bit(folder):
    needs_the_same_mlx()
    assert generate("--check", "--regenerate", "--op", "rms_norm", "--out", folder).returncode == 0
    # A file that is whole in itself, but is not what MLX says: one bit of an output, blessed in the manifest.
    import hashlib

    path = folder / "rms_norm.safetensors"
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][path.name]["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert generate("--check", "--out", folder).returncode == 0
    done = generate("--check", "--regenerate", "--op", "rms_norm", "--out", folder)
    assert done.returncode == 1
    assert "is not what MLX gives now" in done.stderr
    assert f"first difference at byte {len(data) - 2}" in done.stderr


def test_another_origin_is_said_and_not_compared(folder):
    pytest.importorskip("mlx.core", reason="MLX is not installed; there is nothing to compare with")
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["mlx"]["version"] = "0.1.0"
    (folder / MANIFEST).write_text(json.dumps(manifest))
    for arguments in (("--check", "--regenerate"), ("--op", "add")):
        done = generate(*arguments, "--out", folder)
        assert done.returncode == 2
        assert '"version": "0.1.0"' in done.stderr
        assert "in the manifest" in done.stderr


def test_ctrl_c_leaves_nothing_half_written(folder):
    pytest.importorskip("mlx.core", reason="MLX is not installed; goldens cannot be made")
    env = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[1] / "python"), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "--out", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - start < 30
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    assert generate("--check", "--out", folder).returncode == 0
