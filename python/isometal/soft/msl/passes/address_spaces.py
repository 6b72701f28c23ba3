"""Address spaces: `device` is `__global`, `constant` `__constant`, `threadgroup` `__local`, `thread` `__private`.

Behind the parameter list of a constructor, `thread` goes away: a constructor without an address space serves all
objects but constant ones. Other member functions are passes/classes.py's business.
"""

from __future__ import annotations

from isometal.soft.msl.declarations import Declaration, DeclarationKind, Source
from isometal.soft.msl.edits import Edits

__all__ = ["SPACES", "is_constructor", "rewrite_address_spaces"]

SPACES = {"device": "__global", "constant": "__constant", "threadgroup": "__local", "thread": "__private"}
#: Words before or behind an address space that say which threads see each other's writes at once. The software device
#: has one coherent memory.
_COHERENCE = "coherent"


def rewrite_address_spaces(source: Source, edits: Edits) -> None:
    attributes = _inside_attributes(source)
    for index, token in enumerate(source.tokens):
        if index in attributes or not source.word(index):
            continue
        if token.text in SPACES:
            # In Metal, what `constant` qualifies is const.
            is_const = token.text == "constant" and not _qualifies_function(source, index)
            edits.replace(index, "const __constant" if is_const else SPACES[token.text])
        elif token.text == _COHERENCE:
            end = source.brackets.after(index + 1) if source.operator(index + 1, "(") else index + 1
            if any(source.word(place, *SPACES) for place in (index - 1, end)):
                edits.remove(index, end)
    for declaration in source.walk():
        if is_constructor(source, declaration) and declaration.parameters:
            start = declaration.parameters[1] + 1
            end = declaration.body[0] if declaration.body else declaration.end
            for index in range(start, end):
                if source.operator(index, ":") or source.operator(index, "="):
                    break
                if source.word(index, "thread"):
                    edits.replace(index, "")


def _qualifies_function(source: Source, index: int) -> bool:
    """Whether an address space stands behind a parameter list, and so is that of `this`."""
    before = index - 1
    while source.word(before, "const", "volatile", "noexcept"):
        before -= 1
    behind = index + 1
    return source.operator(before, ")") and (
        source.word(behind, "const", "noexcept", "override", "final")
        or any(source.operator(behind, text) for text in ("{", ";", ":", "=", "->", "[["))
    )


def is_constructor(source: Source, declaration: Declaration) -> bool:
    """Whether this member function is a constructor."""
    parent = declaration.parent
    return (
        declaration.kind is DeclarationKind.FUNCTION
        and parent is not None
        and parent.kind is DeclarationKind.CLASS
        and parent.name is not None
        and declaration.name is not None
        and source.tokens[declaration.name].text == source.tokens[parent.name].text
        and not source.operator(declaration.name - 1, "~")
    )


def _inside_attributes(source: Source) -> set[int]:
    inside: set[int] = set()
    for index in range(len(source.tokens)):
        if source.operator(index, "[["):
            inside.update(range(index, source.brackets.partner(index)))
    return inside
