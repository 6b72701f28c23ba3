"""The product of 8x8 matrices of a simdgroup: D = A B + C.

In a column a matrix is four blocks of 4x4 elements, row by row (the lanes' places, see matrices.py, in order). So a
block of D is a vector of 16, to which each of eight steps adds a column of A, spread over its rows, times a row of B,
repeated: splats within 128 bits, broadcasts and fused multiply-adds on every target.

Each element is fma(a7, b7, ... fma(a0, b0, c)) in float; half and bfloat results are rounded at the end. Without fused
multiply-add, products are rounded too.
"""

from __future__ import annotations

import re

from isometal.soft.lower.intrinsics.builder import Builder, Value
from isometal.soft.lower.intrinsics.columns import LANES, MASK, OUT, Columns
from isometal.soft.lower.intrinsics.definition import ANY_SUBNORMALS
from isometal.soft.lower.intrinsics.precision import narrow, widen
from isometal.soft.lower.intrinsics.shape import Shape

_NAME = re.compile(r"simdgroup_matrix_8x8_multiply_accumulate" + r"\.v64(f16|bf16|f32)" * 4 + r"\Z")
_SIDE = 4  # of a block
_BLOCK = _SIDE * _SIDE
_PAIR = 2  # elements of a matrix that a lane has
_OPERANDS = ("%a0", "%a1", "%a2")


def matches(name: str) -> bool:
    """Whether a name, without `air.`, is of this family."""
    return _NAME.match(name) is not None


def write(name: str, columns: Columns) -> frozenset[str]:
    """Write the operation of that name, without `air.`; the result is the helper functions that it calls."""
    match = _NAME.match(name)
    assert match is not None, name
    result, *operands = match.groups()
    spelling = name.removeprefix("simdgroup_matrix_8x8_")
    whole, partial = f"isometal.{spelling}", f"isometal.partial.{spelling}"
    arguments = ", ".join(f"ptr {p}" for p in (OUT, *_OPERANDS))
    columns.builder.lines += [
        f"%all = icmp eq i32 {MASK}, -1",
        "br i1 %all, label %whole, label %part",
        "whole:",
        f'call void @"{whole}"({arguments})',
        "br label %done",
        "part:",
        f'call void @"{partial}"({arguments}, i32 {MASK})',
        "br label %done",
        "done:",
    ]
    return frozenset(
        (
            _whole(whole, columns.builder, result, operands),
            _partial(partial, whole, columns, result, operands),
        )
    )


def _function(name: str, builder: Builder, attributes: str, mask: str = "") -> str:
    parameters = ", ".join([f"ptr noalias {OUT}", *(f"ptr readonly {p}" for p in _OPERANDS)])
    body = "\n".join(builder.lines)
    attributes += f" nounwind {ANY_SUBNORMALS}"
    return f'define internal void @"{name}"({parameters}{mask}) {attributes} {{\n{body}\nret void\n}}'


def _whole(name: str, outer: Builder, result: str, operands: list[str]) -> str:
    builder = Builder(outer.features)
    a = _load_blocks(builder, "%a0", operands[0])
    b = _load_rows(builder, "%a1", operands[1])
    accumulators = _load_blocks(builder, "%a2", operands[2])
    for step in range(2 * _SIDE):
        half, line = divmod(step, _SIDE)
        for block in range(4):
            up, left = divmod(block, 2)
            spread = builder.shuffle(a[2 * up + half], None, [_SIDE * (i // _SIDE) + line for i in range(_BLOCK)])
            repeated = builder.shuffle(b[2 * half + left][line], None, [i % _SIDE for i in range(_BLOCK)])
            accumulators[block] = _multiply_add(spread, repeated, accumulators[block])
    for block, value in enumerate(accumulators):
        builder.store(narrow(value, result), _at(builder, OUT, result, block * _BLOCK), 16)
    outer.needs |= builder.needs
    return _function(name, builder, "alwaysinline")


def _multiply_add(x: Value, y: Value, z: Value) -> Value:
    return x.call("fma", y, z) if x.builder.features.fused_multiply_add else x * y + z


def _at(builder: Builder, pointer: str, element: str, index: int) -> str:
    address = f"%{builder.fresh('at')}"
    builder.effect(f"{address} = getelementptr inbounds {Shape(element).text}, ptr {pointer}, i64 {index}")
    return address


def _load_blocks(builder: Builder, pointer: str, element: str) -> list[Value]:
    """The four blocks of a matrix as floats."""
    shape = Shape(element, _BLOCK)
    return [widen(builder.load(shape, _at(builder, pointer, element, b * _BLOCK), 16), "f32") for b in range(4)]


def _load_rows(builder: Builder, pointer: str, element: str) -> list[list[Value]]:
    """The rows of the four blocks of a matrix as floats: loaded one by one, they are broadcast on the way."""
    shape = Shape(element, _SIDE)
    return [
        [
            widen(builder.load(shape, _at(builder, pointer, element, b * _BLOCK + r * _SIDE), 8), "f32")
            for r in range(_SIDE)
        ]
        for b in range(4)
    ]


def _partial(name: str, whole: str, outer: Columns, result: str, operands: list[str]) -> str:
    """With lanes missing, which Metal leaves undefined: their elements are zeros, and stay unwritten."""
    columns = Columns(outer.features)
    builder = columns.builder
    copies = []
    for pointer, element in zip(_OPERANDS, operands, strict=True):
        pair = Shape(element, _PAIR)
        copy = f"%{builder.fresh('copy')}"
        builder.effect(f"{copy} = alloca [{LANES} x {pair.text}], align 64")
        value = columns.load(pointer, pair)
        builder.store(columns.active(pair).select(value, 0.0), copy, 64)
        copies.append(f"ptr {copy}")
    product = f"%{builder.fresh('product')}"
    pair = Shape(result, _PAIR)
    builder.effect(f"{product} = alloca [{LANES} x {pair.text}], align 64")
    builder.effect(f'call void @"{whole}"(ptr {product}, {", ".join(copies)})')
    columns.store(columns.load(product, pair), pair)
    outer.builder.needs |= builder.needs
    return _function(name, builder, "noinline cold", f", i32 {MASK}")
