"""One kernel's part of the unoptimised module, made ready for the optimiser: threadgroup variables become globals,
the helpers that only carried information go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from isometal.soft.msl.conversions import define_conversions
from isometal.soft.msl.derived_constants import DerivedConstants
from isometal.soft.msl.ir_text import ModuleText, symbol
from isometal.soft.msl.passes.threadgroup import ThreadgroupVariable
from isometal.soft.msl.spaces import restore_spaces

__all__ = ["KernelIr", "ThreadgroupUse", "entry_symbol", "kernel_ir"]

_VARIABLE = re.compile(r"call [^@\n]*@__msl_threadgroup_variable\(i32 \w+ (\d+), i64 \w+ (\d+), i64 \w+ (\d+)\)[^\n]*")
_ATTRIBUTE = re.compile(r"^.*call [^@\n]*@_Z15__msl_attributeI[^\n]*\n", re.MULTILINE)
_LINKAGE = re.compile(r"^define (?:linkonce_odr |weak_odr |internal )?(?:dso_local )?")

_INVARIANT = re.compile(r"^.*@llvm\.invariant\.start\.p4\(.*\n", re.MULTILINE)
_GLOBAL_LINKAGE = re.compile(r"^(@[^ ]+ = )(?:linkonce_odr |weak_odr |private |internal )(?:dso_local )?")


@dataclass(frozen=True, slots=True)
class ThreadgroupUse:
    """A threadgroup variable that a kernel uses: its bytes, alignment and the symbol of the global that it becomes."""

    variable: ThreadgroupVariable
    size: int
    alignment: int
    symbol: str


@dataclass(frozen=True, slots=True)
class KernelIr:
    """Text of the module; threadgroup variables; functions that initialise the derived constants that it uses."""

    text: str
    variables: tuple[ThreadgroupUse, ...]
    initializers: tuple[str, ...]


def entry_symbol(number: int) -> str:
    return f"@__msl_entry_{number}"


def kernel_ir(
    module: ModuleText,
    number: int,
    variables: Sequence[ThreadgroupVariable],
    derived: DerivedConstants,
    conditions: Sequence[str] = (),
) -> KernelIr:
    """The module that instantiation `number` needs. `conditions`: symbols of constants that its arguments depend on."""
    roots = [entry_symbol(number), *conditions]
    initializers = derived.needed_by(module, roots)
    part = module.closure([*roots, *initializers])
    used: dict[tuple[int, int, int], ThreadgroupUse] = {}

    def variable(match: re.Match[str]) -> str:
        key = (int(match[1]), int(match[2]), int(match[3]))
        if key not in used:
            known = variables[key[0]]
            names = {use.symbol for use in used.values()}
            name = f"{known.kernel}.{known.name}"
            if symbol(name) in names:
                name = f"{name}.{key[0]}"
            used[key] = ThreadgroupUse(known, key[1], key[2], symbol(name))
        return f"getelementptr i8, ptr addrspace(3) {used[key].symbol}, i64 0"

    declarations: set[str] = set()
    for name, text in list(part.functions()):
        body = restore_spaces(_ATTRIBUTE.sub("", _VARIABLE.sub(variable, text)), declarations)
        body = define_conversions(body, declarations)
        if name != entry_symbol(number):
            body = _LINKAGE.sub("define " if name in initializers else "define internal ", body)
        else:
            body = _LINKAGE.sub("define ", body)
        part.pieces[name] = body.replace(" comdat ", " ")
    for symbol_, (type_, alignment) in derived.types.items():
        if symbol_ in part.pieces:
            part.pieces[symbol_] = f"{symbol_} = external addrspace(4) global {type_}, align {alignment}"
    for name, text in part.pieces.items():
        if name[0] == "@" and " = " in text[: len(name) + 3]:
            part.pieces[name] = _GLOBAL_LINKAGE.sub(r"\1internal ", text.replace(", comdat", ""), count=1)
    for use in used.values():
        part.pieces[use.symbol] = (
            f"{use.symbol} = internal addrspace(3) global [{use.size} x i8] undef, align {use.alignment}"
        )
    part.declare(declarations)
    text = str(part)
    if initializers:
        # Where constants are computed, the optimiser must not take address space 4 for memory that nobody writes.
        text = _INVARIANT.sub("", text.replace("addrspace(4)", "addrspace(2)").replace(".p4.", ".p2."))
    return KernelIr(text, tuple(used.values()), tuple(initializers))
