"""What lanes do together, for sets of active lanes: reductions, scans, shuffles and votes."""

from __future__ import annotations

import numpy as np
import pytest
from intrinsic_jit import operate
from intrinsic_lanes import FULL_MASK, check_reduction, check_shuffle, check_vote, column, masks

from isometal.soft.lower.intrinsics import rendezvous
from isometal.soft.lower.intrinsics.shape import F32, Shape

FLOATS = ["f32", "f16", "bf16"]
INTEGERS = [f"{s}.{t}" for s in "su" for t in ("i8", "i16", "i32", "i64")]
VECTORS = ["v2f32", "v3f32", "v4f16", "u.v2i32", "s.v3i16"]
REDUCTIONS = ["sum", "product", "min", "max"]
SCANS = [f"prefix_{k}_{o}" for k in ("inclusive", "exclusive") for o in ("sum", "product")]
BITS = ["and", "or", "xor"]
SHUFFLES = ["broadcast", "shuffle", "shuffle_up", "shuffle_down", "shuffle_xor"]
ROTATIONS = ["shuffle_rotate_up", "shuffle_rotate_down", "broadcast_first"]
FILLS = ["shuffle_and_fill_up", "shuffle_and_fill_down"]
VOTES = ["any", "all", "ballot", "active_threads_mask", "is_first"]


@pytest.mark.parametrize("scope", ["simd", "quad"])
@pytest.mark.parametrize("type_", [*FLOATS, *INTEGERS, *VECTORS])
def test_reductions_and_scans(type_: str, scope: str) -> None:
    operations = REDUCTIONS + SCANS + (BITS if "i" in type_ else [])
    for number, operation in enumerate(operations):
        for mask in masks(number):
            check_reduction(f"air.{scope}_{operation}.{type_}", mask, {}, seed=mask % 1000)


@pytest.mark.parametrize("scope", ["simd", "quad"])
def test_bits_without_sign(scope: str) -> None:
    for operation in BITS:
        for mask in masks(1):
            check_reduction(f"air.{scope}_{operation}.i32", mask, {})


@pytest.mark.parametrize("scope", ["simd", "quad"])
@pytest.mark.parametrize("operation", SHUFFLES + ROTATIONS + FILLS)
def test_shuffles(operation: str, scope: str) -> None:
    for number, type_ in enumerate(["f32", "f16", "bf16", "s.i8", "u.i16", "s.i64", "u.v2i32", "v3f32", "v4f16"]):
        for mask in masks(number):
            check_shuffle(f"air.{scope}_{operation}.{type_}", mask, {}, seed=mask % 1000)


@pytest.mark.parametrize("scope", ["simd", "quad"])
@pytest.mark.parametrize("operation", VOTES)
def test_votes(operation: str, scope: str) -> None:
    suffix = ".i64" if scope == "simd" and operation in ("ballot", "active_threads_mask") else ""
    for mask in masks(2, 40):
        check_vote(f"air.{scope}_{operation}{suffix}", mask, {}, seed=mask % 1000)


def test_order_of_a_sum() -> None:
    """Lanes 16 apart first, then 8, 4, 2 and 1: the same bits on every machine."""
    values = np.random.default_rng(3).standard_normal(32).astype(np.float32) * np.float32(1e3)
    for mask in masks(4):
        active = np.array([mask >> lane & 1 for lane in range(32)], bool)
        total = np.where(active, values, np.float32(-0.0))
        while len(total) > 1:
            half = len(total) // 2
            total = total[:half] + total[half:]
        got = operate("air.simd_sum.f32", F32, values, mask=mask)
        assert (got[active] == total[0]).all()


def test_order_of_a_scan() -> None:
    values = np.random.default_rng(5).standard_normal(32).astype(np.float32) * np.float32(1e3)
    wanted = values.copy()
    for distance in (1, 2, 4, 8, 16):
        before = np.concatenate([np.full(distance, -0.0, np.float32), wanted[:-distance]])
        wanted = before + wanted
    got = operate("air.simd_prefix_inclusive_sum.f32", F32, values)
    assert np.array_equal(got, wanted)


@pytest.mark.parametrize("element", ["f16", "bf16"])
def test_short_floats_are_rounded_once(element: str) -> None:
    """32 numbers whose sum, added up in their own type, would lose most of them."""
    values = column(element, np.random.default_rng(6), exact=False)
    values[0] = 2048 if element == "f16" else 256
    total = values.astype(np.float32)
    while len(total) > 1:
        half = len(total) // 2
        total = total[:half] + total[half:]
    got = operate(f"air.simd_sum.{element}", Shape(element), values)
    assert (got == total.astype(values.dtype)[0]).all()


def test_zeros_keep_their_sign() -> None:
    negative = np.full(32, -0.0, np.float32)
    for mask in (FULL_MASK, 0xFF):
        got = operate("air.simd_sum.f32", F32, negative, mask=mask)
        assert np.signbit(got[0])


@pytest.mark.parametrize(("operation", "expected"), [("min", -3.0), ("max", 7.0)])
def test_numbers_before_nan(operation: str, expected: float) -> None:
    values = np.full(32, np.nan, np.float32)
    values[5], values[9] = -3, 7
    assert (operate(f"air.simd_{operation}.f32", F32, values) == expected).all()
    # Where all active lanes have NaN there is nothing else to give.
    assert np.isnan(operate(f"air.simd_{operation}.f32", F32, values, mask=0b11)[0])


def test_unusable_numbers_of_lanes_keep_the_own_value() -> None:
    values = np.arange(32, dtype=np.float32)
    far = np.full(32, 40, np.int16)
    for operation in ("shuffle", "shuffle_up", "shuffle_down", "broadcast"):
        assert np.array_equal(operate(f"air.simd_{operation}.f32", F32, values, far), values)
    negative = np.full(32, -1, np.int16)
    assert np.array_equal(operate("air.simd_shuffle_down.f32", F32, values, negative), values)


@pytest.mark.parametrize("modulo", [0, 33, -1])
def test_unusable_modulo_is_the_simdgroup(modulo: int) -> None:
    values, fill = np.arange(32, dtype=np.float32), np.arange(32, dtype=np.float32) + 100
    one, size = np.ones(32, np.int16), np.full(32, modulo, np.int16)
    got = operate("air.simd_shuffle_and_fill_up.f32", F32, values, fill, one, size)
    assert np.array_equal(got, [131, *range(31)])


def test_text_is_what_the_contract_says() -> None:
    found = rendezvous("air.simd_shuffle.f32")
    assert found is not None
    assert found.text.startswith('define internal void @"op.air.simd_shuffle.f32"(ptr noalias %out, ptr noalias')
    assert found.text.count("define") == 1
    assert "alwaysinline" in found.text
    assert "i32 %mask)" in found.text
