"""Threadgroup variables. Clang refuses them in templates, so each becomes a reference to a numbered variable."""

from __future__ import annotations

from dataclasses import dataclass

from isometal.soft.msl.declarations import Declaration, Source
from isometal.soft.msl.diagnostics import Diagnostic
from isometal.soft.msl.edits import Edits
from isometal.soft.msl.passes.kernels import KernelFunction
from isometal.soft.msl.tokens import Position

__all__ = ["ThreadgroupVariable", "rewrite_threadgroup_variables"]


@dataclass(frozen=True, slots=True)
class ThreadgroupVariable:
    """One variable: its number, as the code knows it, and what to call it."""

    number: int
    kernel: str
    name: str
    position: Position


def rewrite_threadgroup_variables(
    source: Source, edits: Edits, kernels: list[KernelFunction], problems: list[Diagnostic]
) -> list[ThreadgroupVariable]:
    found: list[ThreadgroupVariable] = []
    owners = {id(kernel.declaration): kernel.name for kernel in kernels}
    for declaration in source.walk():
        if declaration.parameters is None or declaration.body is None:
            continue
        owner = owners.get(id(declaration))
        for index in range(declaration.body[0] + 1, declaration.body[1]):
            if not source.word(index, "threadgroup") or not _starts_declaration(source, index):
                continue
            for name, end in _variables(source, index):
                token, number = source.tokens[name], len(found)
                if owner is None:
                    problems.append(_outside(source, declaration, name))
                if source.operator(end, "=") or source.operator(end, "{"):
                    message = f"threadgroup variable '{token.text}' cannot have an initializer"
                    problems.append(Diagnostic("error", token.position, message))
                edits.insert_before(name, "(&")
                edits.insert_after(name, ")")
                edits.insert_after(end - 1, f"= __msl_threadgroup<{number}>()")
                found.append(ThreadgroupVariable(number, owner or "", token.text, token.position))
    return found


def _starts_declaration(source: Source, index: int) -> bool:
    while source.word(index - 1, "const", "volatile", "static"):
        index -= 1
    if source.operator(index - 1, ")"):
        # `alignas(16) threadgroup`, or the end of `if (...)`; a cast is followed by a type and `)`.
        before = source.brackets.partner(index - 1) - 1
        return source.word(before, "alignas", "if", "for", "while", "__attribute__")
    return source.starts_statement(index)


def _variables(source: Source, start: int) -> list[tuple[int, int]]:
    """Name of each variable in a declaration, and the index behind its declarator. Pointers and references are none."""
    end = source.statement_end(start)
    found: list[tuple[int, int]] = []
    for begin, stop in source.brackets.split(start + 1, end):
        behind = begin
        name = None
        while behind < stop and not source.operator(behind, "=") and not source.operator(behind, "{"):
            if any(source.operator(behind, text) for text in ("*", "&", "&&", "(")):
                name = None
                break
            if source.word(behind):
                name = behind
                if source.operator(behind + 1, "<"):
                    closer = source.brackets.template_end(behind + 1, stop)
                    behind = closer if closer is not None else behind
            behind = source.brackets.after(behind)
        if (name is not None and name > start + 1) or (name is not None and found):
            found.append((name, behind))
    return found


def _outside(source: Source, declaration: Declaration, name: int) -> Diagnostic:
    function = source.tokens[declaration.name].text if declaration.name is not None else "this function"
    message = (
        f"threadgroup variable '{source.tokens[name].text}' in '{function}', which is no kernel; "
        "declare it in the kernel and pass a pointer"
    )
    return Diagnostic("error", source.tokens[name].position, message)
