"""Every intrinsic of Apple's metallib (data/air_intrinsics.txt) against a model; unknown names are refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from intrinsic_checks import find_check
from intrinsic_jit import apply, name_of
from intrinsic_lanes import find_check as find_lane_check
from intrinsic_lanes import masks
from intrinsic_matrices import check_product, compile_lanes, empty_column, from_column, place, run_lanes

from isometal.soft.errors import LoweringError
from isometal.soft.lower.intrinsics import definition, rendezvous

DECLARATIONS = (Path(__file__).parent / "data" / "air_intrinsics.txt").read_text().splitlines()
APPLE = 224  # distinct intrinsics in MLX 0.32.4's metallib


def test_the_list_is_whole() -> None:
    assert len({name_of(d) for d in DECLARATIONS}) == len(DECLARATIONS) == APPLE


@pytest.mark.parametrize("declaration", DECLARATIONS, ids=[name_of(d)[4:] for d in DECLARATIONS])
def test_apple_intrinsic(declaration: str) -> None:
    name = name_of(declaration)
    alone, together = definition(declaration), rendezvous(name)
    assert (alone is None) != (together is None), name
    if together is not None and together.memory_flags is not None:
        assert together == rendezvous(name)
        assert together.kind == ("threadgroup" if name == "air.wg.barrier" else "simdgroup")
        assert (together.memory_flags, together.text) == (0, "")
        return
    if together is not None:
        _check_together(name)
    elif "simdgroup_matrix" in name:
        _check_matrix(declaration)
    elif "atomic" in name:
        _check_atomic_add(declaration)
    else:
        check = find_check(declaration)
        assert check is not None, f"no check for {name}"
        check({})


def _check_together(name: str) -> None:
    if "multiply_accumulate" in name:
        check_product(name, {})
        return
    check = find_lane_check(name)
    assert check is not None, f"no check for {name}"
    for mask in masks(len(name), 4):
        check(mask, {})


def _check_matrix(declaration: str) -> None:
    if "init_filled" in declaration:
        column = empty_column("f32")
        value = np.array([2.5], np.float32)
        run_lanes(compile_lanes(declaration, True, "value"), value, column, value)
        assert (column == 2.5).all()
        return
    matrix = np.arange(64, dtype=np.float32).reshape(8, 8)
    rest = np.array([8], np.int64), np.zeros(2, np.int64), np.zeros(1, np.uint8)
    column, memory = empty_column("f32"), matrix.copy()
    if "load" in declaration:
        run_lanes(compile_lanes(declaration, True, "pitch"), memory, column, *rest)
        assert np.array_equal(from_column(column), matrix)
    else:
        for lane in range(32):
            row, first = place(lane)
            column[lane] = matrix[row, first : first + 2]
        memory[:] = 0
        run_lanes(compile_lanes(declaration, False, "pitch"), memory, column, *rest)
        assert np.array_equal(memory, matrix)


def _check_atomic_add(declaration: str) -> None:
    places = np.arange(10, dtype=np.float32)
    options = [np.zeros(10, np.int32), np.full(10, 2, np.int32), np.ones(10, np.uint8)]
    old = apply(declaration, places, np.full(10, 0.5, np.float32), *options)
    assert np.array_equal(old, np.arange(10))
    assert np.array_equal(places, np.arange(10) + 0.5)


@pytest.mark.parametrize(
    "declaration",
    [
        "declare float @air.expp.f32(float)",
        "declare double @air.exp.f64(double)",
        "declare float @air.simd_sum.f32(float)",
        "declare i32 @air.min.i32(i32, i32)",
        "declare float @air.convert.f.f32.s.f32(float)",
        "declare <4 x float> @air.convert.f.v4f32.f.f16(half)",
        "declare float @air.atomic.global.mul.f32(ptr, float, i32, i32, i1)",
        "declare <5 x float> @air.exp.v5f32(<5 x float>)",
        "declare float @llvm.exp.f32(float)",
        "define float @air.exp.f32(float %x) {",
        "",
    ],
)
def test_unknown(declaration: str) -> None:
    assert definition(declaration) is None


@pytest.mark.parametrize(
    "name",
    [
        "air.exp.f32",
        "air.simd_sum.i32",
        "air.simd_sum.s.f32",
        "air.simd_and.f32",
        "air.simd_shuffle.i32",
        "air.simd_mean.f32",
        "air.simdgroup_matrix_8x8_multiply_accumulate.v64f32.v64f32.v64f32.v64f64",
        "simd_sum.f32",
    ],
)
def test_unknown_rendezvous(name: str) -> None:
    assert rendezvous(name) is None


def test_wrong_types_are_refused() -> None:
    message = re.escape("[soft] intrinsic 'air.exp.f32' is declared as half (half); it is float (float).")
    with pytest.raises(LoweringError, match=message):
        definition("declare half @air.exp.f32(half)")
    with pytest.raises(LoweringError, match=r"it is i32 \(i32\) or i32 \(i32, i1\)"):
        definition("declare i32 @air.clz.i32(i32, i32)")


@pytest.mark.parametrize(
    "declaration",
    [
        'declare noundef float @"air.exp.f32"(float noundef nofpclass(nan)) local_unnamed_addr #3',
        "declare float @air.exp.f32 ( float )",
        "  declare float @air.exp.f32(float %x)",
    ],
)
def test_declarations_in_other_words(declaration: str) -> None:
    plain = definition("declare float @air.exp.f32(float)")
    assert definition(declaration) == plain
    assert plain is not None


def test_address_spaces_and_attributes_do_not_matter() -> None:
    rest = "float noundef, i32, i32, i1 zeroext"
    spaced = f"declare float @air.atomic.local.add.f32(ptr addrspace(3) captures(none) align 4, {rest})"
    assert definition(spaced) == definition("declare float @air.atomic.local.add.f32(ptr, float, i32, i32, i1)")
    matrix = "air.simdgroup_matrix_8x8_load.v64f16.p3f16"
    tokens = f"declare < 64 x half > @{matrix} ( ptr addrspace ( 3 ) , i64 , < 2 x i64 > , i1 )"
    assert definition(tokens) is not None
