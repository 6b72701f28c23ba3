"""8x8 matrices of a simdgroup as NumPy arrays, in columns and in memory."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from intrinsic_jit import (
    DRIVER,
    DTYPES,
    LANES,
    POISON,
    Compiled,
    _argument_loads,
    aligned,
    compile_text,
    host_features,
    invoke,
    module_text,
    operate,
)
from intrinsic_values import Array

from isometal.soft.lower.intrinsics import Features, definition
from isometal.soft.lower.intrinsics.shape import Shape

Options = dict[str, Any]
_LANE_FUNCTION = "define internal i32 @isometal.lane() {\n%lane = load i32, ptr @current\nret i32 %lane\n}"
_PRODUCT = re.compile(r"air\.simdgroup_matrix_8x8_multiply_accumulate" + r"\.v64(f16|bf16|f32)" * 4 + r"\Z")


def place(lane: int) -> tuple[int, int]:
    """Row and first column of a lane's two elements, as measured (facts/air.md)."""
    quad = lane // 4
    return (quad & 4) + (lane // 2) % 4, (quad & 2) * 2 + (lane % 2) * 2


def to_column(matrix: Array) -> Array:
    return np.array([[matrix[place(lane)[0], place(lane)[1] + e] for e in (0, 1)] for lane in range(LANES)])


def from_column(column: Array) -> Array:
    matrix = np.zeros((8, 8), column.dtype)
    for lane in range(LANES):
        row, first = place(lane)
        matrix[row, first : first + 2] = column[lane]
    return matrix


def check_product(name: str, options: Options, seed: int = 0) -> None:
    """Against float64, with the bound of eight sums in float; exact where numbers are small integers."""
    match = _PRODUCT.match(name)
    assert match is not None
    result, *operands = match.groups()
    random = np.random.default_rng(seed)
    for exact in (True, False):
        matrices = [
            (random.integers(-3, 4, (8, 8)) if exact else random.standard_normal((8, 8))).astype(DTYPES[o])
            for o in operands
        ]
        got = from_column(operate(name, Shape(result, 2), *(to_column(m) for m in matrices), **options))
        a, b, c = (m.astype(np.float64) for m in matrices)
        truth = a @ b + c
        if exact:
            assert np.array_equal(got.astype(np.float64), truth), name
            continue
        # Eight roundings to float, and one to the result's type.
        size = np.abs(a) @ np.abs(b) + np.abs(c)
        last = {"f32": 0.0, "f16": 2.0**-11, "bf16": 2.0**-8}[result]
        bound = size * 8 * 2.0**-24 + np.abs(truth) * last
        assert np.all(np.abs(got.astype(np.float64) - truth) <= bound), name


def check_partial_product(name: str, mask: int, options: Options) -> None:
    """Only the active lanes are written; the others' elements count as zeros."""
    match = _PRODUCT.match(name)
    assert match is not None
    random = np.random.default_rng(mask)
    matrices = [random.integers(-3, 4, (8, 8)).astype(DTYPES[o]) for o in match.groups()[1:]]
    columns = [to_column(m) for m in matrices]
    got = operate(name, Shape(match[1], 2), *columns, mask=mask, **options)
    active = np.array([mask >> lane & 1 for lane in range(LANES)], bool)
    kept = [from_column(np.where(active[:, None], c, np.zeros_like(c))).astype(np.float64) for c in columns]
    truth = to_column(kept[0] @ kept[1] + kept[2])
    assert np.array_equal(got[active].astype(np.float64), truth[active]), name
    assert (np.ascontiguousarray(got[~active]).view(np.uint8) == POISON).all(), name


def compile_lanes(declaration: str, pointer_first: bool, layout: str, features: Features | None = None) -> Compiled:
    """A driver that runs a load or store in every lane: slots are memory, column, and the arguments of the layout."""
    found = definition(declaration, features or host_features())
    assert found is not None, declaration
    name = re.search(r"@(air\.[\w.]+)", declaration)
    matrix = re.search(r"<64 x (\w+)>", declaration)
    assert name is not None
    assert matrix is not None
    element = matrix[1]
    wide, pair = f"<64 x {element}>", f"<2 x {element}>"
    kinds = {
        "pitch": ["i64", "<2 x i64>", "i1"],
        "strides": ["<2 x i64>", "<2 x i64>", "<2 x i64>"],
        "value": [element],
        "none": [],
    }[layout]
    lines = [DRIVER, *_argument_loads(2 + len(kinds))]
    values = []
    for i, kind in enumerate(kinds):
        memory = "i8" if kind == "i1" else kind
        lines.append(f"%m{i} = load {memory}, ptr %p{i + 2}, align 2")
        if kind == "i1":
            lines.append(f"%v{i} = trunc i8 %m{i} to i1")
        values.append(f"{kind} %{'v' if kind == 'i1' else 'm'}{i}")
    lines += ["br label %loop", "loop:", "%i = phi i32 [ 0, %0 ], [ %next, %loop ]"]
    lines += ["store i32 %i, ptr @current", f"%at = getelementptr {pair}, ptr %p1, i32 %i"]
    arguments = ", ".join(["ptr %p0", *values] if layout != "value" else values)
    if pointer_first:
        lines.append(f"%w = call {wide} @{name[1]}({arguments})")
        lines.append(f"%n = shufflevector {wide} %w, {wide} poison, <2 x i32> <i32 0, i32 1>")
        lines.append(f"store {pair} %n, ptr %at")
    else:
        every = ", ".join(f"i32 {i}" if i < 2 else "i32 poison" for i in range(64))
        lines.append(f"%n = load {pair}, ptr %at")
        lines.append(f"%w = shufflevector {pair} %n, {pair} poison, <64 x i32> <{every}>")
        lines.append(f"call void @{name[1]}({wide} %w, {arguments})")
    lines += ["%next = add i32 %i, 1", "%more = icmp ult i32 %next, 32", "br i1 %more, label %loop, label %done"]
    lines += ["done:", "ret void", "}"]
    lane = "@current = internal global i32 0\n" + _LANE_FUNCTION
    needs = {n for n in found.needs if "isometal.lane" not in n}
    return compile_text(module_text([lane, found.text, "\n".join(lines)], needs))


def run_lanes(compiled: Compiled, memory: Array, column: Array, *arguments: Array) -> None:
    invoke(compiled, [memory.ctypes.data, column.ctypes.data, *(a.ctypes.data for a in arguments)])


def empty_column(element: str) -> Array:
    return aligned(LANES * 2, DTYPES[element]).reshape(LANES, 2)
