"""Casts: `static_cast` to a value, and a vector type in parentheses, go through helpers; clang refuses some."""

from __future__ import annotations

from isometal.soft.msl.declarations import Source
from isometal.soft.msl.edits import Edits
from isometal.soft.msl.passes.vector_types import VectorTypes
from isometal.soft.msl.tokens import Kind

__all__ = ["rewrite_casts"]

_OPERAND_OPERATORS = frozenset(["(", "-", "*", "&", "!", "~", "+", "::", "{", "++", "--"])


def rewrite_casts(source: Source, edits: Edits, vectors: VectorTypes) -> None:
    for index in range(len(source.tokens)):
        if source.word(index, "static_cast") and source.operator(index + 1, "<"):
            closer = source.brackets.template_end(index + 1)
            if closer is not None and not _is_indirect(source, index + 2, closer):
                edits.replace(index, "__msl_cast")
        elif source.operator(index, "("):
            _parenthesised(source, edits, vectors, index)


def _is_indirect(source: Source, start: int, end: int) -> bool:
    """Whether the type is a pointer or reference."""
    return any(
        source.operator(i, "*") or source.operator(i, "&") or source.operator(i, "&&") for i in range(start, end)
    )


def _parenthesised(source: Source, edits: Edits, vectors: VectorTypes, opener: int) -> None:
    end = vectors.match(opener + 1)
    closer = source.brackets.partner(opener)
    if end is None or end != closer or not _is_operand(source, closer + 1):
        return
    before = source.tokens[opener - 1] if opener else None
    if before is not None and (
        (before.kind is Kind.IDENTIFIER and before.text not in ("return", "case", "else", "do"))
        or before.text in (")", "]", ">")
    ):
        return  # a parameter list or a call
    edits.replace(opener, "__msl_cast_operator<")
    edits.replace(closer, ">()->*")


def _is_operand(source: Source, index: int) -> bool:
    if index >= len(source.tokens):
        return False
    token = source.tokens[index]
    if token.kind is Kind.OPERATOR:
        return token.text in _OPERAND_OPERATORS
    return token.kind in (Kind.IDENTIFIER, Kind.NUMBER)
