"""What Metal does not allow and clang would, as far as IR tells: recursion, calls through pointers, too much
threadgroup memory, constants that are computed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from isometal.soft.msl.declarations import DeclarationKind
from isometal.soft.msl.derived_constants import DerivedConstants
from isometal.soft.msl.diagnostics import Diagnostic
from isometal.soft.msl.ir_text import ModuleText
from isometal.soft.msl.kernel_ir import entry_symbol
from isometal.soft.msl.rewriter import Rewritten
from isometal.soft.msl.tokens import Position

__all__ = ["check_constants", "check_ir", "check_recursion", "source_name"]

_THREADGROUP_BYTES = 32768
_CALLEE = re.compile(r'\bcall [^@%\n]*(@(?:[-\w$.]+|"(?:[^"\\]|\\.)*"))\(')
_INDIRECT = re.compile(r"\bcall [^@%\n]*%[\w.]+\(")
_THREADGROUP = re.compile(r"@__msl_threadgroup_variable\(i32 \w+ (\d+), i64 \w+ (\d+)")
_ASSEMBLY = re.compile(r"\bcall [^@%\n]*\basm\b")
_LENGTH = re.compile(r"\d+")
_COMDAT = re.compile(r" comdat(\([^)]*\))?(?= )")


def check_ir(module: ModuleText, rewritten: Rewritten, problems: list[Diagnostic]) -> None:
    """Calls through pointers, calls of kernels, and threadgroup memory of all kernels."""
    calls = _calls(module)
    entries = [entry_symbol(instantiation.number) for instantiation in rewritten.instantiations]
    called = {instantiation.function.name for instantiation in rewritten.instantiations}
    kernels = {callee for entry in entries for callee in calls.get(entry, ()) if source_name(callee) in called}
    for name in _reachable(calls, *entries):
        for kernel in sorted(calls[name] & kernels) if name not in entries else ():
            message = f"{{}} calls kernel '{source_name(kernel)}'; in Metal, kernels are not called"
            problems.append(_problem(rewritten, name, message))
        if _ASSEMBLY.search(module.pieces[name]):
            problems.append(_problem(rewritten, name, "{} has inline assembly, which Metal does not allow"))
        if _INDIRECT.search(module.pieces[name]):
            message = "{} calls a function through a pointer, which Metal does not allow"
            problems.append(_problem(rewritten, name, message))
    sizes = {name: set(_THREADGROUP.findall(text)) for name, text in module.functions() if "__msl_threadgroup" in text}
    for instantiation in rewritten.instantiations if rewritten.threadgroup_variables else ():
        used: set[tuple[str, str]] = set()
        for name in _reachable(calls, entry_symbol(instantiation.number)):
            used |= sizes.get(name, set())
        total = sum(int(size) for _, size in used)
        if total > _THREADGROUP_BYTES:
            known = rewritten.threadgroup_variables
            names = ", ".join(f"'{known[int(n)].name}' {size}" for n, size in sorted(used, key=lambda u: int(u[0])))
            message = (
                f"kernel '{instantiation.host_name}' has {total} bytes of threadgroup variables ({names}); "
                f"{_THREADGROUP_BYTES} are the limit"
            )
            problems.append(Diagnostic("error", instantiation.position, message))


def check_constants(
    module: ModuleText, derived: DerivedConstants, rewritten: Rewritten, given: set[str], problems: list[Diagnostic]
) -> None:
    """Computed constants must depend on function constants, whose symbols are `given`."""
    for function, symbol in derived.functions.items():
        if not given & set(module.closure([function, *derived.needed_by(module, [function])]).pieces):
            name = source_name(symbol)
            message = f"'{name}' must be initialized by a constant expression"
            problems.append(Diagnostic("error", _variable_position(rewritten, name), message))


def check_recursion(
    module: ModuleText, rewritten: Rewritten, optimize: Callable[[str], str], problems: list[Diagnostic]
) -> None:
    """Recursion that is left after optimisation: as for Apple's compiler, tail calls are loops."""
    calls = _calls(module)
    entries = [entry_symbol(instantiation.number) for instantiation in rewritten.instantiations]
    suspects = _recursive(calls, _reachable(calls, *entries))
    if not suspects:
        return
    part = module.closure(suspects)
    for name, text in part.functions():
        head, line_end, body = text.partition("\n")
        if name in suspects:
            # As a function that is there for others: the optimiser would drop it.
            head = re.sub("^define linkonce_odr ", "define ", head)
        part.pieces[name] = _COMDAT.sub("", head) + line_end + body
    optimized = _calls(ModuleText.parse(optimize(str(part))))
    for name in _recursive(optimized, list(optimized)):
        problems.append(_problem(rewritten, name, "{} calls itself; recursion is not allowed in Metal"))


