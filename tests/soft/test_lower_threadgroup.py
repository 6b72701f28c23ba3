"""A kernel's own threadgroup variables: where they lie, and how functions that name them get there."""

from __future__ import annotations

from itertools import pairwise

from isometal.soft.ir import parse_module
from isometal.soft.lower.spaces import ThreadgroupVariable
from isometal.soft.lower.threadgroup import localise, offsets


def test_variables_are_aligned_and_apart() -> None:
    variables = [ThreadgroupVariable("@a", 4, 4), ThreadgroupVariable("@b", 32, 16), ThreadgroupVariable("@c", 2, 2)]
    places, size = offsets(variables)
    spans = sorted((places[v.name], places[v.name] + v.size) for v in variables)
    assert all(places[v.name] % v.alignment == 0 for v in variables)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    assert spans[-1][1] <= size


def test_constant_expressions_of_variables_become_instructions() -> None:
    module = parse_module(
        "@a = internal global [8 x i32] undef\n@b = internal global [8 x i32] undef\n"
        "define void @f() {\n"
        "  store i32 1, ptr getelementptr inbounds ([8 x i32], ptr @a, i64 0, i64 3), align 4\n"
        "  store i32 2, ptr @b, align 4\n"
        "  ret void\n}\n"
    )
    function = module.functions["@f"]
    localise(function, {"@a": "%local"})
    lines = [str(instruction).strip() for block in function.blocks for instruction in block.instructions]
    assert len(lines) == 4
    assert "getelementptr" in lines[0]
    assert "%local" in lines[0]
    assert "@a" not in " ".join(lines)
    name = lines[0].split()[0]
    assert name in lines[1]
    assert "@b" in lines[2]
