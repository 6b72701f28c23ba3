"""Which front end this is."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

__all__ = ["front_end_hash"]


@functools.cache
def front_end_hash() -> str:
    """A SHA-256 of this package, its Metal headers included: changes with what source becomes, its clang apart."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix in ("", ".py", ".h"):
            digest.update(f"\0{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return digest.hexdigest()
