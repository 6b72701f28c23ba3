"""Finds, in unoptimised IR, what clang does to vectors and Metal does not; the rewriter, which knows no types, cannot.

comparison    clang's give lanes of 0 and -1, Metal's give bool vectors: `sext <N x i1>`
cast          `T(x)` and `(T)x`, T a template's parameter: where the sizes are equal, clang keeps the bits: `bitcast`
splat         a bool that becomes a vector is -1 in clang: `sext i1`

Nothing else in the user's functions becomes such instructions. Where one is seen, the source is compiled again with
line tables, which say where it is.
"""

from __future__ import annotations

import re
from typing import Literal

from isometal.soft.msl.ir_text import ModuleText

__all__ = ["VectorCode", "has_vector_code", "places_of_vector_code"]

VectorCode = Literal["comparison", "cast", "splat"]

_CODE: dict[VectorCode, str] = {
    "comparison": r"= sext <\d+ x i1> ",
    "cast": r"= bitcast (?:<\d+ x \w+> [^\n,]* to |[^\n,]* to <)",
    "splat": r"= sext i1 ",
}
_ANY = re.compile("|".join(_CODE.values()))
_AT = {kind: re.compile(rf"{pattern}[^\n]*, !dbg (!\d+)") for kind, pattern in _CODE.items()}
_LOCATION = re.compile(r"!DILocation\(line: (\d+), column: (\d+), scope: (!\d+)")
_FILE = re.compile(r"\bfile: (!\d+)")
_SCOPE = re.compile(r"\bscope: (!\d+)")
_NAME = re.compile(r'filename: "((?:[^"\\]|\\.)*)"')
#: Beginnings of the mangled names of our headers' functions.
_OURS = ("@_ZN5metal", "@_ZNK5metal", "@_Z7as_type")


def has_vector_code(module: ModuleText) -> bool:
    """Whether functions that are not obviously our headers' have any."""
    return any(_ANY.search(text) and not _is_ours(name) for name, text in module.functions())


def places_of_vector_code(module: ModuleText, file: str) -> dict[tuple[int, int], VectorCode]:
    """Line and column of each in a file, in a module with line tables."""
    places: dict[tuple[int, int], VectorCode] = {}
    for _, text in module.functions():
        for kind, pattern in _AT.items():
            for node in pattern.findall(text):
                location = _LOCATION.search(module.pieces.get(node, ""))
                if location is not None and _file(module, location[3]).endswith(file):
                    places[int(location[1]), int(location[2])] = kind
    return places


def _is_ours(name: str) -> bool:
    return "__msl_" in name or name.startswith(_OURS)


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
