"""Program-scope variables: function constants, and redundant definitions of static members."""

from __future__ import annotations

from dataclasses import dataclass

from isometal.soft.msl.declarations import Declaration, DeclarationKind, Source
from isometal.soft.msl.diagnostics import Diagnostic
from isometal.soft.msl.edits import Edits
from isometal.soft.msl.passes.attributes_reader import attributes_of
from isometal.soft.msl.tokens import Position

__all__ = ["FunctionConstant", "rewrite_function_constants", "rewrite_static_members"]


@dataclass(frozen=True, slots=True)
class FunctionConstant:
    """`constant T name [[function_constant(index)]];`. `start`, `end`: tokens of the index expression."""

    number: int
    name: str
    start: int
    end: int
    declaration: Declaration
    position: Position


def rewrite_function_constants(source: Source, edits: Edits, problems: list[Diagnostic]) -> list[FunctionConstant]:
    """Make each an external variable, which the optimiser cannot know; ir_constants.py gives it Apple's form."""
    found: list[FunctionConstant] = []
    for declaration in source.walk():
        if declaration.kind is not DeclarationKind.VARIABLE or declaration.name is None:
            continue
        if declaration.parent is not None and declaration.parent.kind is not DeclarationKind.NAMESPACE:
            continue
        for attribute in attributes_of(source, declaration.start, declaration.end):
            if attribute.name == "function_constant":
                token = source.tokens[declaration.name]
                found.append(
                    FunctionConstant(
                        len(found), token.text, attribute.start, attribute.end, declaration, token.position
                    )
                )
                edits.insert_before(declaration.head, "extern")
                if not source.operator(declaration.end - 1, ";") or any(
                    source.operator(i, "=") or source.operator(i, "{") for i in range(declaration.name, declaration.end)
                ):
                    message = (
                        f"function constant '{token.text}' cannot have an initializer; the pipeline gives its value"
                    )
                    problems.append(Diagnostic("error", token.position, message))
                for index in range(declaration.head, declaration.name):
                    if source.word(index, "static", "constexpr", "extern", "inline"):
                        edits.replace(index, "")
                break
    return found


def rewrite_static_members(source: Source, edits: Edits) -> None:
    """Drop `constexpr constant T Class::member;`: C++17 has no use for it, and clang wants an initialiser."""
    for declaration in source.declarations:
        for inner in declaration.walk():
            name = inner.name
            if inner.kind is not DeclarationKind.VARIABLE or name is None:
                continue
            if source.operator(name - 1, "::") and source.operator(name + 1, ";"):
                edits.remove(inner.start, inner.end)
