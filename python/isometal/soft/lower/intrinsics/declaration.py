"""Reads `declare` lines of textual IR: an intrinsic's name and types."""

from __future__ import annotations

import re
from dataclasses import dataclass

from isometal.soft.lower.intrinsics.shape import Shape

_NAME = re.compile(r'@(?:"(air\.[^"]+)"|(air\.[\w.]+))\s*\(')
_SPACE = re.compile(r"\s*addrspace\s*\(\s*\d+\s*\)")
_TYPE = re.compile(r"<\s*\d+\s*x\s*\w+\s*>|\bptr\b|\bvoid\b|\bhalf\b|\bbfloat\b|\bfloat\b|\bdouble\b|\bi\d+\b")


@dataclass(frozen=True, slots=True)
class Declaration:
    """A declared intrinsic.

    Attributes:
        name: as in `air.exp.f32`.
        returns: type of the result as text, address spaces and attributes removed.
        parameters: types of the parameters, likewise.
    """

    name: str
    returns: str
    parameters: tuple[str, ...]

    def shape(self, index: int) -> Shape | None:
        """Type of a parameter that is a number or a vector of numbers; None for others, also where there is none."""
        return Shape.from_text(self.parameters[index]) if index < len(self.parameters) else None


def parse_declaration(line: str) -> Declaration | None:
    """A declaration of an `air.` function; None for any other line."""
    text = _SPACE.sub("", line)
    match = _NAME.search(text)
    if match is None or not text.lstrip().startswith("declare"):
        return None
    returns = _TYPE.findall(text[: match.start()])
    if not returns:
        return None
    parameters = (_TYPE.search(part) for part in _split(text[match.end() :]))
    return Declaration(
        match[1] or match[2], _tidy(returns[-1]), tuple(_tidy(found.group()) for found in parameters if found)
    )


def _split(text: str) -> list[str]:
    """What stands between the commas of a parameter list, whose ( was taken, up to its )."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        if character in "([{<":
            depth += 1
        elif character in ")]}>":
            depth -= 1
        if depth < 0 or (character == "," and depth == 0):
            parts.append(text[start:index])
            start = index + 1
        if depth < 0:
            break
    return parts


def _tidy(type_: str) -> str:
    """`< 4 x float >` as `<4 x float>`."""
    return re.sub(r"\s*>", ">", re.sub(r"<\s*", "<", re.sub(r"\s+", " ", type_)))
