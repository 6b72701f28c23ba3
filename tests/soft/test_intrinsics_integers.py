"""Functions of integers of every width and signedness, scalars and vectors, against Python's integers."""

from __future__ import annotations

import numpy as np
import pytest
from intrinsic_checks import check_bits, check_integers
from intrinsic_jit import apply
from intrinsic_numbers import SIGNED, UNSIGNED

WIDTHS = ["i8", "i16", "i32", "i64"]
VECTORS = {"v2i32": "<2 x i32>", "v3i16": "<3 x i16>", "v4i8": "<4 x i8>"}


def declaration(operation: str, sign: str | None, spelling: str, arity: int) -> str:
    type_ = VECTORS.get(spelling, spelling)
    prefix = f"{sign}." if sign else ""
    return f"declare {type_} @air.{operation}.{prefix}{spelling}({', '.join([type_] * arity)})"


@pytest.mark.parametrize("spelling", [*WIDTHS, *VECTORS])
@pytest.mark.parametrize("sign", ["s", "u"])
@pytest.mark.parametrize("operation", SIGNED)
def test_signed(operation: str, sign: str, spelling: str) -> None:
    text = declaration(operation, sign, spelling, SIGNED[operation][0])
    check_integers(text, operation, sign, spelling, {})


@pytest.mark.parametrize("spelling", [*WIDTHS, *VECTORS])
@pytest.mark.parametrize("operation", UNSIGNED)
def test_unsigned(operation: str, spelling: str) -> None:
    text = declaration(operation, None, spelling, UNSIGNED[operation][0])
    check_integers(text, operation, None, spelling, {})


@pytest.mark.parametrize("spelling", WIDTHS)
@pytest.mark.parametrize("operation", ["clz", "ctz"])
def test_zero_counts_as_declared_by_apple(operation: str, spelling: str) -> None:
    check_integers(f"declare {spelling} @air.{operation}.{spelling}({spelling}, i1)", operation, None, spelling, {})


@pytest.mark.parametrize("spelling", WIDTHS)
@pytest.mark.parametrize("sign", ["s", "u"])
@pytest.mark.parametrize("operation", ["extract_bits", "insert_bits"])
def test_bit_fields(operation: str, sign: str, spelling: str) -> None:
    values = f"{spelling}, {spelling}" if operation == "insert_bits" else spelling
    text = f"declare {spelling} @air.{operation}.{sign}.{spelling}({values}, i32, i32)"
    check_bits(text, operation, sign, spelling, {})


def test_bit_fields_beyond_the_type() -> None:
    """Undefined in Metal, so whatever comes out must come out every time: nothing there, nothing inserted."""
    x, huge = np.array([-1, 5], np.int32), np.array([40, -1], np.int32)
    got = apply("declare i32 @air.extract_bits.u.i32(i32, i32, i32)", x, huge, np.full(2, 4, np.int32))
    assert np.array_equal(got, [0, 0])
    got = apply("declare i32 @air.insert_bits.u.i32(i32, i32, i32, i32)", x, x, huge, np.full(2, 4, np.int32))
    assert np.array_equal(got, x)


@pytest.mark.parametrize("sign", ["s", "u"])
def test_products_of_24_bits(sign: str) -> None:
    x, y, z = (np.array(v, np.int32) for v in ([0x7FFFFF, -5, 0x1000003], [2, 7, 3], [1, 1, 1]))
    low = [0xFFFFFE, -35, 9] if sign == "s" else [0xFFFFFE, (0xFFFFFB * 7) & 0xFFFFFFFF, 9]
    expected = np.array(low, np.int64).astype(np.int32)
    assert np.array_equal(apply(declaration("mul24", sign, "i32", 2), x, y), expected)
    assert np.array_equal(apply(declaration("mad24", sign, "i32", 3), x, y, z), expected + 1)


def test_all_and_any() -> None:
    truth = np.array([[a, b, c, 0] for a in (0, 1) for b in (0, 1) for c in (0, 1)], np.uint8)
    assert np.array_equal(apply("declare i1 @air.all.v3i1(<3 x i1>)", truth), truth[:, :3].all(1))
    assert np.array_equal(apply("declare i1 @air.any.v3i1(<3 x i1>)", truth), truth[:, :3].any(1))
