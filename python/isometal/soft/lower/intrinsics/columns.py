"""Columns: 32 lanes' values of one type in memory, as operations of a simdgroup read and write them.

Vectors of lanes are flat: the elements of lane 0, of lane 1 and so on. A lane's vector of three has a fourth element,
as in memory, that means nothing. Truth values take a byte each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from isometal.soft.lower.intrinsics.builder import Builder, Value
from isometal.soft.lower.intrinsics.definition import ANY_SUBNORMALS
from isometal.soft.lower.intrinsics.features import Features
from isometal.soft.lower.intrinsics.shape import I32, Shape

LANES = 32
QUAD = 4
_ALIGNMENT = 64
MASK = "%mask"
OUT = "%out"


@dataclass(slots=True)
class Columns:
    """The function of an operation while it is written; its mask is an i32 with bit i for lane i."""

    features: Features
    builder: Builder = field(init=False)

    def __post_init__(self) -> None:
        self.builder = Builder(self.features)

    @property
    def mask(self) -> Value:
        return self.builder.value(I32, MASK)

    def lane_numbers(self) -> Value:
        return self.builder.value(Shape("i32", LANES), _vector_literal("i32", range(LANES)))

    def active(self, shape: Shape) -> Value:
        """Which elements of a column of this type belong to active lanes."""
        lanes = self.builder.emit(f"bitcast i32 {MASK} to <{LANES} x i1>", Shape("i1", LANES))
        each = shape.lane_elements
        if each == 1:
            return lanes
        return self.builder.shuffle(lanes, None, [i // each for i in range(LANES * each)])

    def load(self, pointer: str, shape: Shape) -> Value:
        """A column as a flat vector."""
        flat = flat_shape(shape)
        if shape.element == "i1":
            stored = self.builder.load(flat.with_element("i8"), pointer, LANES)
            return stored.compare("ne", 0)
        return self.builder.load(flat, pointer, _ALIGNMENT)

    def store(self, value: Value, shape: Shape, pointer: str = OUT) -> None:
        """Write the active lanes' values."""
        stored = value.cast("zext", "i8") if shape.element == "i1" else value
        alignment = LANES if shape.element == "i1" else _ALIGNMENT
        old = self.builder.load(stored.shape, pointer, alignment)
        self.builder.store(self.active(shape).select(stored, old), pointer, alignment)

    def uniform(self, value: Value) -> Value:
        """A scalar for all lanes."""
        return self.builder.splat(value, LANES)


def flat_shape(shape: Shape) -> Shape:
    return Shape(shape.element, LANES * shape.lane_elements)


def permute(value: Value, each: int, source: Callable[[int], int]) -> Value:
    """Lane i gets the value of lane source(i); `each` elements to a lane."""
    lanes = range(value.shape.count // each)
    return value.builder.shuffle(value, None, [source(i) * each + k for i in lanes for k in range(each)])


def take(value: Value, each: int, lanes: Sequence[int]) -> Value:
    """Some lanes of a vector."""
    return value.builder.shuffle(value, None, [i * each + k for i in lanes for k in range(each)])


def operation_text(name: str, parameters: int, builder: Builder) -> str:
    """The function of an operation with that many arguments."""
    columns = [f"ptr noalias {OUT}", *(f"ptr noalias readonly %a{i}" for i in range(parameters))]
    signature = ", ".join([*columns, f"i32 {MASK}"])
    body = "\n".join(builder.lines)
    attributes = f"alwaysinline nounwind {ANY_SUBNORMALS}"
    return f'define internal void @"op.{name}"({signature}) {attributes} {{\n{body}\nret void\n}}'


def _vector_literal(element: str, numbers: Sequence[int] | range) -> str:
    return f"<{', '.join(f'{element} {n}' for n in numbers)}>"
