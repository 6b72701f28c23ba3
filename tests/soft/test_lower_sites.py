"""Calls that may wait: which share a site, the columns of the frame, and what is computed anew behind a site."""

from __future__ import annotations

import pytest
from reference.small import air, results

from isometal.soft import native
from isometal.soft.ir import parse_instruction
from isometal.soft.lower import llvm, lower_kernel
from isometal.soft.lower.frame import Frame
from isometal.soft.lower.rematerialise import closure, recipes

_TWO = """
entry:
  %a = call i32 @air.simd_sum.u.i32(i32 %thread_position_in_grid)
  {}
  %b = call i32 @air.simd_max.u.i32(i32 %x)
  %c = add i32 %a, %b
  %where = getelementptr i32, ptr addrspace(1) %out, i32 %thread_position_in_grid
  store i32 %c, ptr addrspace(1) %where, align 4
  ret void
"""
_INDEPENDENT = "%x = mul i32 %thread_position_in_grid, 3"
_DEPENDENT = "%x = add i32 %a, %thread_position_in_grid"


def _two(between: str) -> str:
    """A kernel with two rendezvous, the second of %x."""
    return air(_TWO.format(between))


def _sites(between: str) -> int:
    return len(lower_kernel(_two(between), "k", {}).sites)


def test_the_same_input_gives_the_same_text() -> None:
    assert lower_kernel(_two(_DEPENDENT), "k", {}).ir == lower_kernel(_two(_DEPENDENT), "k", {}).ir


def test_independent_calls_share_a_site() -> None:
    assert _sites(_INDEPENDENT) == 2
    assert results(_two(_INDEPENDENT)).tolist() == [496 + 93] * 32


def test_a_call_that_needs_an_earlier_one_has_its_own_site() -> None:
    assert _sites(_DEPENDENT) == 3
    assert results(_two(_DEPENDENT)).tolist() == [496 + 496 + 31] * 32


def test_a_read_behind_a_write_does_not_move_into_the_site() -> None:
    between = (
        "%p = getelementptr i32, ptr addrspace(1) %out, i32 %thread_position_in_grid\n"
        "  store i32 %thread_index_in_simdgroup, ptr addrspace(1) %p, align 4\n"
        "  %x = load i32, ptr addrspace(1) %out, align 4"
    )
    assert _sites(between) == 3


@pytest.mark.parametrize(
    ("between", "sites"), [("%y = mul i32 %a, 3", 3), ("store i32 7, ptr addrspace(1) %out, align 4", 4)]
)
def test_barriers_that_order_nothing_are_dropped(between: str, sites: int) -> None:
    assert _sites(f"{between}\n  call void @air.simdgroup.barrier(i32 2, i32 4)\n  %x = add i32 %a, 1") == sites


def test_values_that_are_never_kept_together_share_a_column() -> None:
    frame = Frame()
    frame.add_columns({"%a": ("i32", {1}), "%b": ("float", {2}), "%c": ("i32", {1, 2}), "%d": ("i64", {3})})
    assert frame.columns["%a"].offset == frame.columns["%b"].offset
    assert len({frame.columns[name].offset for name in ("%a", "%c", "%d")}) == 3
    assert frame.size == 2 * 128 + 256


def test_recipes_are_arithmetic_on_what_every_region_knows() -> None:
    lines = [
        "%u = add i32 %size, 1",
        "%v = mul i32 %u, %lane",
        "%l = load i32, ptr %p, align 4",
        "%w = add i32 %l, %u",
        "%f = call i32 @f(i32 %u)",
    ]
    known = recipes(map(parse_instruction, lines), {"%size", "%p"}, {"%lane"})
    assert {name: recipe.uniform for name, recipe in known.items()} == {"%u": True, "%v": False}
    assert closure(["%v"], known) == ["%u", "%v"]


@pytest.mark.parametrize("between", [_DEPENDENT, _INDEPENDENT])
def test_object_code_for_aarch64(between: str) -> None:
    code = native.build(
        lower_kernel(_two(between), "k", {}).ir, llvm.Target("aarch64-unknown-linux-gnu", "generic", "")
    )
    assert code[:4] == b"\x7fELF"
    assert int.from_bytes(code[18:20], "little") == 183  # EM_AARCH64
