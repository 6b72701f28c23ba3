"""Attributes: all go away, once the passes that need them have read them. Clang would not know Metal's."""

from __future__ import annotations

from isometal.soft.msl.declarations import Source
from isometal.soft.msl.edits import Edits

__all__ = ["remove_attributes"]


def remove_attributes(source: Source, edits: Edits) -> None:
    for index in range(len(source.tokens)):
        if source.operator(index, "[["):
            edits.remove(index, source.brackets.partner(index) + 1)
