"""Matrices of a simdgroup: products in all operand types, and loads and stores with pitch, origin and transposition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from intrinsic_jit import DTYPES, operate
from intrinsic_matrices import (
    check_partial_product,
    check_product,
    compile_lanes,
    empty_column,
    from_column,
    place,
    run_lanes,
    to_column,
)

from isometal.soft.lower.intrinsics.shape import Shape

ELEMENTS = {"f32": "float", "f16": "half", "bf16": "bfloat"}
PRODUCT = "air.simdgroup_matrix_8x8_multiply_accumulate"


def product(*types: str) -> str:
    return PRODUCT + "".join(f".v64{t}" for t in types)


@pytest.mark.parametrize("types", list(itertools.product(ELEMENTS, repeat=4)), ids="-".join)
def test_products(types: tuple[str, ...]) -> None:
    check_product(product(*types), {}, seed=len("".join(types)))


@pytest.mark.parametrize("types", [("f32",) * 4, ("f32", "bf16", "f16", "f32"), ("f16",) * 4], ids="-".join)
def test_partial_products(types: tuple[str, ...]) -> None:
    for mask in (1, 0x80000000, 0x0000FFFF, 0x7FFFFFFF, 0xDEADBEEF):
        check_partial_product(product(*types), mask, {})


def test_order_of_a_product() -> None:
    """c, then the products of k = 0 to 7, each fused: exactly those bits."""
    random = np.random.default_rng(7)
    a, b, c = (random.standard_normal((8, 8)).astype(np.float32) for _ in range(3))
    wanted = c.astype(np.float64)
    for k in range(8):
        # A float product is exact in float64; the sum is rounded there, then to float: never seen to differ here.
        step = np.multiply.outer(a[:, k].astype(np.float64), b[k].astype(np.float64)) + wanted
        wanted = step.astype(np.float32).astype(np.float64)
    got = from_column(operate(product(*["f32"] * 4), Shape("f32", 2), *(to_column(m) for m in (a, b, c))))
    assert np.array_equal(got, wanted.astype(np.float32))


def test_every_lane_has_a_place_of_its_own() -> None:
    places = {(place(lane)[0], place(lane)[1] + e) for lane in range(32) for e in (0, 1)}
    assert len(places) == 64


@pytest.mark.parametrize("space", [0, 1, 3])
@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("transposed", [False, True])
def test_load_with_pitch(transposed: bool, element: str, space: int) -> None:
    memory = np.arange(40 * 24).reshape(40, 24).astype(DTYPES[element])
    name = f"air.simdgroup_matrix_8x8_load.v64{element}.p{space}{element}"
    pointer = f"ptr addrspace({space})" if space else "ptr"
    code = compile_lanes(f"declare <64 x {ELEMENTS[element]}> @{name}({pointer}, i64, <2 x i64>, i1)", True, "pitch")
    for column, row in ((0, 0), (8, 16), (3, 5)):
        got = empty_column(element)
        origin, flag = np.array([column, row], np.int64), np.array([transposed], np.uint8)
        run_lanes(code, memory, got, np.array([24], np.int64), origin, flag)
        # The origin is a column and a row of memory, transposed or not.
        plain = memory[row : row + 8, column : column + 8]
        assert np.array_equal(from_column(got), plain.T if transposed else plain)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("transposed", [False, True])
def test_store_with_pitch(transposed: bool, element: str) -> None:
    name = f"air.simdgroup_matrix_8x8_store.v64{element}.p1{element}"
    matrix = np.arange(64).reshape(8, 8).astype(DTYPES[element])
    code = compile_lanes(
        f"declare void @{name}(<64 x {ELEMENTS[element]}>, ptr addrspace(1), i64, <2 x i64>, i1)", False, "pitch"
    )
    memory = np.full((20, 12), -1).astype(DTYPES[element])
    wanted = memory.copy()
    column = empty_column(element)
    column[:] = to_column(matrix)
    flag = np.array([transposed], np.uint8)
    run_lanes(code, memory, column, np.array([12], np.int64), np.array([4, 3], np.int64), flag)
    wanted[3:11, 4:12] = matrix.T if transposed else matrix
    assert np.array_equal(memory, wanted)


def test_load_with_strides() -> None:
    """As AIR 2.8 has it: size, strides of columns and rows, origin."""
    memory = np.arange(30 * 16, dtype=np.float32).reshape(30, 16)
    name = "air.simdgroup_matrix_8x8_load.v64f32.p1f32"
    code = compile_lanes(f"declare <64 x float> @{name}(ptr, <2 x i64>, <2 x i64>, <2 x i64>)", True, "strides")
    got, size = empty_column("f32"), np.array([16, 8], np.int64)
    run_lanes(code, memory, got, size, np.array([1, 16], np.int64), np.array([2, 4], np.int64))
    assert np.array_equal(from_column(got), memory[4:12, 2:10])
    run_lanes(code, memory, got, size, np.array([16, 1], np.int64), np.array([2, 4], np.int64))
    assert np.array_equal(from_column(got), memory[2:10, 4:12].T)


@pytest.mark.parametrize("element", ELEMENTS)
def test_initial_values(element: str) -> None:
    text = ELEMENTS[element]
    value = np.array([1.5]).astype(DTYPES[element])
    for kind, wanted in (("filled", np.full((8, 8), 1.5)), ("diag", np.eye(8) * 1.5)):
        name = f"air.simdgroup_matrix_8x8_init_{kind}.v64{element}.{element}"
        column = empty_column(element)
        run_lanes(compile_lanes(f"declare <64 x {text}> @{name}({text})", True, "value"), value, column, value)
        assert np.array_equal(from_column(column).astype(np.float64), wanted)


def test_infinite_and_missing_numbers_spread() -> None:
    a, b = np.zeros((8, 8), np.float32), np.ones((8, 8), np.float32)
    a[2, 3] = np.inf
    a[5, 0] = np.nan
    got = from_column(operate(product(*["f32"] * 4), Shape("f32", 2), *(to_column(m) for m in (a, b, b))))
    assert np.isinf(got[2]).all()
    assert np.isnan(got[5]).all()
    assert (np.delete(got, [2, 5], 0) == 1).all()
