"""Conversions of floating-point values to integers, which in Metal are defined for every value.

LLVM's fptosi and fptoui are undefined where the integer type is too small, and its optimiser makes use of that. AIR has
functions instead, as has Apple's compiler's output.
"""

from __future__ import annotations

import re

__all__ = ["define_conversions"]

_CONVERSION = re.compile(r"= fpto([su])i (<\d+ x )?(float|half|bfloat)>? ([^,\n]+?) to (?:<\d+ x )?(i\d+)>?")
_SPELLINGS = {"float": "f32", "half": "f16", "bfloat": "bf16"}


def define_conversions(function: str, declarations: set[str]) -> str:
    """A function's text with calls in the place of such conversions. Declarations are added to the set."""

    def call(match: re.Match[str]) -> str:
        sign, count, source, value, target = match.groups()
        width = f"v{count.strip('<x ')}" if count else ""
        types = [f"{count}{element}>" if count else element for element in (target, source)]
        name = f"@air.convert.{sign}.{width}{target}.f.{width}{_SPELLINGS[source]}"
        declarations.add(f"declare {types[0]} {name}({types[1]}) nounwind willreturn memory(none)")
        return f"= call {types[0]} {name}({types[1]} {value})"

    return _CONVERSION.sub(call, function) if "= fpto" in function else function
