"""Steps of the lowering on functions of their own: matrices as pairs, threadgroup variables, calls that cannot be."""

from __future__ import annotations

from itertools import pairwise

import pytest
from reference.small import air

from isometal.soft.errors import LoweringError
from isometal.soft.ir import Function, parse_module
from isometal.soft.lower import lower_kernel
from isometal.soft.lower.narrow import narrow_matrices
from isometal.soft.lower.spaces import ThreadgroupVariable
from isometal.soft.lower.threadgroup import localise, offsets

_ALL_ZERO = ", ".join(["float 0.000000e+00"] * 62)


def _function(body: str, parameters: str = "", extra: str = "") -> Function:
    module = parse_module(f"{extra}\ndefine void @f({parameters}) {{\nentry:\n{body}\n  ret void\n}}\n")
    return next(iter(module.functions.values()))


def _lines(function: Function) -> list[str]:
    return [str(instruction).strip() for block in function.blocks for instruction in block.instructions]


def _narrowed(line: str) -> str:
    function = _function(f"  {line}", "<64 x float> %m, <2 x float> %p, float %s, i32 %i, ptr %q")
    narrow_matrices(function)
    return _lines(function)[0].replace(" ", "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%r = extractelement <64 x float> %m, i32 1", "%r = extractelement <2 x float> %m, i32 1"),
        ("%r = insertelement <64 x float> %m, float %s, i64 0", "%r = insertelement <2 x float> %m, float %s, i64 0"),
        ("%r = insertelement <64 x float> %m, float %s, i64 2", "%r = freeze <2 x float> %m"),
        (
            f"store <64 x float> <float 1.000000e+00, float 2.000000e+00, {_ALL_ZERO}>, ptr %q, align 4",
            "store <2 x float> <float 1.000000e+00, float 2.000000e+00>, ptr %q, align 4",
        ),
    ],
)
def test_matrices_become_pairs(line: str, expected: str) -> None:
    assert _narrowed(line) == expected.replace(" ", "")


@pytest.mark.parametrize(("index", "error"), [("i32 2", "two elements per lane"), ("i32 %i", "indexed by a variable")])
def test_elements_that_no_lane_has_are_refused(index: str, error: str) -> None:
    with pytest.raises(LoweringError, match=error):
        _narrowed(f"%r = extractelement <64 x float> %m, {index}")


def test_threadgroup_variables_are_aligned_and_apart() -> None:
    variables = [ThreadgroupVariable("@a", 4, 4), ThreadgroupVariable("@b", 32, 16), ThreadgroupVariable("@c", 2, 2)]
    places, size = offsets(variables)
    spans = sorted((places[v.name], places[v.name] + v.size) for v in variables)
    assert all(places[v.name] % v.alignment == 0 for v in variables)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    assert spans[-1][1] <= size


def test_constant_expressions_of_threadgroup_variables_become_instructions() -> None:
    function = _function(
        "  store i32 1, ptr getelementptr inbounds ([8 x i32], ptr @a, i64 0, i64 3), align 4\n"
        "  store i32 2, ptr @b, align 4",
        extra="@a = internal global [8 x i32] undef\n@b = internal global [8 x i32] undef",
    )
    localise(function, {"@a": "%local"})
    lines = _lines(function)
    assert len(lines) == 4
    assert "getelementptr" in lines[0]
    assert "%local" in lines[0]
    assert "@a" not in " ".join(lines)
    name = lines[0].split()[0]
    assert name in lines[1]
    assert "@b" in lines[2]


def test_recursion_is_refused() -> None:
    extra = """define i32 @g(i32 %n) noinline {
entry:
  %c = icmp eq i32 %n, 0
  br i1 %c, label %done, label %more
more:
  %m = lshr i32 %n, 1
  %a = call i32 @g(i32 %m)
  %b = mul i32 %m, 3
  %o = call i32 @g(i32 %b)
  %s = xor i32 %a, %o
  ret i32 %s
done:
  ret i32 1
}"""
    body = """entry:
  %v = call i32 @g(i32 %thread_position_in_grid)
  store i32 %v, ptr addrspace(1) %out, align 4
  ret void"""
    with pytest.raises(LoweringError, match=r"kernel 'k'.*recursi"):
        lower_kernel(air(body, extra=extra), "k", {})


def test_a_texture_argument_is_refused() -> None:
    text = air("entry:\n  ret void").replace('"air.buffer"', '"air.texture"')
    assert "air.texture" in text
    with pytest.raises(LoweringError, match="kernel 'k' has a parameter of kind 'texture'"):
        lower_kernel(text, "k", {})
