"""The same ops in a process of their own, under another schedule of the software device."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: A schedule, as the environment names it.
FAST = {"ISOMETAL_SOFT_MODE": "fast"}
SHUFFLED = {"ISOMETAL_SOFT_MODE": "shuffled", "ISOMETAL_SOFT_SEED": "7"}


def digests(script: str, schedule: dict[str, str]) -> list[str]:
    """What the script prints, line by line. It finds the modules of this folder."""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)} | schedule,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()
