"""Construction of vectors: `float4(a, b)`, `uint2(v)`, `short2 offset(x, y);`."""

from __future__ import annotations

from isometal.soft.msl.declarations import Source
from isometal.soft.msl.edits import Edits
from isometal.soft.msl.passes.vector_types import VectorTypes

__all__ = ["rewrite_vector_constructors"]


def rewrite_vector_constructors(source: Source, edits: Edits, vectors: VectorTypes) -> None:
    bodies = _function_bodies(source)
    for index in range(len(source.tokens)):
        if not source.word(index) or not vectors.start(index) or source.word(index - 1, "operator"):
            continue
        end = vectors.match(index)
        if end is None:
            continue
        if source.operator(end, "("):
            _construct(source, edits, index, end)
        elif source.word(end) and source.operator(end + 1, "(") and _within(bodies, index):
            _variable(source, edits, index, end)


def _construct(source: Source, edits: Edits, start: int, opener: int) -> None:
    closer = source.brackets.partner(opener)
    arguments = source.brackets.split(opener + 1, closer)
    if not arguments or _is_declarator(source, opener, closer):
        return
    edits.insert_before(start, "__msl_cast<" if len(arguments) == 1 else "__msl_vector<")
    edits.insert_after(opener - 1, ">")


def _is_declarator(source: Source, opener: int, closer: int) -> bool:
    """`float4 (*rows)[3]`: a pointer or reference to an array, or to a function."""
    if not any(source.operator(opener + 1, text) for text in ("*", "&")):
        return False
    return any(source.operator(closer + 1, text) for text in ("[", "("))


def _variable(source: Source, edits: Edits, start: int, name: int) -> None:
    """`T name(arguments);` in a function body becomes `T name = T(arguments);`."""
    opener = name + 1
    closer = source.brackets.partner(opener)
    arguments = source.brackets.split(opener + 1, closer)
    if not arguments or not (source.operator(closer + 1, ";") or source.operator(closer + 1, ",")):
        return
    first, end = arguments[0]
    if end - first > 1 and all(source.word(i) for i in range(first, min(first + 2, end))):
        return  # `float2 f(float x);` declares a function
    helper = "__msl_cast" if len(arguments) == 1 else "__msl_vector"
    edits.insert_after(name, f"= {helper}<{source.text(start, name)}>")


def _function_bodies(source: Source) -> list[tuple[int, int]]:
    bodies = []
    for declaration in source.walk():
        if declaration.parameters is not None and declaration.body is not None:
            bodies.append(declaration.body)
    return bodies


def _within(bodies: list[tuple[int, int]], index: int) -> bool:
    return any(start < index < end for start, end in bodies)
