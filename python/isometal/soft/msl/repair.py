"""Finds, in what clang says about an attempt, the places that need another rewriting because of their types."""

from __future__ import annotations

import re
from collections.abc import Sequence

from isometal.soft.msl.clang_messages import Message
from isometal.soft.msl.declarations import Source
from isometal.soft.msl.locations import Locator
from isometal.soft.msl.passes.repairs import Repairs

__all__ = ["find_repairs"]

_INFIX = (
    re.compile(r"scalar operand type has greater rank than the type of the vector elements"),
    re.compile(r"cannot convert between vector and non-scalar values"),
    re.compile(r"can't convert between vector values of different size"),
)
_CONDITIONAL = re.compile(r"incompatible operand types \('.*__(global|constant|local|private|generic) .*'\)")
_CAST = re.compile(r"(invalid conversion between ext-vector type|invalid conversion between vector type|"
                   r"(C-style|functional-style) cast from '\S+' to '\S+' is not allowed)")  # fmt: skip
_OPERATORS = frozenset("+ - * / % & | ^ << >> == != < > <= >=".split())


def find_repairs(source: Source, repairs: Repairs, messages: Sequence[Message], locator: Locator) -> None:
    """Add to `repairs` what the errors among `messages` ask for."""
    for message in messages:
        if message.severity != "error":
            continue
        index = locator.token_index(message)
        if index is None:
            continue
        text = source.tokens[index].text
        if any(pattern.search(message.text) for pattern in _INFIX) and text in _OPERATORS:
            repairs.infix.add(index)
        elif _CONDITIONAL.search(message.text) and text == "?":
            repairs.conditionals.add(index)
        elif _CAST.search(message.text):
            repairs.casts.add(index)
