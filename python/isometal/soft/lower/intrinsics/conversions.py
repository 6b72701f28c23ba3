"""Conversions: `air.convert.TO.FROM` with optional saturation and rounding.

Floats become integers as Apple's GPUs do it: towards zero, the nearest value where there is none that large, 0 for NaN.
Integers become floats rounded to nearest, once. A number is true where it is not zero.
"""

from __future__ import annotations

import re

from isometal.soft.lower.intrinsics.builder import Value
from isometal.soft.lower.intrinsics.definition import Intrinsic
from isometal.soft.lower.intrinsics.precision import convert, widen
from isometal.soft.lower.intrinsics.shape import Shape

_NAME = re.compile(r"convert\.([fsu])\.(\w+)\.([fsu])\.(\w+?)(\.sat)?(?:\.(rte|rtz|rtp|rtn))?\Z")
# LLVM's functions that round a float to an integer in a direction.
_DIRECTIONS = {"rte": "roundeven", "rtz": "trunc", "rtp": "ceil", "rtn": "floor"}
_DOUBLE_FRACTION = 53


def find(name: str) -> Intrinsic | None:
    """A conversion by its name without `air.`."""
    match = _NAME.match(name)
    if match is None:
        return None
    to, source = Shape.from_spelling(match[2]), Shape.from_spelling(match[4])
    if to is None or source is None or to.count != source.count or "f64" in (to.element, source.element):
        return None
    if to.is_float != (match[1] == "f") or source.is_float != (match[3] == "f"):
        return None
    to_signed, source_signed = match[1] == "s", match[3] == "s"
    saturate, rounding = match[5] is not None, match[6]

    def body(value: Value) -> Value:
        if source.is_float and to.is_float:
            return _rounded(value, to.element, rounding)
        if source.is_float:
            return _to_integer(value, to, signed=to_signed, rounding=rounding)
        if to.is_float:
            return _rounded(_to_float(value, to, source_signed, rounding), to.element, rounding)
        return _between_integers(value, to, to_signed=to_signed, signed=source_signed, saturate=saturate)

    return Intrinsic(to.text, ((source.text,),), lambda call: body(call.value(0)))


def _rounded(value: Value, element: str, rounding: str | None) -> Value:
    nearest = convert(value, element)
    if rounding in (None, "rte") or nearest is value:
        return nearest
    return _towards(value, nearest, str(rounding))


def _towards(value: Value, nearest: Value, rounding: str) -> Value:
    """The neighbour in a direction where the nearest lies on the other side."""
    exact, back = widen(value, "f64"), widen(nearest, "f64")
    # Bits count up away from zero.
    bits = nearest.bits()
    outwards, inwards = bits + 1, bits - 1
    if rounding == "rtz":
        wrong, moved = back.call("fabs").compare("ogt", exact.call("fabs")), inwards
    else:
        upwards = rounding == "rtp"
        wrong = back.compare("olt" if upwards else "ogt", exact)
        negative = bits.compare("slt", 0)
        moved = negative.select(inwards, outwards) if upwards else negative.select(outwards, inwards)
    return wrong.select(moved, bits).from_bits(nearest.shape.element)


def _to_integer(value: Value, to: Shape, *, signed: bool, rounding: str | None) -> Value:
    wide = widen(value, "f32")
    if to.element == "i1":
        return wide.compare("une", 0.0)
    if rounding is not None:
        wide = wide.call(_DIRECTIONS[rounding])
    name = f"llvm.fpto{'s' if signed else 'u'}i.sat.{to.spelling}.{wide.shape.spelling}"
    return wide.builder.call(name, [wide], to)


def _to_float(value: Value, to: Shape, signed: bool, rounding: str | None) -> Value:
    """An integer as a float or double that still has to be rounded to the type wanted.

    One of more bits than a double holds keeps a sign of those it loses.
    """
    operation = "sitofp" if signed and value.shape.element != "i1" else "uitofp"
    nearest = rounding in (None, "rte")
    if value.shape.bits <= 16 or (to.element == "f32" and nearest):
        return value.cast(operation, "f32")
    if value.shape.bits > _DOUBLE_FRACTION:
        # Round to odd, as precision.py does: the bits that may get lost become one.
        lost = (1 << (value.shape.bits - _DOUBLE_FRACTION)) - 1
        odd = (value & ~lost) | (((value & lost) + lost) & (lost + 1))
        limit = 1 << _DOUBLE_FRACTION
        small = (value + limit if signed else value).compare("ult", 2 * limit if signed else limit)
        value = small.select(value, odd)
    return value.cast(operation, "f64")


def _between_integers(value: Value, to: Shape, *, to_signed: bool, signed: bool, saturate: bool) -> Value:
    if to.element == "i1":
        return value.compare("ne", 0)
    if value.shape.element == "i1":
        return value.cast("zext", to.element)
    if saturate:
        value = _saturated(value, to, to_signed=to_signed, signed=signed)
    if to.bits < value.shape.bits:
        return value.cast("trunc", to.element)
    return value.cast("sext" if signed else "zext", to.element)


def _saturated(value: Value, to: Shape, *, to_signed: bool, signed: bool) -> Value:
    """The nearest value of the other type, where that can be smaller."""
    bits = value.shape.bits
    low = -(1 << (to.bits - 1)) if to_signed else 0
    high = (1 << (to.bits - 1)) - 1 if to_signed else (1 << to.bits) - 1
    if signed and low > -(1 << (bits - 1)):
        value = value.call("smax", low)
    if high < ((1 << (bits - 1)) - 1 if signed else (1 << bits) - 1):
        value = value.call("smin" if signed else "umin", high)
    return value
