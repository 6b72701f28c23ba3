"""Normalised integers packed into one: `air.pack.K.vNF` and `air.unpack.K.vNF`. The first element is lowest."""

from __future__ import annotations

import re
from collections.abc import Sequence

from isometal.soft.lower.intrinsics.builder import Value
from isometal.soft.lower.intrinsics.definition import Intrinsic
from isometal.soft.lower.intrinsics.precision import narrow, widen
from isometal.soft.lower.intrinsics.shape import F32, Shape

_NAME = re.compile(r"(un)?pack\.([us]norm)(4x8|2x16|\.rgb10a2)\.(v[24]f(?:16|32))\Z")
_WIDTHS = {"4x8": (8, 8, 8, 8), "2x16": (16, 16), ".rgb10a2": (10, 10, 10, 2)}


def find(name: str) -> Intrinsic | None:
    """A packing function by its name without `air.`."""
    match = _NAME.match(name)
    if match is None:
        return None
    widths, signed = _WIDTHS[match[3]], match[2] == "snorm"
    shape = Shape.from_spelling(match[4])
    if shape is None or shape.count != len(widths):
        return None
    if match[1]:
        return Intrinsic(shape.text, (("i32",),), lambda c: _unpack(c.value(0), shape, widths, signed))
    return Intrinsic("i32", ((shape.text,),), lambda c: _pack(c.value(0), widths, signed))


def _pack(vector: Value, widths: Sequence[int], signed: bool) -> Value:
    """Each number, limited to [0, 1] or [-1, 1] and NaN to 0, times the largest integer, rounded to even."""
    builder = vector.builder
    packed = builder.constant(Shape("i32"), 0)
    place = 0
    for index, width in enumerate(widths):
        number = widen(builder.extract(vector, index), "f32")
        number = number.compare("uno", 0.0).select(number.coerce(0.0), number)
        number = number.call("maxnum", -1.0 if signed else 0.0).call("minnum", 1.0)
        scaled = (number * float(_largest(width, signed))).call("roundeven")
        bits = scaled.cast("fptosi", "i32") & ((1 << width) - 1)
        packed = packed | (bits << place)
        place += width
    return packed


def _unpack(packed: Value, shape: Shape, widths: Sequence[int], signed: bool) -> Value:
    builder = packed.builder
    numbers: list[Value] = []
    place = 0
    for width in widths:
        aligned = packed << (32 - place - width)
        number = aligned.shift_right(32 - width, signed=signed)
        value = number.cast("sitofp", F32.element) / float(_largest(width, signed))
        # The most negative integer stands for -1 as well.
        numbers.append(narrow(value.call("maxnum", -1.0) if signed else value, shape.element))
        place += width
    return builder.gather(numbers)


def _largest(width: int, signed: bool) -> int:
    return (1 << (width - 1 if signed else width)) - 1
