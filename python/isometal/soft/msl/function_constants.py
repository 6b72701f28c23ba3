"""Function constants in Apple's form: an externally initialised global per constant, copied by a global constructor.

The constructor also computes, for each condition of an argument, whether the argument is there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from isometal.soft.msl.derived_constants import DerivedConstants
from isometal.soft.msl.described import DescribedConstant
from isometal.soft.msl.ir_text import ModuleText, references

__all__ = ["ConstantsInIr", "add_function_constants", "mangled"]

_TYPE = re.compile(r" constant (.+?), align (\d+)")
_CONSTRUCTOR = "@_GLOBAL__sub_I_isometal"
_NORMALIZE = "@air.normalize_function_constant_predicate.i8"
_SCALARS = {"b": "i8", "c": "i8", "h": "i8", "s": "i16", "t": "i16", "i": "i32", "j": "i32", "l": "i64", "m": "i64"}


@dataclass(slots=True)
class ConstantsInIr:
    """What became of the constants.

    `initializers`: (symbol, constant, name in the source). `predicates`: condition -> symbol. `copies`: clang's symbol
    -> the global that code reads. `types`: that global -> type.
    """

    initializers: list[tuple[str, DescribedConstant, str]] = field(default_factory=list)
    predicates: dict[str, str] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)


def mangled(symbol: str, internal: bool) -> str:
    """A variable's name as Apple's compiler mangles it, from clang's symbol: `@flag` is `_Z4flag` or `_ZL4flag`."""
    name = symbol.removeprefix("@").strip('"')
    if name.startswith("_Z"):
        return name
    return f"_Z{'L' if internal else ''}{len(name)}{name}"


def add_function_constants(
    module: ModuleText,
    constants: Sequence[tuple[DescribedConstant, str]],
    derived: DerivedConstants,
    initializers: Sequence[str],
    conditions: Mapping[str, str],
) -> ConstantsInIr:
    """Replace the external variables of constants in a kernel's optimised module.

    Those that neither code nor a condition uses are left out.

    Args:
        module: changed in place.
        constants: function constants, each with its name in the source.
        derived: constants computed from them.
        initializers: functions in the module that compute derived constants.
        conditions: name in the source -> symbol of the constants that arguments depend on.
    """
    found = ConstantsInIr()
    used = {name for text in module.pieces.values() if text.startswith("define ") for name in references(text)}
    used |= set(conditions.values())
    body: list[str] = []
    for constant, name in constants:
        if constant.symbol not in used:
            continue
        type_, alignment = _type(module, constant)
        initializer = f"@{mangled(constant.symbol, False)}.MTL_FC_INIT_{constant.index}_{constant.code}"
        copy = f"@{mangled(constant.symbol, True)}"
        module.pieces.pop(constant.symbol, None)
        _define(module, copy, type_, alignment)
        module.pieces[initializer] = (
            f"{initializer} = internal unnamed_addr addrspace(2) externally_initialized constant {type_} undef, "
            f'section "air.fc_initializer", align {alignment}'
        )
        body.append(f"  %c{len(body)} = load {type_}, ptr addrspace(2) {initializer}, align {alignment}")
        body.append(f"  store {type_} %c{len(body) - 1}, ptr addrspace(2) {copy}, align {alignment}")
        found.initializers.append((initializer, constant, name))
        found.types[copy] = type_
        _rename(module, constant.symbol, copy)
        found.copies[constant.symbol] = copy
    for symbol, (type_, alignment) in derived.types.items():
        if symbol in module.pieces:
            _define(module, symbol, type_, alignment)
            found.types[symbol] = type_
    for function in initializers:
        module.pieces[function] = re.sub(r"^define (?:dso_local )?", "define internal ", module.pieces[function])
        body.append(f"  call void {function}()")
    for name, symbol in conditions.items():
        _predicate(module, found, body, name, found.copies.get(symbol, symbol))
    if body:
        _constructor(module, found, body)
    return found


def _define(module: ModuleText, symbol: str, type_: str, alignment: int) -> None:
    module.pieces[symbol] = f"{symbol} = internal unnamed_addr addrspace(2) global {type_} undef, align {alignment}"


def _predicate(module: ModuleText, found: ConstantsInIr, body: list[str], name: str, source: str) -> None:
    number = len(found.predicates)
    type_ = found.types[source]
    symbol = f"@__metal_implicit_fc_pred_{number}"
    module.pieces[symbol] = f"{symbol} = internal addrspace(2) global i8 0, align 1"
    module.pieces[_NORMALIZE] = f"declare i8 {_NORMALIZE}(i8)"
    value = f"%v{number}"
    body.append(f"  {value} = load {type_}, ptr addrspace(2) {source}")
    if type_ != "i8":
        compare = "fcmp une" if type_ in ("float", "half", "bfloat") else "icmp ne"
        zero = "0.0" if compare == "fcmp une" else "0"
        body.append(f"  %n{number} = {compare} {type_} {value}, {zero}")
        body.append(f"  %w{number} = zext i1 %n{number} to i8")
        value = f"%w{number}"
    body.append(f"  %p{number} = call i8 {_NORMALIZE}(i8 {value})")
    body.append(f"  store i8 %p{number}, ptr addrspace(2) {symbol}, align 1")
    found.predicates[name] = symbol


def _constructor(module: ModuleText, found: ConstantsInIr, body: list[str]) -> None:
    module.pieces[_CONSTRUCTOR] = "\n".join(
        [f'define internal void {_CONSTRUCTOR}() section "air.static_init" {{', *body, "  ret void", "}"]
    )
    module.pieces["@llvm.global_ctors"] = (
        "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] "
        f"[{{ i32, ptr, ptr }} {{ i32 65535, ptr {_CONSTRUCTOR}, ptr null }}]"
    )
    if found.predicates:
        kept = ", ".join(f"ptr addrspacecast (ptr addrspace(2) {s} to ptr)" for s in found.predicates.values())
        module.pieces["@llvm.compiler.used"] = (
            f'@llvm.compiler.used = appending global [{len(found.predicates)} x ptr] [{kept}], section "llvm.metadata"'
        )


def _type(module: ModuleText, constant: DescribedConstant) -> tuple[str, int]:
    match = _TYPE.search(module.pieces.get(constant.symbol, ""))
    if match is not None:
        return match[1], int(match[2])
    type_ = _SCALARS.get(constant.code, "i8")
    return type_, int(type_[1:]) // 8


def _rename(module: ModuleText, old: str, new: str) -> None:
    pattern = re.compile(rf"{re.escape(old)}(?![-\w$.])")
    for name, text in module.pieces.items():
        if text.startswith("define ") and name != _CONSTRUCTOR and old in text:
            module.pieces[name] = pattern.sub(new, text)
