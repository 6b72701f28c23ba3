"""Reads attributes: `[[buffer(0), function_constant(has_mask)]]`."""

from __future__ import annotations

from dataclasses import dataclass

from isometal.soft.msl.declarations import Source
from isometal.soft.msl.tokens import Position

__all__ = ["Attribute", "attributes_of"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its name, and the tokens [start, end) of its argument, empty where it has none."""

    name: str
    start: int
    end: int
    position: Position


def attributes_of(source: Source, start: int, end: int) -> list[Attribute]:
    """Attributes among the tokens [start, end), those within other brackets left out."""
    found: list[Attribute] = []
    for opener, closer in source.attributes(start, end):
        for begin, stop in source.brackets.split(opener + 1, closer):
            index = begin
            while source.operator(index + 1, "::"):
                index += 2
            if index < stop and source.word(index):
                inner = (index + 2, source.brackets.partner(index + 1)) if source.operator(index + 1, "(") else (0, 0)
                found.append(Attribute(source.tokens[index].text, *inner, source.tokens[index].position))
    return found
