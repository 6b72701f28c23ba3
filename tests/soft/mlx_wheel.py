"""Apple's metallib and MLX's kernel headers, from the wheel mlx-metal on PyPI: fetched once, kept in the user's cache.

python tests/soft/mlx_wheel.py      # prints the folder
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from isometal.files import private_directory
from isometal.soft import cache

VERSION = "0.32.4"
_REQUIREMENT = f"mlx-metal=={VERSION} --hash=sha256:8019b2db622599267d66cc168b2f0dbf5af929790a6c3b3913e00eabc42a7947\n"
_PLATFORM = "macosx_14_0_arm64"
#: What tests read; the libraries for macOS stay in the wheel.
_KEPT = ("mlx/lib/mlx.metallib", "mlx/include/")


class Unavailable(RuntimeError):
    """The wheel is neither cached nor to be had."""


def folder() -> Path:
    """Where the wheel is unpacked: `mlx/lib/mlx.metallib`, `mlx/include/...`. Raises Unavailable, OSError.

    Processes that fetch at the same time do it side by side; the first to finish is kept.
    """
    home = private_directory(cache.directory() / "mlx-metal")
    target = home / VERSION
    if target.is_dir():
        return target
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=home) as temporary:
        unpacked = Path(temporary) / "unpacked"
        with zipfile.ZipFile(_fetch(Path(temporary))) as wheel:
            wheel.extractall(unpacked, [name for name in wheel.namelist() if name.startswith(_KEPT)])
        # Complete or not there at all; it fails only where another process has put the same there.
        with contextlib.suppress(OSError):
            unpacked.rename(target)
    if not target.is_dir():
        raise Unavailable(f"{target} could not be put in place")
    return target


def _fetch(into: Path) -> Path:
    requirements = into / "requirements.txt"
    requirements.write_text(_REQUIREMENT)
    # A config file or a variable of the user could ask for other options, but the hash decides what is taken.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--platform", _PLATFORM, "--require-hashes"]
    command += ["--requirement", os.fspath(requirements), "--dest", os.fspath(into)]
    if shutil.which(sys.executable) is None:
        raise Unavailable("Python does not know its own program, which runs pip")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(into.glob("mlx_metal-*.whl"))
    if result.returncode or len(wheels) != 1:
        raise Unavailable(f"pip download mlx-metal=={VERSION} failed:\n{result.stdout}{result.stderr}".rstrip())
    return wheels[0]


if __name__ == "__main__":
    print(folder())
