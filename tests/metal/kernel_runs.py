"""Which kernels the tests of this folder have run, for kernel_report.py.

With `ISOMETAL_KERNEL_RUNS=FOLDER`, each process writes one file there when it ends. Only what ran in a test that passed
counts: its result was compared.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isometal.backends.metal import MetalBackend

VARIABLE = "ISOMETAL_KERNEL_RUNS"
#: Family, name, and function constants by index.
Key = tuple[str, str, tuple[tuple[int, bool | int], ...]]


class Recorder:
    """Of one process: what has run in the tests that passed, and the first of those tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[Key, int] = {}
        self._runs: dict[Key, int] = {}
        self._first: dict[Key, str] = {}
        self._tests = 0

    def test_ended(self, metal: MetalBackend, test: str, passed: bool) -> None:
        # What is still under way counts for this test and not for the next.
        metal._metal.synchronize()
        self._tests += passed
        for family, name, constants, runs in metal._metal.kernel_runs():
            key = family, name, tuple(sorted(constants.items()))
            new = runs - self._seen.get(key, 0)
            self._seen[key] = runs
            if passed and new:
                self._runs[key] = self._runs.get(key, 0) + new
                self._first.setdefault(key, test)

    def write(self) -> None:
        kernels = [
            {"family": key[0], "name": key[1], "constants": dict(key[2]), "runs": runs, "test": self._first[key]}
            for key, runs in sorted(self._runs.items(), key=str)
        ]
        self._folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"tests": self._tests, "kernels": kernels}, indent=1)
        (self._folder / f"{os.getpid()}.json").write_text(text, encoding="utf-8")


def recorder() -> Recorder | None:
    folder = os.environ.get(VARIABLE)
    return Recorder(Path(folder)) if folder else None
