"""What is installed here: version, kernel sources, goldens, commit. Standard library only.

Evidence records it, the gate compares it, and selection asks it before it trusts a qualification.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from isometal import native_sources, optable
from isometal._version import __version__

_PACKAGE = Path(__file__).resolve().parent
#: What a kernel is made of: the sources, and the headers that they include.
_KERNEL_SUFFIXES = (".metal", ".h")


def checkout() -> Path | None:
    """Root of the source tree that this package runs from, or None where it runs from an installed wheel."""
    root = _PACKAGE.parent.parent
    return root if (root / "pyproject.toml").is_file() and _PACKAGE.parent.name == "python" else None


def data_directory(name: str) -> Path:
    """Where ``name`` ("metal", "goldens") lies: top level in a checkout, inside the package in a wheel."""
    root = checkout()
    return (root if root is not None else _PACKAGE) / name


def file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def source_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every kernel source in `folder` and of the headers that they share, by path. Empty where no ``.metal``
    file is: headers alone are no kernels."""
    sources = sorted(path for path in folder.rglob("*") if path.suffix in _KERNEL_SUFFIXES and path.is_file())
    if not any(path.suffix == ".metal" for path in sources):
        return {}
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in sources}


def kernel_hashes() -> dict[str, str]:
    """`source_hashes` of the kernels that are installed, and under "csrc" that of the C++ that plans and dispatches
    them. Empty where there are no kernels."""
    kernels = source_hashes(data_directory("metal"))
    native = native_hash()
    return kernels | {"csrc": native} if kernels and native else kernels


def native_hash() -> str | None:
    """`native_sources.digest` of what the extension was built from; of the checkout where there is no extension."""
    try:
        from isometal import _core
    except ImportError:
        root = checkout()
        return None if root is None else native_sources.digest(root / "csrc")
    return str(_core.build_info()["sources"])


def goldens_hash() -> str | None:
    """SHA-256 of the golden manifest, which itself holds the hash of every golden; None where it is missing."""
    manifest = data_directory("goldens") / "manifest.json"
    return file_hash(manifest) if manifest.is_file() else None


def commit() -> tuple[str | None, bool | None]:
    """Git commit of the checkout and whether tracked files differ from it; (None, None) outside of one."""
    root = checkout()
    if root is None or not (root / ".git").exists():
        return None, None
    try:
        head = _git(root, "rev-parse", "HEAD")
        changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None, None
    return head, bool(changes)


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()


@dataclass(frozen=True)
class Installed:
    """What evidence must match to count here."""

    version: str
    op_table: str
    kernels: Mapping[str, str]
    goldens: str | None


def installed() -> Installed:
    """What this installation holds now."""
    return Installed(__version__, optable.table_hash(), kernel_hashes(), goldens_hash())
