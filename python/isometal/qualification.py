"""The qualification of this machine: `isometal gate --accept` records it, selection reads it.

A small JSON file of the user, readable and writable by nobody else. It says that evidence qualified Metal for exactly
the version, kernels and op table that were installed; where any of them has changed, it no longer counts. Standard
library only and quick to import, since selection asks on the first op of every process.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from isometal import optable, provenance
from isometal._version import __version__
from isometal.files import write_atomic

#: Overrides the directory of the file.
ENVIRONMENT = "ISOMETAL_STATE_DIR"
_FORMAT = "isometal-qualification-1"
_MAX_BYTES = 2**20


@dataclass(frozen=True)
class Qualification:
    """What qualified, on which device ({kind, name, family, os}), by which evidence (SHA-256), when (UTC)."""

    version: str
    op_table: str
    kernels: Mapping[str, str]
    evidence: str
    device: Mapping[str, str]
    date: str

    def covers(self, device: Mapping[str, str]) -> bool:
        """Was it recorded for this Metal device?"""
        return all(self.device.get(key) == device.get(key) for key in ("kind", "name", "family"))


def directory() -> Path:
    """Where the qualification is kept."""
    chosen = os.environ.get(ENVIRONMENT)
    if chosen:
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_state_dir("isometal"))


def path() -> Path:
    return directory() / "qualification.json"


def current() -> Qualification | None:
    """The qualification that holds for what is installed now, or None. Never raises."""
    return inspect()[0]


def inspect() -> tuple[Qualification | None, str]:
    """The qualification that holds, or None, and in words what was found. Never raises."""
    try:
        found = _load(path())
    except FileNotFoundError:
        return None, "none recorded"
    except (OSError, ValueError, RecursionError) as error:
        return None, f"ignored: {error}"
    if found.version != __version__:
        return None, f"stale: recorded for isometal {found.version}, installed is {__version__}"
    if found.op_table != optable.table_hash():
        return None, "stale: recorded for another op table"
    kernels = provenance.kernel_hashes()
    if not kernels or dict(found.kernels) != kernels:
        return None, "stale: the installed kernels are not those that qualified"
    return found, f"recorded on {found.date} for {found.device.get('name', 'an unnamed device')}"


def record(evidence_hash: str, device: Mapping[str, str], date: str) -> Path:
    """Record that Metal qualified for what is installed now; returns the file.

    The caller has asked the gate: nothing is decided here. Raises OSError, and ValueError where others can write the
    directory: what is put there would be ignored.
    """
    folder = directory()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_owner(folder.stat(), folder)
    found = Qualification(
        __version__, optable.table_hash(), provenance.kernel_hashes(), evidence_hash, dict(device), date
    )
    target = path()
    # A link planted in the way is replaced, not followed.
    if target.is_symlink():
        target.unlink()
    document = {"format": _FORMAT, **asdict(found)}
    write_atomic(target, (json.dumps(document, indent=2, sort_keys=True) + "\n").encode(), mode=0o600)
    return target


def forget() -> bool:
    """Remove the record; False where there was none. Raises OSError."""
    try:
        path().unlink()
    except FileNotFoundError:
        return False
    return True


def _load(file: Path) -> Qualification:
    _check_owner(file.parent.stat(), file.parent)
    # O_NONBLOCK: a pipe put in the way must not make `import isometal` wait.
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{file} is not a regular file")
        _check_owner(status, file)
        data = opened.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ValueError(f"{file} is too large")
    try:
        return _parse(json.loads(data.decode()))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is malformed ({error})") from None


def _check_owner(status: os.stat_result, file: Path) -> None:
    """Whoever can write the record can switch the backend, so it must be the user's own and nobody else's."""
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        raise ValueError(f"{file} belongs to another user")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError(f"{file} can be written by others; chmod go-w {file}")


def _parse(document: object) -> Qualification:
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ValueError("not a qualification")
    texts = [document.get(name) for name in ("version", "op_table", "evidence", "date")]
    kernels, device = document.get("kernels"), document.get("device")
    if not all(isinstance(text, str) for text in texts) or not _is_text_map(kernels) or not _is_text_map(device):
        raise ValueError("a field is missing or of another type")
    version, op_table, evidence, date = texts
    return Qualification(version, op_table, kernels, evidence, device, date)  # type: ignore[arg-type]


def _is_text_map(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
