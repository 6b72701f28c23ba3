"""Changes that depend on types, at places that clang pointed out in an earlier attempt (repair.py)."""

from __future__ import annotations

from dataclasses import dataclass, field

from isometal.soft.msl.declarations import Source
from isometal.soft.msl.edits import Edits

__all__ = ["Repairs", "rewrite_repairs"]


@dataclass(slots=True)
class Repairs:
    """Token indices of what is to be changed.

    `infix`: binary operators whose operands are vectors (comparison) or a vector and another scalar type (arithmetic).
    `conditionals`: `?` whose branches are class objects in different address spaces.
    `casts`: first tokens of `T(x)` that need the conversions of static_cast.
    """

    infix: set[int] = field(default_factory=set)
    conditionals: set[int] = field(default_factory=set)
    casts: set[int] = field(default_factory=set)

    def count(self) -> int:
        return len(self.infix) + len(self.conditionals) + len(self.casts)


def rewrite_repairs(source: Source, edits: Edits, repairs: Repairs) -> None:
    for index in repairs.infix:
        edits.insert_after(index, f"__msl_infix() {source.tokens[index].text}")
    for index in repairs.conditionals:
        colon = _colon(source, index)
        if colon is not None:
            edits.insert_after(index, "__msl_arm() =")
            edits.insert_after(colon, "__msl_arm() =")
    for index in repairs.casts:
        opener = _cast_opener(source, index)
        if opener is not None:
            edits.insert_before(index, "__msl_cast<")
            edits.insert_after(opener - 1, ">")


def _colon(source: Source, question: int) -> int | None:
    """Index of the `:` that belongs to a `?`."""
    depth, index = 0, question
    while index < len(source.tokens) and not source.brackets.is_closer(index):
        if source.operator(index, "?"):
            depth += 1
        elif source.operator(index, ":"):
            depth -= 1
            if depth == 0:
                return index
        elif source.operator(index, ";"):
            return None
        index = source.brackets.after(index)
    return None


def _cast_opener(source: Source, index: int) -> int | None:
    """Index of the `(` of `T(x)`, `T` starting at `index`."""
    while index < len(source.tokens):
        if source.operator(index, "("):
            return index
        if source.operator(index, "<"):
            closer = source.brackets.template_end(index)
            if closer is None:
                return None
            index = closer + 1
        elif source.word(index) or source.operator(index, "::"):
            index += 1
        else:
            return None
    return None
