"""8x8 matrices of a simdgroup: what each lane does alone. Their product is a rendezvous, see multiply.py.

A lane holds two neighbours of a row, as the first two of AIR's 64 elements; the others do not exist. Lane l = 16 r2 +
8 c2 + 4 r1 + 2 r0 + c1 (binary digits) has row 4 r2 + 2 r1 + r0 and columns 4 c2 + 2 c1 and one more.
"""

from __future__ import annotations

import re

from isometal.soft.lower.intrinsics.builder import Builder, Value
from isometal.soft.lower.intrinsics.definition import Call, Intrinsic
from isometal.soft.lower.intrinsics.shape import I32, Shape

ELEMENTS = 64
LANE = "isometal.lane"
LANE_DECLARATION = f"declare i32 @{LANE}() memory(none) nounwind willreturn"

_ACCESS = re.compile(r"simdgroup_matrix_8x8_(load|store)\.v64(f16|bf16|f32)\.p[0-3](f16|bf16|f32)\Z")
_INITIAL = re.compile(r"simdgroup_matrix_8x8_init_(filled|diag)\.v64(f16|bf16|f32)\.(f16|bf16|f32)\Z")
# How AIR describes the memory: elements per row, origin and transposition, or since AIR 2.8 size, strides and origin.
_LAYOUTS = (("i64", "<2 x i64>", "i1"), ("<2 x i64>", "<2 x i64>", "<2 x i64>"))


def find(name: str) -> Intrinsic | None:
    """A function of matrices by its name without `air.`."""
    match = _INITIAL.match(name) or _ACCESS.match(name)
    if match is None or match[2] != match[3]:
        return None
    matrix = Shape(match[2], ELEMENTS)
    element = matrix.scalar.text
    if match[1] == "filled":
        return Intrinsic(matrix.text, ((element,),), lambda c: _matrix(c.value(0), c.value(0)))
    if match[1] == "diag":
        return Intrinsic(matrix.text, ((element,),), _diagonal)
    if match[1] == "load":
        return Intrinsic(
            matrix.text, tuple(("ptr", *layout) for layout in _LAYOUTS), lambda c: _load(c, matrix), "argmem: read"
        )
    return Intrinsic("void", tuple((matrix.text, "ptr", *layout) for layout in _LAYOUTS), _store, "argmem: write")


def _matrix(first: Value, second: Value) -> Value:
    builder = first.builder
    matrix = Shape(first.shape.element, ELEMENTS)
    half = builder.emit(f"insertelement {matrix.text} poison, {first.typed}, i32 0", matrix)
    return builder.emit(f"insertelement {half.typed}, {second.typed}, i32 1", matrix)


def _place(builder: Builder) -> tuple[Value, Value]:
    """Row and first column of this lane's elements."""
    builder.needs.add(LANE_DECLARATION)
    lane = builder.emit(f"call i32 @{LANE}()", I32)
    row = (lane.shift_right(1) & 3) | (lane.shift_right(2) & 4)
    column = ((lane & 1) << 1) | (lane.shift_right(1) & 4)
    return row.cast("zext", "i64"), column.cast("zext", "i64")


def _diagonal(call: Call) -> Value:
    row, column = _place(call.builder)
    value = call.value(0)
    return _matrix(
        column.compare("eq", row).select(value, 0.0),
        (column + 1).compare("eq", row).select(value, 0.0),
    )


def _addresses(call: Call, pointer: int, element: Shape) -> list[str]:
    """Where the two elements of this lane are, for a pointer parameter that the description of the memory follows."""
    builder = call.builder
    row, column = _place(builder)
    if call.parameters[pointer + 1] == "i64":
        pitch, origin = call.value(pointer + 1), call.value(pointer + 2)
        transposed = builder.value(Shape("i1"), call.name(pointer + 3))
        across = transposed.select(pitch, 1)
        down = transposed.select(pitch.coerce(1), pitch)
        # The origin is a column and a row of memory: transposed, the matrix still begins there.
        start = builder.extract(origin, 0) + builder.extract(origin, 1) * pitch
    else:
        strides, origin = call.value(pointer + 2), call.value(pointer + 3)
        across, down = builder.extract(strides, 0), builder.extract(strides, 1)
        start = builder.extract(origin, 0) * across + builder.extract(origin, 1) * down
    first = start + column * across + row * down
    addresses = []
    for index in (first, first + across):
        address = f"%{builder.fresh('at')}"
        builder.effect(f"{address} = getelementptr {element.text}, ptr {call.name(pointer)}, {index.typed}")
        addresses.append(address)
    return addresses


def _load(call: Call, matrix: Shape) -> Value:
    addresses = _addresses(call, 0, matrix.scalar)
    return _matrix(*(call.builder.load(matrix.scalar, address) for address in addresses))


def _store(call: Call) -> None:
    matrix = call.value(0)
    for index, address in enumerate(_addresses(call, 1, matrix.shape.scalar)):
        call.builder.store(call.builder.extract(matrix, index), address)
