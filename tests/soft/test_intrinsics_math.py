"""Accuracy of the functions of floats, in every type: the bounds are data, and nothing may pass them."""

from __future__ import annotations

import numpy as np
import pytest
from intrinsic_checks import MAX_ULP, check_binary, check_fma, check_nextafter, check_ternary, check_unary
from intrinsic_floats import BINARY, TERNARY, UNARY
from intrinsic_jit import apply
from intrinsic_values import ulp_errors

ELEMENTS = {"f32": "float", "f16": "half", "bf16": "bfloat"}
VECTORS = {"v2f32": "<2 x float>", "v3f16": "<3 x half>", "v4f32": "<4 x float>", "v4bf16": "<4 x bfloat>"}
SPELLINGS = {**ELEMENTS, **VECTORS}


def declaration(operation: str, spelling: str, arity: int) -> str:
    type_ = SPELLINGS[spelling]
    return f"declare {type_} @air.{operation}.{spelling}({', '.join([type_] * arity)})"


@pytest.mark.parametrize("spelling", ELEMENTS)
@pytest.mark.parametrize("operation", UNARY)
def test_unary(operation: str, spelling: str) -> None:
    check_unary(declaration(operation, spelling, 1), operation, spelling, {}, samples=20000)


@pytest.mark.parametrize("spelling", ELEMENTS)
@pytest.mark.parametrize("operation", BINARY)
def test_binary(operation: str, spelling: str) -> None:
    check_binary(declaration(operation, spelling, 2), operation, spelling, {}, samples=20000)


@pytest.mark.parametrize("spelling", ELEMENTS)
@pytest.mark.parametrize("operation", TERNARY)
def test_ternary(operation: str, spelling: str) -> None:
    check_ternary(declaration(operation, spelling, 3), operation, spelling, {}, samples=5000)


@pytest.mark.parametrize("spelling", ELEMENTS)
def test_fma_rounds_once(spelling: str) -> None:
    check_fma(declaration("fma", spelling, 3), spelling, {})


@pytest.mark.parametrize("spelling", ELEMENTS)
def test_nextafter(spelling: str) -> None:
    check_nextafter(declaration("nextafter", spelling, 2), spelling, {})


@pytest.mark.parametrize("spelling", VECTORS)
def test_vectors(spelling: str) -> None:
    for operation in ("exp", "sin", "floor"):
        check_unary(declaration(operation, spelling, 1), operation, spelling, {})
    for operation in ("pow", "fmod", "fmin", "atan2"):
        check_binary(declaration(operation, spelling, 2), operation, spelling, {})
    check_ternary(declaration("clamp", spelling, 3), "clamp", spelling, {})
    check_fma(declaration("fma", spelling, 3), spelling, {})


@pytest.mark.parametrize("operation", ["exp", "log", "sin", "pow", "fmax", "clamp"])
def test_fast_is_precise(operation: str) -> None:
    arity = 2 if operation in BINARY else 3 if operation in TERNARY else 1
    random = np.random.default_rng(80)
    arguments = [random.uniform(0.1, 20, 1000).astype(np.float32) for _ in range(arity)]
    fast = apply(declaration(f"fast_{operation}", "f32", arity), *arguments)
    assert np.array_equal(fast, apply(declaration(operation, "f32", arity), *arguments))


@pytest.mark.parametrize("operation", ["sin", "cos", "tan"])
def test_large_arguments(operation: str) -> None:
    """From 2^20 to the largest float, where the remainder of pi needs 150 bits of it; and next to multiples of pi/2."""
    random = np.random.default_rng(81)
    exponents = random.uniform(20, 127.9, 20000)
    multiples = np.round(np.exp2(random.uniform(0, 100, 20000))) * (np.pi / 2)
    x = np.concatenate([np.exp2(exponents), multiples, [2.0**30, 2.0**31, 3.4028235e38, 16367173 * 2.0**72]])
    x = np.concatenate([x, -x]).astype(np.float32)
    truth = getattr(np, operation)(x.astype(np.float64)).astype(np.longdouble)
    errors = ulp_errors(apply(declaration(operation, "f32", 1), x), truth, "f32")
    assert errors.max() <= MAX_ULP, x[errors.argmax()]


def test_tangent_of_half_turns() -> None:
    x = np.array([0.0, 0.25, -0.25, 0.75, 1.0, -1.0, 2.0, 0.1, 1e6 + 0.25, np.inf, np.nan], np.float32)
    got = apply(declaration("tanpi", "f32", 1), x)
    expected = np.array([0, 1, -1, -1, 0, 0, 0, 0.32491970, 1, np.nan, np.nan], np.float32)
    assert np.allclose(got, expected, rtol=1e-7, atol=0, equal_nan=True)


def test_fract_stays_below_one() -> None:
    x = np.array([1.75, -1.75, -1e-9, 3.0, -0.0, np.inf, -np.inf, np.nan], np.float32)
    expected = np.array([0.75, 0.25, 1 - 2.0**-24, 0, 0, 0, 0, np.nan], np.float32)
    assert np.array_equal(apply(declaration("fract", "f32", 1), x), expected, equal_nan=True)
    tiny = np.array([-1e-7], np.float16)
    assert apply(declaration("fract", "f16", 1), tiny)[0] == np.float16(1 - 2.0**-11)


def test_interpolation() -> None:
    x, y, a = (np.array(v, np.float32) for v in ([1, 2, 0], [3, 2, 8], [0.25, 0.5, 1]))
    assert np.array_equal(apply(declaration("mix", "f32", 3), x, y, a), [1.5, 2, 8])
    low, high = np.zeros(5, np.float32), np.full(5, 2, np.float32)
    t = np.array([-1, 0, 1, 1.5, 3], np.float32)
    assert np.array_equal(apply(declaration("smoothstep", "f32", 3), low, high, t), [0, 0, 0.5, 0.84375, 1])


def test_subnormal_arguments_are_zero() -> None:
    x = np.array([1e-40, -1e-40], np.float32)
    assert np.array_equal(apply(declaration("log", "f32", 1), x), [-np.inf, -np.inf])
    assert np.array_equal(apply(declaration("rsqrt", "f32", 1), x), [np.inf, -np.inf])
    assert np.array_equal(apply(declaration("sqrt", "f32", 1), x), [0, 0])


def test_subnormal_halfs_are_numbers() -> None:
    x = np.array([2.0**-24, 3 * 2.0**-24], np.float16)
    assert np.array_equal(apply(declaration("floor", "f16", 1), -x), [-1, -1])
    assert np.array_equal(apply(declaration("fabs", "f16", 1), -x), x)
    low = np.array([-24, -24.5, -25.5], np.float16)
    assert np.array_equal(apply(declaration("exp2", "f16", 1), low), [2.0**-24, 2.0**-24, 0])
