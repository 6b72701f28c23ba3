"""Types of values that intrinsics take: scalars and vectors of integers and floats, and how names spell them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_SPELLING = re.compile(r"(?:v([2-9]|[1-9]\d+))?(bf16|f16|f32|f64|i1|i8|i16|i32|i64)\Z")
_TEXT = re.compile(r"(?:<(\d+) x )?(half|bfloat|float|double|i1|i8|i16|i32|i64)(>?)\Z")
_FLOATS = {"half": "f16", "bfloat": "bf16", "float": "f32", "double": "f64"}
_ELEMENTS = {spelling: text for text, spelling in _FLOATS.items()}


@dataclass(frozen=True, slots=True)
class Shape:
    """A scalar or vector type.

    Attributes:
        element: type of an element as names spell it: f32, bf16, i8.
        count: number of elements of a vector, 0 for a scalar.
    """

    element: str
    count: int = 0

    @property
    def is_float(self) -> bool:
        return self.element[0] != "i"

    @property
    def bits(self) -> int:
        """Width of an element."""
        return int(self.element.lstrip("bfi"))

    @property
    def element_text(self) -> str:
        """The element's type as LLVM writes it."""
        return _ELEMENTS.get(self.element, self.element)

    @property
    def text(self) -> str:
        """The type as LLVM writes it."""
        return f"<{self.count} x {self.element_text}>" if self.count else self.element_text

    @property
    def spelling(self) -> str:
        """The type as LLVM's and AIR's names spell it."""
        return f"v{self.count}{self.element}" if self.count else self.element

    @property
    def integer(self) -> Shape:
        """Integers of the same width and number."""
        return self.with_element(f"i{self.bits}")

    @property
    def scalar(self) -> Shape:
        return Shape(self.element)

    def with_element(self, element: str) -> Shape:
        return replace(self, element=element)

    @property
    def lane_elements(self) -> int:
        """Elements from one lane's value to the next in a column: a vector of three takes the space of four."""
        return 4 if self.count == 3 else max(self.count, 1)

    @staticmethod
    def from_spelling(spelling: str) -> Shape | None:
        """The type that a part of a name stands for, None where it stands for none."""
        match = _SPELLING.match(spelling)
        return Shape(match[2], int(match[1] or 0)) if match else None

    @staticmethod
    def from_text(text: str) -> Shape | None:
        """The type that LLVM writes so, None for one that is no scalar or vector of numbers."""
        match = _TEXT.match(text)
        if match is None or (match[1] is None) != (match[3] == ""):
            return None
        return Shape(_FLOATS.get(match[2], match[2]), int(match[1] or 0))


I1 = Shape("i1")
I8 = Shape("i8")
I16 = Shape("i16")
I32 = Shape("i32")
I64 = Shape("i64")
F32 = Shape("f32")
F64 = Shape("f64")
