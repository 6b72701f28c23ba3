"""Words that mean something else in C++ for OpenCL, literals and pragmas."""

from __future__ import annotations

import re

from isometal.soft.msl.declarations import Source
from isometal.soft.msl.edits import Edits
from isometal.soft.msl.tokens import Kind

__all__ = ["RENAMED", "rewrite_keywords"]

_PREFIX = "__msl_word_"
#: What a renamed identifier looks like; its first group is the original.
RENAMED = re.compile(rf"{_PREFIX}(\w+)")
#: Ordinary identifiers in Metal, keywords in OpenCL.
_WORDS = frozenset(
    (
        *("addrspace_cast", "clk_event_t", "event_t", "generic", "global", "image1d_t", "image2d_t", "image3d_t"),
        *("local", "ndrange_t", "pipe", "queue_t", "read_only", "read_write", "reserve_id_t", "sampler_t", "vec_step"),
        "write_only",
    )
)
#: Macros of our headers begin like this; the user's own are expanded by now.
_OURS = "MSL_"
_BFLOAT = re.compile(r"(?i:(.*[0-9.])bf)")
#: Floating-point literals without a suffix are float in Metal. Clang's own option for that forgets it in templates.
_FLOAT = re.compile(
    r"(?i:0x[0-9a-f']*\.?[0-9a-f']*p[-+]?[0-9']+|(?:[0-9']+\.[0-9']*|\.[0-9']+)(?:e[-+]?[0-9']+)?|[0-9']+e[-+]?[0-9']+)"
)
_PRAGMA = re.compile(r"#\s*pragma\s+(\w+)\s*(.*)", re.DOTALL)
_CONTRACT = re.compile(r"fp\s+contract\s*\(\s*(on|off|fast)\s*\)")


def rewrite_keywords(source: Source, edits: Edits) -> None:
    for index, token in enumerate(source.tokens):
        if token.kind is Kind.IDENTIFIER and (token.text in _WORDS or token.text.startswith(_OURS)):
            edits.replace(index, _PREFIX + token.text)
        elif token.kind is Kind.NUMBER and _FLOAT.fullmatch(token.text):
            edits.replace(index, f"{token.text}f")
        elif token.kind is Kind.NUMBER and (literal := _BFLOAT.fullmatch(token.text)):
            edits.replace(index, f"bfloat({literal[1]}f)")
        elif token.kind is Kind.PRAGMA:
            edits.replace(index, _pragma(token.text))


def _pragma(text: str) -> str:
    match = _PRAGMA.match(text)
    if match is None or match[1] in ("clang", "unroll", "nounroll", "GCC"):
        return text
    if match[1] in ("METAL", "STDC") and (contract := _CONTRACT.match(match[2].replace("FP_CONTRACT", "fp contract"))):
        return f"#pragma clang fp contract({contract[1]})"
    # `#pragma METAL internals`, `once`, `mark`: nothing to do. Math modes beyond contraction only ever allow more.
    return ""
