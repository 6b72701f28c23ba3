"""The C++ of the page "Port this to your project" (docs/port.md) builds against the drop-in and runs on the device."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PORT = ROOT / "docs" / "examples" / "port"


def run(*command: str | Path, **environment: str) -> None:
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_host_code_in_cpp_builds_and_runs(tmp_path: Path) -> None:
    for tool in ("cmake", "ninja", "c++"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    paths = [f"-DISOMETAL_SOURCE_DIR={ROOT}", f"-DPython_EXECUTABLE={sys.executable}"]
    run("cmake", "-S", PORT / "cpp", "-B", tmp_path, "-G", "Ninja", *paths)
    run("cmake", "--build", tmp_path)
    test = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(PORT), str(PORT / "cpp" / "test_host.py"))
    for mode in ("fast", "shuffled"):
        run(sys.executable, *test, PYTHONPATH=str(tmp_path), ISOMETAL_SOFT_MODE=mode, ISOMETAL_SOFT_SEED="7")