def _calls(module: ModuleText) -> dict[str, set[str]]:
    return {name: set(_CALLEE.findall(text)) for name, text in module.functions()}


def _recursive(calls: dict[str, set[str]], names: Collection[str]) -> list[str]:
    """Those of the functions that lead back to themselves."""
    candidates = _without_ends(calls, set(names))
    return [name for name in names if name in candidates and name in _reachable(calls, *calls[name])]


def _without_ends(calls: dict[str, set[str]], names: set[str]) -> set[str]:
    """The functions that are left when those that call none of the others are taken away, again and again."""
    callers: dict[str, list[str]] = {name: [] for name in names}
    open_calls: dict[str, int] = {}
    for name in names:
        callees = calls[name] & names
        open_calls[name] = len(callees)
        for callee in callees:
            callers[callee].append(name)
    ends = [name for name in names if not open_calls[name]]
    left = set(names)
    while ends:
        end = ends.pop()
        left.discard(end)
        for caller in callers[end]:
            open_calls[caller] -= 1
            if not open_calls[caller]:
                ends.append(caller)
    return left


def _reachable(calls: dict[str, set[str]], *roots: str) -> list[str]:
    """Functions with a body that the roots lead to, themselves included."""
    found: dict[str, None] = {}
    pending = list(roots)
    while pending:
        name = pending.pop()
        if name not in found and name in calls:
            found[name] = None
            pending.extend(calls[name])
    return list(found)


def _problem(rewritten: Rewritten, symbol: str, message: str) -> Diagnostic:
    name = source_name(symbol)
    return Diagnostic("error", _position(rewritten, name), message.format(f"'{name}'"))


def _position(rewritten: Rewritten, name: str) -> Position | None:
    for declaration in rewritten.source.walk():
        if (
            declaration.kind is DeclarationKind.FUNCTION
            and declaration.name is not None
            and declaration.body is not None
        ):
            token = rewritten.source.tokens[declaration.name]
            if token.text == name:
                return token.position
    return None


def _variable_position(rewritten: Rewritten, name: str) -> Position | None:
    for declaration in rewritten.source.walk():
        if declaration.kind is DeclarationKind.VARIABLE and declaration.name is not None:
            token = rewritten.source.tokens[declaration.name]
            if token.text == name:
                return token.position
    return None


def source_name(symbol: str) -> str:
    """The last name in a mangled symbol: `f` of `@_ZN1n1fIfEEvT_`."""
    return list(_names(symbol.removeprefix("@").strip('"')))[-1]


def _names(symbol: str) -> Iterator[str]:
    yield symbol
    if not symbol.startswith("_Z"):
        return
    index = 2
    while index < len(symbol) and symbol[index] in "NKrVLCD":
        index += 1
    while (length := _LENGTH.match(symbol, index + (symbol[index : index + 1] == "L"))) is not None:
        start = length.end()
        index = start + int(length[0])
        yield symbol[start:index]
        if index < len(symbol) and symbol[index] == "I":
            # Template arguments: up to the matching E. Names in them have lengths, so letters inside do not confuse.
            index = _skip_arguments(symbol, index)


def _skip_arguments(symbol: str, index: int) -> int:
    depth = 0
    while index < len(symbol):
        length = _LENGTH.match(symbol, index)
        if length is not None and symbol[index - 1] != "L" and symbol[index - 1] not in "ijlmstchbxyn":
            index = length.end() + int(length[0])
            continue
        if length is not None:
            index = length.end()
            continue
        if symbol[index] in "IXNL":
            depth += 1
        elif symbol[index] == "E":
            depth -= 1
            if depth == 0:
                return index + 1
        index += 1
    return index
