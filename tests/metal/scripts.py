"""Scripts of this folder, run with another environment: a process's device is set when it starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def printed(script: str, environment: dict[str, str], *arguments: str) -> list[str]:
    """The lines that a script prints. It must end well."""
    ran = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(script)), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()
