"""Finds comparisons of vectors in unoptimised IR: clang's give lanes of 0 and -1, Metal's give bool vectors.

Such a comparison is a `sext <N x i1>`, which nothing else in the user's functions becomes. Where one is seen, the
source is compiled again with line tables, which say where it is.
"""

from __future__ import annotations

import re

from isometal.soft.msl.ir_text import ModuleText

__all__ = ["has_vector_comparisons", "places_of_vector_comparisons"]

_EXTENSION = re.compile(r"= sext <\d+ x i1> ")
_AT = re.compile(r"= sext <\d+ x i1> [^\n]*, !dbg (!\d+)")
_LOCATION = re.compile(r"!DILocation\(line: (\d+), column: (\d+), scope: (!\d+)")
_FILE = re.compile(r"\bfile: (!\d+)")
_SCOPE = re.compile(r"\bscope: (!\d+)")
_NAME = re.compile(r'filename: "((?:[^"\\]|\\.)*)"')


def has_vector_comparisons(module: ModuleText) -> bool:
    """Whether functions that are not obviously our headers' have any."""
    return any(_EXTENSION.search(text) and not _is_ours(name) for name, text in module.functions())


def places_of_vector_comparisons(module: ModuleText, file: str) -> set[tuple[int, int]]:
    """Line and column of each in a file, in a module with line tables."""
    places: set[tuple[int, int]] = set()
    for _, text in module.functions():
        for node in _AT.findall(text):
            location = _LOCATION.search(module.pieces.get(node, ""))
            if location is not None and _file(module, location[3]).endswith(file):
                places.add((int(location[1]), int(location[2])))
    return places


def _is_ours(name: str) -> bool:
    return "__msl_" in name or name.startswith(("@_ZN5metal", "@_ZNK5metal"))


def _file(module: ModuleText, scope: str) -> str:
    for _ in range(64):
        text = module.pieces.get(scope, "")
        file = _FILE.search(text)
        if file is not None:
            name = _NAME.search(module.pieces.get(file[1], ""))
            return name[1] if name else ""
        outer = _SCOPE.search(text)
        if outer is None:
            return ""
        scope = outer[1]
    return ""
