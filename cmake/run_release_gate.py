"""Runs ``isometal.parity.release_gate`` of this source tree, and of no other, on an evidence file.

Usage: python run_release_gate.py EVIDENCE. Exits as the gate does: 0 qualified, 3 not, 2 usage error. An installed or
editable isometal in the same interpreter must not judge in this tree's place: its kernels may be others.
"""

from __future__ import annotations

import importlib.machinery
import runpy
import sys
from pathlib import Path


def main() -> None:
    python = Path(__file__).resolve().parent.parent / "python"
    # Editable installs work through finders of their own, which come before sys.path.
    sys.meta_path[:] = [
        importlib.machinery.BuiltinImporter,
        importlib.machinery.FrozenImporter,
        importlib.machinery.PathFinder,
    ]
    sys.path[0] = str(python)
    runpy.run_module("isometal.parity.release_gate", run_name="__main__", alter_sys=True)
    # A gate that says nothing has not qualified anything.
    sys.exit(3)


if __name__ == "__main__":
    main()
