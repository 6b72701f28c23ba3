"""What lanes agree on: any, all, ballots, the active lanes and the first of them."""

from __future__ import annotations

from collections.abc import Callable

from isometal.soft.lower.intrinsics.builder import Value
from isometal.soft.lower.intrinsics.columns import LANES, QUAD, Columns
from isometal.soft.lower.intrinsics.shape import I1, I16, I64, Shape

_LANES_I32 = Shape("i32", LANES)


def _votes(columns: Columns) -> Value:
    """A bit for each active lane whose argument is true."""
    truth = columns.load("%a0", I1)
    return columns.builder.emit(f"bitcast {truth.typed} to i32", columns.mask.shape) & columns.mask


def _quads(columns: Columns, bits: Value) -> Value:
    """For each lane the four bits of its quad."""
    shifts = columns.lane_numbers() & ~(QUAD - 1)
    return columns.uniform(bits).shift_right(shifts) & ((1 << QUAD) - 1)


def _active_quads(columns: Columns) -> Value:
    return _quads(columns, columns.mask)


def _any(columns: Columns) -> Value:
    return columns.uniform(_votes(columns).compare("ne", 0))


def _all(columns: Columns) -> Value:
    return columns.uniform(_votes(columns).compare("eq", columns.mask))


def _ballot(columns: Columns) -> Value:
    return columns.uniform(_votes(columns).cast("zext", "i64"))


def _active(columns: Columns) -> Value:
    return columns.uniform(columns.mask.cast("zext", "i64"))


def _is_first(columns: Columns) -> Value:
    """The lowest set bit of the mask is the first lane's."""
    lowest = columns.mask & (0 - columns.mask)
    return columns.builder.emit(f"bitcast {lowest.typed} to <{LANES} x i1>", Shape("i1", LANES))


def _quad_any(columns: Columns) -> Value:
    return _quads(columns, _votes(columns)).compare("ne", 0)


def _quad_all(columns: Columns) -> Value:
    return _quads(columns, _votes(columns)).compare("eq", _active_quads(columns))


def _quad_ballot(columns: Columns) -> Value:
    return _quads(columns, _votes(columns)).cast("trunc", "i16")


def _quad_active(columns: Columns) -> Value:
    return _active_quads(columns).cast("trunc", "i16")


def _quad_is_first(columns: Columns) -> Value:
    bits = _active_quads(columns)
    ones = bits.builder.constant(_LANES_I32, 1)
    own = ones << (columns.lane_numbers() & (QUAD - 1))
    return (bits & (0 - bits)).compare("eq", own)


# By name: number of parameters, type of the result, formula.
_OPERATIONS: dict[str, tuple[int, Shape, Callable[[Columns], Value]]] = {
    "simd_any": (1, I1, _any),
    "simd_all": (1, I1, _all),
    "simd_ballot.i64": (1, I64, _ballot),
    "simd_active_threads_mask.i64": (0, I64, _active),
    "simd_is_first": (0, I1, _is_first),
    "quad_any": (1, I1, _quad_any),
    "quad_all": (1, I1, _quad_all),
    "quad_ballot": (1, I16, _quad_ballot),
    "quad_active_threads_mask": (0, I16, _quad_active),
    "quad_is_first": (0, I1, _quad_is_first),
}


def parameters(name: str) -> int | None:
    """Number of parameters of the function of that name, without `air.`; None where this family has none."""
    return _OPERATIONS[name][0] if name in _OPERATIONS else None


def write(name: str, columns: Columns) -> bool:
    """Write the operation of that name, without `air.`; False where this family has none."""
    if name not in _OPERATIONS:
        return False
    _, shape, formula = _OPERATIONS[name]
    columns.store(formula(columns), shape)
    return True
