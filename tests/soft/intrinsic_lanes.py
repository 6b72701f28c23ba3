"""What the functions of a simdgroup's lanes should give, lane by lane in plain Python.

`check(name, mask)` runs one on random columns and compares the active lanes with the model, the others with the poison
that was there before.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from intrinsic_jit import DTYPES, LANES, POISON, operate
from intrinsic_numbers import limits, read
from intrinsic_values import Array, element_of

from isometal.soft.lower.intrinsics.shape import Shape

FULL_MASK = 0xFFFFFFFF
Options = dict[str, Any]
Lane = list[Any]  # one element of each lane

_REDUCE = re.compile(
    r"air\.(simd|quad)_(sum|product|min|max|and|or|xor|prefix_(?:in|ex)clusive_(?:sum|product))\.(?:([su])\.)?(\w+)\Z"
)
_SHUFFLE = re.compile(r"air\.(simd|quad)_((?:broadcast|shuffle)\w*)\.(?:([su])\.)?(\w+)\Z")
_VOTE = re.compile(r"air\.(simd|quad)_(any|all|ballot|active_threads_mask|is_first)(?:\.i64)?\Z")


def masks(seed: int, count: int = 12) -> list[int]:
    """Full, single lanes, halves, almost empty and random sets of lanes."""
    random = np.random.default_rng(seed)
    fixed = [FULL_MASK, 1, 1 << 31, 1 << 13, 0xFFFF, 0xFFFF0000, 0x55555555, 0x80000001, 0x00F00000]
    return fixed + [int(m) for m in random.integers(1, 1 << 32, count)]


def column(spelling: str, random: np.random.Generator, *, exact: bool) -> Array:
    """Random values of a type, (32,) or (32, elements). Exact ones are small integers, so sums do not round."""
    count, element = element_of(spelling)
    shape = (LANES, 4 if count == 3 else count) if count else (LANES,)
    dtype = DTYPES[element]
    if element[0] != "i":
        values = random.integers(-3, 4, shape) if exact else random.uniform(-2, 2, shape)
        return values.astype(np.float32).astype(dtype)
    bits = int(element[1:])
    low, high = limits(bits, True)
    return random.integers(low, high + 1, shape, dtype=np.int64).astype(dtype)


def elements(values: Array, count: int) -> list[Array]:
    """The columns of each element of a vector."""
    return [values[:, k] for k in range(count)] if count else [values]


def assert_lanes(name: str, got: Array, wanted: list[Lane], mask: int, count: int) -> None:
    """Active lanes have the wanted values, bit by bit; the others have kept their poison."""
    assert mask
    for lane in range(LANES):
        row = got[lane : lane + 1]
        if not mask >> lane & 1:
            assert (row.view(np.uint8) == POISON).all(), f"{name}: lane {lane} is not in {mask:#010x} but was written"
            continue
        for element, values in zip(elements(got, count), wanted, strict=True):
            value, expected = element[lane], np.asarray(values[lane]).astype(got.dtype)
            same = value == expected or (value != value and expected != expected)
            assert same, f"{name} with {mask:#010x}: lane {lane} has {value!r}, not {expected!r}"


def group_of(scope: str, lane: int) -> range:
    size = LANES if scope == "simd" else 4
    return range(lane // size * size, lane // size * size + size)


def _minimum(x: float, y: float) -> float:
    return y if math.isnan(x) or y < x else x


def _maximum(x: float, y: float) -> float:
    return y if math.isnan(x) or y > x else x


_COMBINE: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda x, y: x + y,
    "product": lambda x, y: x * y,
    "min": _minimum,
    "max": _maximum,
    "and": lambda x, y: x & y,
    "or": lambda x, y: x | y,
    "xor": lambda x, y: x ^ y,
}


def _numbers(values: Array, sign: str | None) -> Lane:
    if values.dtype.kind != "i":
        return [float(v) for v in values]
    return [read(int(v), values.dtype.itemsize * 8, sign == "s") for v in values]


def _wrapped(value: Any, dtype: np.dtype[Any]) -> Any:
    return read(value, dtype.itemsize * 8, True) if dtype.kind == "i" else value


def check_reduction(name: str, mask: int, options: Options, seed: int = 0) -> None:
    match = _REDUCE.match(name)
    assert match is not None
    scope, kind, sign, spelling = match[1], match[2], match[3], match[4]
    count, element = element_of(spelling)
    random = np.random.default_rng(seed)
    operation = kind.rpartition("_")[2]
    values = column(spelling, random, exact=operation == "sum")
    if operation == "product" and element[0] != "i":
        # Powers of two: products are exact.
        values = np.exp2(random.integers(-1, 2, values.shape)).astype(np.float32).astype(values.dtype)
    if operation in ("min", "max") and element[0] != "i":
        values[random.integers(0, LANES, 5)] = np.nan
    got = operate(name, Shape(element, count), values, mask=mask, **options)
    combine = _COMBINE[operation]
    wanted = []
    for each in elements(values, count):
        numbers = _numbers(each, sign)
        results: Lane = []
        for lane in range(LANES):
            active = [i for i in group_of(scope, lane) if mask >> i & 1]
            if kind.startswith("prefix"):
                active = [i for i in active if i < lane or ("inclusive" in kind and i == lane)]
            neutral = {"sum": 0, "product": 1}.get(operation)
            chosen = [numbers[i] for i in active]
            results.append(_wrapped(reduce(combine, chosen) if chosen else neutral or 0, each.dtype))
        wanted.append(results)
    assert_lanes(name, got, wanted, mask, count)


def _source(kind: str, lane: int, base: int, size: int, operand: int, mask: int) -> int:
    """The lane that a shuffle reads from, before it is known to be active."""
    within = lane - base
    number = {
        "broadcast": operand,
        "shuffle": operand,
        "shuffle_up": within - operand,
        "shuffle_down": within + operand,
        "shuffle_xor": within ^ operand,
        "shuffle_rotate_up": (within - operand) % size,
        "shuffle_rotate_down": (within + operand) % size,
    }[kind]
    source = base + number
    return source if 0 <= number < size and mask >> source & 1 else lane


def _filled(kind: str, lane: int, delta: int, modulo: int, mask: int) -> tuple[int, bool]:
    """The lane and whether it is the filling value's."""
    base = lane // modulo * modulo
    number = lane - base + (-delta if kind.endswith("up") else delta)
    from_fill = not 0 <= number < modulo
    if from_fill:
        number += modulo if kind.endswith("up") else -modulo
    source = base + number
    if not 0 <= number < modulo or not mask >> source & 1:
        return lane, False
    return source, from_fill


