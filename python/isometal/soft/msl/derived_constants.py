"""Program-scope constants that are computed: allowed where they depend on function constants, as in
`constant int twice = n * 2;`, and an error otherwise.

Clang makes each an ordinary global with a function that initialises it. A kernel's optimiser must not know the value,
and Apple's form has the same global and calls the same function from the module's constructor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from isometal.soft.msl.ir_text import ModuleText, references

__all__ = ["DerivedConstants", "find_derived"]

_CALL = re.compile(r"call [^@\n]*(@__cxx_global_var_init[\w.]*)\(")
#: The end of an initialising function says which variable is complete.
_COMPLETE = re.compile(r"@llvm\.invariant\.start\.p4\(i64 [^,]*, ptr addrspace\(4\) (@[^\s,)]+)\)")
_GLOBAL = re.compile(r" addrspace\(4\) global (.*), align (\d+)")
_ZERO = re.compile(r" (?:zeroinitializer|undef|0|0\.0+e\+00|0x[HRK]?0+|false)$")


@dataclass(slots=True)
class DerivedConstants:
    """Initialising functions in order, and the global (symbol -> type, alignment) that each computes."""

    functions: dict[str, str] = field(default_factory=dict)  # function -> symbol
    types: dict[str, tuple[str, int]] = field(default_factory=dict)

    def needed_by(self, module: ModuleText, roots: Iterable[str]) -> list[str]:
        """Initialising functions of the derived constants that `roots` lead to, in order."""
        wanted = list(roots)
        found: set[str] = set()
        while True:
            part = module.closure(wanted)
            more = {f for f, symbol in self.functions.items() if symbol in part.pieces} - found
            if not more:
                return [f for f in self.functions if f in found]
            found |= more
            wanted += sorted(more)


def find_derived(module: ModuleText) -> DerivedConstants:
    found = DerivedConstants()
    for match in _CALL.finditer(_constructors(module)):
        for symbol in _COMPLETE.findall(module.pieces.get(match[1], "")):
            variable = _GLOBAL.search(module.pieces.get(symbol, ""))
            if variable is not None and match[1] not in found.functions:
                found.functions[match[1]] = symbol
                found.types[symbol] = (_ZERO.sub("", variable[1]), int(variable[2]))
    return found


def _constructors(module: ModuleText) -> str:
    names = references(module.pieces.get("@llvm.global_ctors", ""))
    return "\n".join(module.pieces[name] for name in names if module.pieces.get(name, "").startswith("define "))
