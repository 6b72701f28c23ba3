"""Sizes, alignments and fields of types, against LLVM's own under AIR's data layout and this machine's."""

from __future__ import annotations

import random

import pytest

from isometal.soft.ir.lexer import tokenize
from isometal.soft.ir.types import address_space, fields, layout, read_type, store_size, vector
from isometal.soft.lower import llvm

# That of Apple's compilers.
_AIR = (
    "e-p:64:64:64-i1:8:8-i8:8:8-i16:16:16-i32:32:32-i64:64:64-f32:32:32-f64:64:64-v16:16:16-v24:32:32-v32:32:32-"
    "v48:64:64-v64:64:64-v96:128:128-v128:128:128-v192:256:256-v256:256:256-v512:512:512-v1024:1024:1024-n8:16:32"
)
_SCALARS = ["i1", "i8", "i16", "i32", "i64", "half", "bfloat", "float", "double", "ptr"]


def _random_type(rng: random.Random, depth: int = 3) -> str:
    kind = rng.randrange(5) if depth else rng.randrange(2)
    if kind == 0:
        return rng.choice(_SCALARS)
    if kind == 1:
        return f"<{rng.choice([1, 2, 3, 4, 8, 16, 64])} x {rng.choice(_SCALARS)}>"
    if kind == 2:
        return f"[{rng.choice([0, 1, 2, 3, 7])} x {_random_type(rng, depth - 1)}]"
    parts = ", ".join(_random_type(rng, depth - 1) for _ in range(rng.randrange(5)))
    body = f"{{ {parts} }}" if parts else "{}"
    return f"<{body}>" if kind == 4 else body


def _llvm_layouts(types: list[str], data_layout: str) -> list[tuple[int, int]]:
    binding = llvm.binding()
    lines = [f'target datalayout = "{data_layout}"']
    lines += [f"@g{number} = external global {type_}" for number, type_ in enumerate(types)]
    module = llvm.parse("\n".join(lines))
    data = binding.create_target_data(data_layout)
    found = []
    for number in range(len(types)):
        type_ = module.get_global_variable(f"g{number}").global_value_type
        found.append((data.get_abi_size(type_), data.get_abi_alignment(type_)))
    return found


@pytest.mark.parametrize("data_layout", [_AIR, llvm.host().data_layout], ids=["air", "host"])
def test_layouts_are_those_of_llvm(data_layout: str) -> None:
    rng = random.Random(7)
    types = [_random_type(rng) for _ in range(400)]
    wrong = [
        (type_, layout(type_), expected)
        for type_, expected in zip(types, _llvm_layouts(types, data_layout), strict=True)
        if layout(type_) != expected
    ]
    assert wrong == []


def test_types_are_read_as_they_are_written() -> None:
    rng = random.Random(11)
    for _ in range(200):
        type_ = _random_type(rng)
        tokens = tokenize(f"{type_} %x")
        assert read_type(tokens, 0) == (type_, len(tokens) - 1)


@pytest.mark.parametrize("type_", ["void", "label", "metadata", "token"])
def test_what_has_no_size(type_: str) -> None:
    with pytest.raises(ValueError, match="without a size"):
        layout(type_)


def test_pointers_have_address_spaces() -> None:
    assert read_type(tokenize("ptr addrspace(3) %x"), 0) == ("ptr addrspace(3)", 5)
    assert [address_space(t) for t in ("ptr", "ptr addrspace(1)", "ptr addrspace(12)")] == [0, 1, 12]
    assert layout("ptr addrspace(3)") == (8, 8)


def test_fields_and_vectors() -> None:
    assert fields("{ i32, { float, [2 x i8] }, <{ i8, <3 x half> }> }") == (
        "i32",
        "{ float, [2 x i8] }",
        "<{ i8, <3 x half> }>",
    )
    assert fields("<{ i8, i32 }>") == ("i8", "i32")
    assert fields("[3 x { i8 }]") == ("{ i8 }",) * 3
    assert fields("{}") == ()
    assert fields("i32") is None
    assert fields("<2 x i32>") is None
    assert vector("<64 x bfloat>") == (64, "bfloat")
    assert vector("<{ i8 }>") is None
    assert vector("[2 x i8]") is None


def test_a_store_touches_no_padding_of_a_vector() -> None:
    sizes = {"<3 x float>": 12, "<3 x half>": 6, "<4 x i8>": 4, "<5 x i64>": 40, "<3 x i1>": 1, "i1": 1, "i64": 8}
    assert {type_: store_size(type_) for type_ in sizes} == sizes
    assert store_size("{ i32, i8 }") == layout("{ i32, i8 }")[0] == 8