def check_shuffle(name: str, mask: int, options: Options, seed: int = 0) -> None:
    """With a number of lanes that all have in common, and with one for each."""
    match = _SHUFFLE.match(name)
    assert match is not None
    scope, kind, spelling = match[1], match[2], match[4]
    count, element = element_of(spelling)
    size = LANES if scope == "simd" else 4
    random = np.random.default_rng(seed)
    for common in (True, False):
        data, fill = (column(spelling, random, exact=False) for _ in range(2))
        operand = random.integers(0, size + 3, LANES).astype(np.int16)
        if common:
            operand[:] = operand[0] % size
        modulos = [m for m in (2, 4, 8, 16, 32) if m <= size]
        modulo = np.full(LANES, random.choice(modulos), np.int16)
        wanted: list[Lane] = [[] for _ in range(count or 1)]
        for lane in range(LANES):
            base = group_of(scope, lane).start
            from_fill = False
            if kind == "broadcast_first":
                active = [i for i in group_of(scope, lane) if mask >> i & 1]
                source = active[0] if active else lane
            elif "fill" in kind:
                source, from_fill = _filled(kind, lane, int(operand[lane]), int(modulo[lane]), mask)
            else:
                source = _source(kind, lane, base, size, int(operand[lane]), mask)
            origin = fill if from_fill else data
            for k, each in enumerate(elements(origin, count)):
                wanted[k].append(each[source])
        columns = [data]
        if "fill" in kind:
            columns += [fill, operand, modulo]
        elif kind != "broadcast_first":
            columns.append(operand)
        got = operate(name, Shape(element, count), *columns, mask=mask, **options)
        assert_lanes(name, got, wanted, mask, count)


def check_vote(name: str, mask: int, options: Options, seed: int = 0) -> None:
    match = _VOTE.match(name)
    assert match is not None
    scope, kind = match[1], match[2]
    random = np.random.default_rng(seed)
    element = "i1" if kind in ("any", "all", "is_first") else "i64" if scope == "simd" else "i16"
    for chance in (0.0, 0.03, 0.5, 0.97, 1.0):
        truth = (random.random(LANES) < chance).astype(np.uint8)
        bits = int(sum(int(t) << i for i, t in enumerate(truth))) & mask
        results: Lane = []
        for lane in range(LANES):
            group = group_of(scope, lane)
            ones = ((1 << len(group)) - 1) << group.start
            vote, active = bits & ones, mask & ones
            first = (active & -active).bit_length() - 1
            number = {
                "any": vote != 0,
                "all": vote == active,
                "ballot": vote >> group.start,
                "active_threads_mask": active >> group.start,
                "is_first": first == lane,
            }[kind]
            results.append(int(number))
        columns = [truth] if kind in ("any", "all", "ballot") else []
        got = operate(name, Shape(element), *columns, mask=mask, **options)
        assert_lanes(name, got, [results], mask, 0)


def find_check(name: str) -> Callable[[int, Options], None] | None:
    """The check of a rendezvous; None for one that has none here."""
    for pattern, function in ((_REDUCE, check_reduction), (_SHUFFLE, check_shuffle), (_VOTE, check_vote)):
        if pattern.match(name):
            return lambda mask, options, f=function: f(name, mask, options)  # type: ignore[misc]
    return None
