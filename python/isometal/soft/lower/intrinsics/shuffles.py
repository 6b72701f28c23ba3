"""Values from other lanes: shuffles, rotations, broadcasts and shifts that fill up from a second value.

The lane that a lane reads from is computed lane by lane, as the number of lanes to shift by may differ between them. A
lane that reads from one that is not active or does not exist keeps its own value; Metal leaves that undefined.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from isometal.soft.lower.intrinsics.builder import Value
from isometal.soft.lower.intrinsics.columns import LANES, OUT, QUAD, Columns
from isometal.soft.lower.intrinsics.shape import I16, I32, Shape

_NAME = re.compile(
    r"(simd|quad)_(broadcast_first|broadcast|shuffle_and_fill_up|shuffle_and_fill_down|shuffle_rotate_up|"
    r"shuffle_rotate_down|shuffle_up|shuffle_down|shuffle_xor|shuffle)\.(?:([su])\.)?(\w+)\Z"
)

# From a lane's number in its group, the operand and the group's size: the number of the lane to read, which may lie
# outside.
_Source = Callable[[Value, Value, int], Value]

_SOURCES: dict[str, _Source] = {
    "broadcast": lambda lane, operand, size: operand,
    "shuffle": lambda lane, operand, size: operand,
    "shuffle_up": lambda lane, operand, size: lane - operand,
    "shuffle_down": lambda lane, operand, size: lane + operand,
    "shuffle_xor": lambda lane, operand, size: lane ^ operand,
    "shuffle_rotate_up": lambda lane, operand, size: (lane - operand) & (size - 1),
    "shuffle_rotate_down": lambda lane, operand, size: (lane + operand) & (size - 1),
}


def parameters(name: str) -> int | None:
    """Number of parameters of the function of that name, without `air.`; None where this family has none."""
    match = _NAME.match(name)
    shape = Shape.from_spelling(match[4]) if match else None
    if match is None or shape is None or shape.element in ("i1", "f64") or shape.is_float == (match[3] is not None):
        return None
    return {"broadcast_first": 1}.get(match[2], 4 if "fill" in match[2] else 2)


def write(name: str, columns: Columns) -> bool:
    """Write the operation of that name, without `air.`; False where this family has none."""
    match = _NAME.match(name)
    if match is None or parameters(name) is None:
        return False
    shape = Shape.from_spelling(match[4])
    assert shape is not None
    group = LANES if match[1] == "simd" else QUAD
    kind = match[2]
    builder = columns.builder
    entry, loop, done = "entry", "lanes", "done"
    builder.effect(f"br label %{loop}\n{loop}:")
    following = "%following"
    # The function has no label of its own at its start: name it.
    builder.lines.insert(0, f"{entry}:")
    lane = builder.emit(f"phi i32 [ 0, %{entry} ], [ {following}, %{loop} ]", I32)
    value = _fill(columns, lane, shape, group, kind) if "fill" in kind else _other(columns, lane, shape, group, kind)
    address = _element(columns, OUT, lane, shape)
    old = builder.load(shape, address)
    builder.store(_is_active(columns, lane).select(value, old), address)
    builder.emit(f"add nuw nsw i32 {lane.name}, 1", I32, following)
    last = builder.value(I32, following).compare("eq", LANES)
    builder.effect(f"br {last.typed}, label %{done}, label %{loop}\n{done}:")
    return True


def _element(columns: Columns, pointer: str, lane: Value, shape: Shape) -> str:
    address = f"%{columns.builder.fresh('at')}"
    index = lane.cast("zext", "i64")
    columns.builder.effect(f"{address} = getelementptr inbounds {shape.text}, ptr {pointer}, {index.typed}")
    return address


def _read(columns: Columns, argument: int, lane: Value, shape: Shape) -> Value:
    return columns.builder.load(shape, _element(columns, f"%a{argument}", lane, shape))


def _operand(columns: Columns, argument: int, lane: Value) -> Value:
    return _read(columns, argument, lane, I16).cast("zext", "i32")


def _is_active(columns: Columns, lane: Value) -> Value:
    return (columns.mask.shift_right(lane) & 1).compare("ne", 0)


def _readable(columns: Columns, base: Value, lane: Value, number: Value, group: int) -> Value:
    """The lane `number` of the group that begins at `base` where it exists and is active, otherwise `lane`."""
    inside = number.compare("ult", group)
    source = base + (number & (group - 1))
    return (inside & _is_active(columns, source)).select(source, lane)


def _other(columns: Columns, lane: Value, shape: Shape, group: int, kind: str) -> Value:
    within = lane & (group - 1)
    base = lane - within
    if kind == "broadcast_first":
        mask = columns.mask.shift_right(base) & ((1 << group) - 1 if group < LANES else -1)
        first = columns.builder.emit(f"call i32 @llvm.cttz.i32({mask.typed}, i1 false)", I32)
        columns.builder.needs.add("declare i32 @llvm.cttz.i32(i32, i1)")
        return _read(columns, 0, _readable(columns, base, lane, first, group), shape)
    number = _SOURCES[kind](within, _operand(columns, 1, lane), group)
    return _read(columns, 0, _readable(columns, base, lane, number, group), shape)


def _fill(columns: Columns, lane: Value, shape: Shape, group: int, kind: str) -> Value:
    """Segments of `modulo` lanes are shifted; what they lack comes from the other end of the filling segment."""
    delta, modulo = _operand(columns, 2, lane), _operand(columns, 3, lane)
    usable = (modulo - 1).compare("ult", group)
    size = usable.select(modulo, group)
    within = lane & (size - 1)
    number = within - delta if kind.endswith("up") else within + delta
    base = lane - within
    wrapped = number + size if kind.endswith("up") else number - size
    from_data = number.compare("ult", size)
    chosen = from_data.select(number, wrapped)
    source = base + (chosen & (size - 1))
    readable = chosen.compare("ult", size) & _is_active(columns, source)
    source = readable.select(source, lane)
    data, fill = _read(columns, 0, source, shape), _read(columns, 1, source, shape)
    # What cannot be read leaves the lane's own data, which is what the source is then.
    return (readable & ~from_data).select(fill, data)
