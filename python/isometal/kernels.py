"""The Metal kernels that this installation holds: `metal/<family>.metal` as one source each, or compiled already.

Metal compiles a source without include paths, so `#include "..."` is replaced by the file, once each; `#line` keeps
the file and line of diagnostics.

A build may hold compiled kernels as well (cmake/CompiledKernels.cmake): Apple's metallibs, made by Xcode, or AIR for
the software device. A compiled file is named by a hash of its source and of what compiled it, so one of another source
is not found, and the source is compiled when the kernels are first used.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

from isometal import provenance
from isometal.errors import BackendError

_INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"')

#: How Xcode compiles: as the dispatcher asks Metal to, bit for bit what the kernels say.
APPLE_FLAGS = ("-std=metal3.1", "-fno-fast-math", "-mmacosx-version-min=14.0")


def library(family: str, bfloat: bool = True) -> str | Path:
    """The compiled kernels of a family, a path, where this installation holds them; else their source.

    `bfloat`: the device has Metal's own type. BackendError where a file is missing.
    """
    text = source(family, bfloat)
    compiled = provenance.data_directory("compiled") / compiled_name(family, text, apple=sys.platform == "darwin")
    return compiled if compiled.is_file() else text


def compiled_name(family: str, text: str, *, apple: bool) -> str:
    """The file of what a source is compiled to, by Xcode or else by our front end."""
    if apple:
        compiler = " ".join(("xcode", *APPLE_FLAGS))
    else:
        from isometal.soft.msl.identity import front_end_hash

        compiler = front_end_hash()
    key = hashlib.sha256(f"{compiler}\0{text}".encode()).hexdigest()
    return f"{family}-{key[:32]}.metallib"


def source(family: str, bfloat: bool = True) -> str:
    """The source of a family with its own headers in place. BackendError where a file is missing."""
    folder = provenance.data_directory("metal")
    start = [] if bfloat else ["#define ISOMETAL_NO_BFLOAT\n"]  # metal/common/bfloat.h
    return "".join(start + _lines(folder, f"{family}.metal", set()))


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
