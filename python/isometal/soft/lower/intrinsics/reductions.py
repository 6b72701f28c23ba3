"""Sums, products, minima, maxima and prefix scans over the active lanes of a simdgroup or of its quads.

The order is fixed: lanes 16 apart are combined first, then those 8, 4, 2 and 1 apart (in a quad 2 and 1); a scan adds
the value 1 lane before, then that 2, 4, 8 and 16 before. Lanes that are not active count as the operation's neutral
element. Half and bfloat are added and multiplied as floats and rounded once, at the end.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from isometal.soft.lower.intrinsics.builder import Number, Value
from isometal.soft.lower.intrinsics.columns import LANES, QUAD, Columns, flat_shape, permute, take
from isometal.soft.lower.intrinsics.floating import maximum, minimum
from isometal.soft.lower.intrinsics.precision import narrow, widen
from isometal.soft.lower.intrinsics.shape import Shape

_NAME = re.compile(
    r"(simd|quad)_(sum|product|min|max|and|or|xor|prefix_(?:inclusive|exclusive)_(?:sum|product))\.(?:([su])\.)?(\w+)\Z"
)


@dataclass(frozen=True, slots=True)
class _Operation:
    combine: Callable[[Value, Value], Value]
    neutral: Number


def write(name: str, columns: Columns) -> bool:
    """Write the operation of that name, without `air.`; False where this family has none."""
    match = _NAME.match(name)
    if match is None:
        return False
    scope, kind, sign, shape = match[1], match[2], match[3], Shape.from_spelling(match[4])
    if shape is None or shape.element in ("i1", "f64"):
        return False
    # Only integers have a sign; and, or and xor do without.
    if shape.is_float == (sign is not None) and (shape.is_float or kind not in ("and", "or", "xor")):
        return False
    operation = _operation(kind.rpartition("_")[2], sign, shape)
    if operation is None:
        return False
    each = shape.lane_elements
    value = columns.load("%a0", shape)
    if shape.is_float:
        value = widen(value, "f32")
    value = columns.active(shape).select(value, value.coerce(operation.neutral))
    group = LANES if scope == "simd" else QUAD
    if kind.startswith("prefix"):
        value = _scan(value, each, group, operation, exclusive="exclusive" in kind)
        if kind == "prefix_exclusive_sum" and shape.is_float:
            # It starts from 0, as MSL gives the first lane, and not from -0.
            value = value + 0.0
    elif scope == "simd":
        value = _reduce(value, each, operation)
    else:
        for distance in (2, 1):
            value = operation.combine(value, permute(value, each, lambda i, d=distance: i ^ d))  # type: ignore[misc]
    columns.store(narrow(value, shape.element), shape)
    return True


def _operation(kind: str, sign: str | None, shape: Shape) -> _Operation | None:
    if shape.is_float:
        return {
            # -0 is what leaves every number as it is.
            "sum": _Operation(lambda x, y: x + y, -0.0),
            "product": _Operation(lambda x, y: x * y, 1.0),
            # Minima and maxima prefer a number to NaN.
            "min": _Operation(minimum, math.nan),
            "max": _Operation(maximum, math.nan),
        }.get(kind)
    prefix = sign or "u"
    low, high = (-(1 << (shape.bits - 1)), (1 << (shape.bits - 1)) - 1) if sign == "s" else (0, -1)
    return {
        "sum": _Operation(lambda x, y: x + y, 0),
        "product": _Operation(lambda x, y: x * y, 1),
        "min": _Operation(lambda x, y: x.call(f"{prefix}min", y), high),
        "max": _Operation(lambda x, y: x.call(f"{prefix}max", y), low),
        "and": _Operation(lambda x, y: x & y, -1),
        "or": _Operation(lambda x, y: x | y, 0),
        "xor": _Operation(lambda x, y: x ^ y, 0),
    }[kind]


def _reduce(value: Value, each: int, operation: _Operation) -> Value:
    """One value for all lanes, by halving."""
    lanes = LANES
    while lanes > 1:
        lanes //= 2
        low, high = take(value, each, range(lanes)), take(value, each, range(lanes, 2 * lanes))
        value = operation.combine(low, high)
    return take(value, each, [0] * LANES)


def _scan(value: Value, each: int, group: int, operation: _Operation, *, exclusive: bool) -> Value:
    """Each lane's combination with those before it in its group."""
    if exclusive:
        value = _shifted(value, each, group, 1, operation.neutral)
    distance = 1
    while distance < group:
        value = operation.combine(_shifted(value, each, group, distance, operation.neutral), value)
        distance *= 2
    return value


def _shifted(value: Value, each: int, group: int, distance: int, neutral: Number) -> Value:
    """Values from `distance` lanes before, the neutral element where the group has no such lane."""
    flat = flat_shape(Shape(value.shape.element, each if each > 1 else 0))
    indices = []
    for lane in range(LANES):
        inside = lane % group >= distance
        for k in range(each):
            indices.append((lane - distance) * each + k if inside else flat.count)
    return value.builder.shuffle(value, value.coerce(neutral), indices)
