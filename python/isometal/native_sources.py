"""SHA-256 of the C++ that plans and dispatches kernels. Standard library only: the build runs this file by itself.

Usage: python native_sources.py CSRC HEADER. Writes a header that defines ISOMETAL_NATIVE_SOURCES, if it differs.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

#: The software device stands in for Apple's: no part of what runs on a GPU.
_LEFT_OUT = "soft"


def digest(csrc: Path) -> str:
    """Of every source and header below ``csrc``, with its path, but for the software device's."""
    total = hashlib.sha256()
    for path in sorted(csrc.rglob("*")):
        inside = path.relative_to(csrc)
        if path.suffix in (".cpp", ".h") and inside.parts[0] != _LEFT_OUT:
            total.update(f"{inside.as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def main(csrc: str, header: str) -> None:
    text = f'#define ISOMETAL_NATIVE_SOURCES "{digest(Path(csrc))}"\n'
    target = Path(header)
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
