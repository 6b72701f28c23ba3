"""What the lanes of a simdgroup do together: air.simd_*, air.quad_* and matrix products, over dictionaries by lane.

A result that MSL leaves undefined (a lane that takes a value from one that is not active) is None.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from reference.arithmetic import signed, unsigned
from reference.memory import ReferenceFault

LANES = 32

#: Arguments of each active lane -> result of each active lane.
Collective = Callable[[dict[int, list[Any]]], dict[int, Any]]

_NAME = re.compile(r"air\.(simd|quad)_(.+?)(?:\.(?:([su])\.)?((?:v\d+)?(?:bf16|f16|f32|i8|i16|i32|i64)))?\Z")
_FOLDS: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda a, b: a + b,
    "product": lambda a, b: a * b,
    "min": min,
    "max": max,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
}
#: From the own lane and the operand to the lane that the value comes from, in a group of that size.
_SOURCES: dict[str, Callable[[int, int, int], int]] = {
    "broadcast": lambda lane, operand, size: operand,
    "shuffle": lambda lane, operand, size: operand,
    "shuffle_xor": lambda lane, operand, size: lane ^ operand,
    "shuffle_up": lambda lane, operand, size: lane - operand if lane >= operand else lane,
    "shuffle_down": lambda lane, operand, size: lane + operand if lane + operand < size else lane,
    "shuffle_rotate_up": lambda lane, operand, size: (lane - operand) % size,
    "shuffle_rotate_down": lambda lane, operand, size: (lane + operand) % size,
}


def is_threadgroup_barrier(name: str) -> bool:
    return name == "air.wg.barrier"


def collective(name: str) -> Collective | None:
    """What `name` does, None for a function of one thread."""
    if name in ("air.wg.barrier", "air.simdgroup.barrier"):
        return dict.fromkeys
    if name.startswith("air.simdgroup_matrix_8x8_multiply_accumulate."):
        return _multiply_accumulate
    match = _NAME.match(name)
    if match is None or match[2] in ("is_helper_thread",):
        return None
    scope, operation, sign, type_ = match.groups()
    element = (type_ or "i1").rpartition("v")[2].lstrip("0123456789") if type_ and type_[0] == "v" else type_ or "i1"
    inner = _operation(operation, sign == "s", element)
    size = LANES if scope == "simd" else 4

    def by_group(lanes: dict[int, list[Any]]) -> dict[int, Any]:
        results: dict[int, Any] = {}
        for start in range(0, LANES, size):
            group = {lane - start: lanes[lane] for lane in range(start, start + size) if lane in lanes}
            results.update({lane + start: value for lane, value in inner(group, size).items()})
        return results

    return by_group


def _operation(operation: str, is_signed: bool, element: str) -> Callable[[dict[int, list[Any]], int], dict[int, Any]]:
    if operation in _FOLDS:
        fold = _fold(operation, is_signed, element)

        def reduce(group: dict[int, list[Any]], size: int) -> dict[int, Any]:
            total: Any = None
            for number, lane in enumerate(group):
                total = group[lane][0] if number == 0 else fold(total, group[lane][0])
            return dict.fromkeys(group, total)

        return reduce
    if operation.startswith("prefix_"):
        _, kind, name = operation.split("_")
        fold = _fold(name, is_signed, element)
        return lambda group, size: _scan(group, fold, kind == "inclusive", int(name == "product"))
    if operation in _SOURCES:
        source = _SOURCES[operation]

        def take(group: dict[int, list[Any]], size: int) -> dict[int, Any]:
            found: dict[int, Any] = {}
            for lane, (_, operand) in group.items():
                origin = source(lane, operand, size)
                found[lane] = group[origin][0] if origin in group else None
            return found

        return take
    simple: dict[str, Callable[[dict[int, list[Any]]], dict[int, Any]]] = {
        "broadcast_first": lambda group: dict.fromkeys(group, group[min(group)][0]) if group else {},
        "any": lambda group: dict.fromkeys(group, int(any(a[0] for a in group.values()))),
        "all": lambda group: dict.fromkeys(group, int(all(a[0] for a in group.values()))),
        "ballot": lambda group: dict.fromkeys(group, sum(a[0] << lane for lane, a in group.items())),
        "active_threads_mask": lambda group: dict.fromkeys(group, sum(1 << lane for lane in group)),
        "is_first": lambda group: {lane: int(lane == min(group)) for lane in group},
    }
    if operation not in simple:
        raise ReferenceFault(f"the reference does not know the operation {operation!r}")
    chosen = simple[operation]
    return lambda group, size: chosen(group)


def _fold(operation: str, is_signed: bool, element: str) -> Callable[[Any, Any], Any]:
    """The operation on two values of the type, element by element."""
    plain = _FOLDS[operation]
    if element[0] == "i":
        bits = int(element[1:])

        def scalar(a: Any, b: Any) -> Any:
            if is_signed:
                return unsigned(plain(signed(a, bits), signed(b, bits)), bits)
            return unsigned(plain(a, b), bits)
    else:
        scalar = plain

    def fold(a: Any, b: Any) -> Any:
        if isinstance(a, tuple):
            return tuple(map(scalar, a, b))
        return scalar(a, b)

    return fold


def _scan(
    group: dict[int, list[Any]], fold: Callable[[Any, Any], Any], inclusive: bool, identity: int
) -> dict[int, Any]:
    results: dict[int, Any] = {}
    total: Any = None
    for lane, (value,) in group.items():
        if total is None:
            parts = value if isinstance(value, tuple) else (value,)
            start = tuple(type(part)(identity) for part in parts)
            total = start if isinstance(value, tuple) else start[0]
        after = fold(total, value)
        results[lane] = after if inclusive else total
        total = after
    return results


def matrix_place(lane: int) -> tuple[int, int]:
    """Row and column of a lane's first element of an 8x8 matrix; the second is right of it."""
    quad = lane // 4
    return (quad & 4) + lane // 2 % 4, (quad & 2) * 2 + lane % 2 * 2


def _multiply_accumulate(lanes: dict[int, list[Any]]) -> dict[int, Any]:
    """The product of matrices of small whole numbers, which no order of additions changes."""
    if len(lanes) != LANES:
        raise ReferenceFault("a matrix product of some lanes only")
    a, b, c = ({}, {}, {})
    for index, matrix in enumerate((a, b, c)):
        for lane, arguments in lanes.items():
            row, column = matrix_place(lane)
            matrix[row, column], matrix[row, column + 1] = arguments[index][:2]
    results: dict[int, Any] = {}
    for lane, arguments in lanes.items():
        row, column = matrix_place(lane)
        kind = type(arguments[2][0])
        pair = [
            kind(float(c[row, j]) + sum(float(a[row, k]) * float(b[k, j]) for k in range(8)))
            for j in (column, column + 1)
        ]
        results[lane] = (*pair, *[None] * 62)
    return results
