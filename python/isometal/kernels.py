"""The Metal kernels that this installation holds: `metal/<family>.metal` as one source each.

Metal compiles a source without include paths, so `#include "..."` is replaced by the file, once each; `#line` keeps
the file and line of diagnostics.
"""

from __future__ import annotations

import re
from pathlib import Path

from isometal import provenance
from isometal.errors import BackendError

_INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"')


def source(family: str) -> str:
    """The source of a family with its own headers in place. BackendError where a file is missing."""
    folder = provenance.data_directory("metal")
    return "".join(_lines(folder, f"{family}.metal", set()))


def _lines(folder: Path, name: str, included: set[str]) -> list[str]:
    included.add(name)
    try:
        text = (folder / name).read_text(encoding="utf-8")
    except OSError as error:
        raise BackendError(
            f"[metal] kernel source {folder / name} cannot be read: {error}; reinstall isometal."
        ) from None
    out = [f'#line 1 "{name}"\n']
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        found = _INCLUDE.match(line)
        if found is None:
            # Once in one file is what putting it in place means.
            out.append("\n" if line.strip() == "#pragma once" else line)
        elif found[1] not in included:
            out += _lines(folder, found[1], included)
            out.append(f'#line {number + 1} "{name}"\n')
        else:
            out.append("\n")
    return out
