"""simdgroup matrices as pairs: whole kernels against the reference, and instructions that look like matrices."""

from __future__ import annotations

import numpy as np
import pytest
from reference.differential import Compiled, differences, expected
from reference.generator import Generator
from reference.small import air, results

from isometal.soft import native
from isometal.soft.errors import LoweringError
from isometal.soft.ir import parse_module
from isometal.soft.lower import llvm, lower_kernel
from isometal.soft.lower.narrow import narrow_matrices

# LLVM passes the bits of half and bfloat around as integers on a processor without instructions for them.
_PLAIN = llvm.Target("x86_64-unknown-linux-gnu", "x86-64", "")
_ARM = llvm.Target("aarch64-unknown-linux-gnu", "generic", "")


def _matrix_seeds(count: int) -> list[int]:
    """The first seeds whose kernels multiply matrices of half."""
    found: list[int] = []
    seed = 0
    while len(found) < count:
        if ".v64f16." in Generator(seed).make().air:
            found.append(seed)
        seed += 1
    return found


@pytest.mark.parametrize("target", [llvm.host(), _PLAIN, _ARM], ids=["host", "plain", "arm"])
def test_products_of_half_compile_for_every_processor(target: llvm.Target) -> None:
    for seed in _matrix_seeds(3):
        case = Generator(seed).make()
        assert native.build(lower_kernel(case.air, case.kernel, case.constants, target=target).ir, target)


def _narrowed(line: str) -> str:
    parameters = "<64 x half> %m, <64 x i16> %b, <4 x i32> %v, half %h, i32 %i, i16 %s, <2 x half> %p, ptr %q"
    module = parse_module(f"define void @f({parameters}) {{\n  {line}\n  ret void\n}}\n")
    function = module.functions["@f"]
    narrow_matrices(function)
    return str(function.blocks[0].instructions[0])


_FULL = ", ".join(["half 0xH3C00", "half 0xH4000", *["half 0xH0000"] * 62])


#: What is right of the equals sign, before and after.
_NARROWED = {
    "bitcast <64 x i16> %b to <64 x half>": "bitcast <2 x i16> %b to <2 x half>",
    "extractelement <64 x half> %m, i32 1": "extractelement <2 x half> %m, i32 1",
    "insertelement <64 x half> %m, half %h, i64 0": "insertelement <2 x half> %m, half %h, i64 0",
    "insertelement <64 x half> %m, half %h, i64 2": "freeze <2 x half> %m",
    "insertelement <64 x i16> %b, i16 %s, i64 1, !dbg !1": "insertelement <2 x i16> %b, i16 %s, i64 1, !dbg !1",
    "insertelement <64 x half> zeroinitializer, half %h, i64 9": "freeze <2 x half> zeroinitializer",
    f"insertelement <64 x half> <{_FULL}>, half %h, i64 9": "freeze <2 x half> <half 0xH3C00, half 0xH4000>",
    "insertelement <64 x half> splat (half 0xH3C00), half %h, i32 63": "freeze <2 x half> splat (half 0xH3C00)",
    "shufflevector <64 x half> %m, <64 x half> poison, <2 x i32> <i32 1, i32 0>": (
        "shufflevector <2 x half> %m, <2 x half> poison, <2 x i32> <i32 1, i32 0>"
    ),
}
#: 64 is a number in these, or an element of a vector.
_AS_THEY_ARE = [
    "insertelement <4 x i32> %v, i32 64, i64 3",
    "insertelement <4 x i32> %v, i32 64, i32 %i",
    "extractelement <4 x i32> <i32 64, i32 1, i32 2, i32 3>, i32 3",
    "and i32 %i, 64",
    "add <4 x i32> %v, <i32 64, i32 64, i32 1, i32 2>",
]


@pytest.mark.parametrize(("line", "narrowed"), [*_NARROWED.items(), *zip(_AS_THEY_ARE, _AS_THEY_ARE, strict=True)])
def test_instructions(line: str, narrowed: str) -> None:
    assert _narrowed(f"%r = {line}").replace(" ", "") == f"%r = {narrowed}".replace(" ", "")


def test_a_constant_that_is_stored() -> None:
    stored = "store <2 x half> <half 0xH3C00, half 0xH4000>, ptr %q, align 4"
    assert _narrowed(f"store <64 x half> <{_FULL}>, ptr %q, align 4").replace(" ", "") == stored.replace(" ", "")


def test_elements_that_no_lane_has() -> None:
    with pytest.raises(LoweringError, match="two elements per lane"):
        _narrowed("%r = extractelement <64 x i16> %b, i64 2, !dbg !1")
    with pytest.raises(LoweringError, match="indexed by a variable"):
        _narrowed("%r = extractelement <64 x half> %m, i32 %i")


def test_elements_on_their_way_through_ones_that_no_lane_has() -> None:
    """What LLVM makes of `matrix.thread_elements() = half2(h, v[3])`."""
    poison = ["i32 poison"] * 64
    mask = {place: ", ".join([*poison[:place], "i32 3", *poison[place + 1 :]]) for place in (0, 3)}
    pick = ", ".join(["i32 0", "i32 67", *poison[2:]])
    further = ", ".join(["i32 0", "i32 1", *poison[2:]])
    module = parse_module(f"""define void @f(<4 x half> %v, <64 x half> %m) {{
  %wide = shufflevector <4 x half> %v, <4 x half> poison, <64 x i32> <{mask[3]}>
  %both = shufflevector <64 x half> %m, <64 x half> %wide, <64 x i32> <{pick}>
  %same = shufflevector <64 x half> %both, <64 x half> poison, <64 x i32> <{further}>
  ret void
}}
""")
    function = module.functions["@f"]
    narrow_matrices(function)
    assert [str(i).replace(" ", "") for i in function.blocks[0].instructions[1:6]] == [
        "%both$element0=extractelement<2xhalf>%m,i320",
        "%both$with0=insertelement<2xhalf>poison,half%both$element0,i320",
        "%both$element1=extractelement<4xhalf>%v,i323",
        "%both$with1=insertelement<2xhalf>%both$with0,half%both$element1,i321",
        "%both=freeze<2xhalf>%both$with1",
    ]
    bad = f"%r = shufflevector <64 x half> %m, <64 x half> %m, <64 x i32> <{pick}>"
    with pytest.raises(LoweringError, match="two elements per lane"):
        _narrowed(bad)


def test_the_number_64_in_a_vector_is_no_matrix() -> None:
    body = """
  %a = insertelement <4 x i32> zeroinitializer, i32 %thread_position_in_grid, i64 0
  %b = insertelement <4 x i32> %a, i32 64, i64 3
  %i = and i32 %thread_position_in_grid, 3
  %v = extractelement <4 x i32> %b, i32 %i
  %w = extractelement <4 x i32> %b, i64 3
  %s = call i32 @air.simd_sum.u.i32(i32 %w)
  %r = add i32 %s, %v
  %p = getelementptr i32, ptr addrspace(1) %out, i32 %thread_position_in_grid
  store i32 %r, ptr addrspace(1) %p, align 4
  ret void
"""
    lanes = np.arange(32)
    wanted = 64 * 32 + np.select([lanes % 4 == 0, lanes % 4 == 3], [lanes, 64], 0)
    assert results(air(body)).tolist() == wanted.tolist()


def test_matrices_of_half_against_the_reference() -> None:
    for seed in _matrix_seeds(3):
        case = Generator(seed).make()
        assert differences(expected(case), Compiled(case).run()) == []
