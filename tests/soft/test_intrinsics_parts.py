"""Functions that take numbers apart or classify them, and atomic memory operations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from intrinsic_checks import MAX_ULP, check_dot, check_ldexp
from intrinsic_jit import DTYPES, apply
from intrinsic_values import FORMATS, Array, assert_close, floats, wide

TEXT = {"f32": "float", "f16": "half", "bf16": "bfloat"}


@pytest.mark.parametrize("element", TEXT)
def test_ldexp(element: str) -> None:
    check_ldexp(f"declare {TEXT[element]} @air.ldexp.{element}({TEXT[element]}, i32)", element, {})


def test_ldexp_of_vectors() -> None:
    check_ldexp("declare <3 x float> @air.ldexp.v3f32(<3 x float>, <3 x i32>)", "v3f32", {})


@pytest.mark.parametrize("spelling", ["v2f32", "v3f32", "v4f32", "v4f16", "v2bf16"])
def test_dot(spelling: str) -> None:
    scalar = TEXT[spelling[2:]]
    vector = f"<{spelling[1]} x {scalar}>"
    check_dot(f"declare {scalar} @air.dot.{spelling}({vector}, {vector})", spelling, {})


@pytest.mark.parametrize("element", TEXT)
def test_frexp(element: str) -> None:
    x = floats(element, 3000, 100)
    exponent = np.zeros(len(x), np.int32)
    got = apply(f"declare {TEXT[element]} @air.frexp.{element}({TEXT[element]}, ptr)", x, exponent)
    pairs = [math.frexp(float(v)) if math.isfinite(v) else (float(v), 0) for v in x.astype(np.float64)]
    assert np.array_equal(got.astype(np.float64), [p[0] for p in pairs], equal_nan=True)
    assert np.array_equal(np.signbit(got), np.signbit(x))
    assert np.array_equal(exponent, [p[1] for p in pairs])


@pytest.mark.parametrize("element", TEXT)
def test_ilogb(element: str) -> None:
    x = floats(element, 3000, 101)
    got = apply(f"declare i32 @air.ilogb.{element}({TEXT[element]})", x)
    for value, result in zip(x.astype(np.float64), got, strict=True):
        if value == 0:
            assert result == -(2**31)
        elif not math.isfinite(value):
            assert result == 2**31 - 1
        else:
            assert result == math.frexp(value)[1] - 1


@pytest.mark.parametrize("element", TEXT)
def test_modf(element: str) -> None:
    x = floats(element, 3000, 102, -50.0, 50.0)
    # An i32 pointer moves four bytes per element; the integral parts lie in every second half.
    step = 4 // DTYPES[element].itemsize
    whole = np.zeros(len(x) * step, DTYPES[element]).reshape(len(x), step)
    got = apply(f"declare {TEXT[element]} @air.modf.{element}({TEXT[element]}, ptr)", x, whole)
    pairs = [math.modf(float(v)) for v in x.astype(np.float64)]
    assert np.array_equal(got.astype(np.float64), [p[0] for p in pairs], equal_nan=True)
    assert np.array_equal(whole[:, 0].astype(np.float64), [p[1] for p in pairs], equal_nan=True)
    assert np.array_equal(np.signbit(got[np.isfinite(x)]), np.signbit(x[np.isfinite(x)]))


def test_sincos() -> None:
    x = floats("f32", 5000, 103, -1000.0, 1000.0)
    cosine = np.zeros(len(x), np.float32)
    sine = apply("declare float @air.sincos.f32(float, ptr)", x, cosine)
    with np.errstate(invalid="ignore"):
        assert_close(sine, np.sin(x.astype(np.float64)).astype(np.longdouble), "f32", MAX_ULP, [x], "sincos")
        assert_close(cosine, np.cos(x.astype(np.float64)).astype(np.longdouble), "f32", MAX_ULP, [x], "sincos")


@pytest.mark.parametrize("element", TEXT)
def test_classes(element: str) -> None:
    x = floats(element, 2000, 104)
    smallest = 2.0**-126
    number = wide(x)
    models: dict[str, Array] = {
        "isnan": np.isnan(number),
        "isinf": np.isinf(number),
        "isfinite": np.isfinite(number),
        "isnormal": np.isfinite(number) & (np.abs(number) >= smallest),
        "signbit": np.signbit(number),
    }
    assert FORMATS[element].low >= -126
    for operation, expected in models.items():
        got = apply(f"declare i1 @air.{operation}.{element}({TEXT[element]})", x)
        assert np.array_equal(got, expected), operation


OPTIONS = [np.zeros(6, np.int32), np.full(6, 2, np.int32), np.ones(6, np.uint8)]


def modify(operation: str, memory: Array, operand: Array, space: str = "global") -> tuple[Array, Array]:
    """Old values and memory after an atomic operation on each element."""
    places = memory.copy()
    text = {"float32": "float", "int32": "i32", "int64": "i64"}[str(memory.dtype)]
    declaration = f"declare {text} @air.atomic.{space}.{operation}(ptr, {text}, i32, i32, i1)"
    if memory.dtype.itemsize == 4:
        return apply(declaration, places, operand, *OPTIONS), places
    # Pointers of the driver move by four bytes: one element at a time.
    parts = [modify_one(declaration, places[i : i + 1], operand[i : i + 1]) for i in range(len(places))]
    return np.concatenate(parts), places


def modify_one(declaration: str, place: Array, operand: Array) -> Array:
    return apply(declaration, place, operand, *(o[:1] for o in OPTIONS))


@pytest.mark.parametrize("space", ["global", "local"])
@pytest.mark.parametrize("width", ["i32", "i64"])
@pytest.mark.parametrize("sign", ["s", "u"])
def test_atomic_integers(sign: str, width: str, space: str) -> None:
    dtype: Any = DTYPES[width]
    memory = np.array([5, -7, 0, 2 ** (int(width[1:]) - 1) - 1, -1, 12], np.int64).astype(dtype)
    operand = np.array([3, 9, -1, 1, 2, 10], dtype)
    unsigned = np.dtype(f"u{dtype.itemsize}")
    a, b = (memory, operand) if sign == "s" else (memory.view(unsigned), operand.view(unsigned))
    with np.errstate(over="ignore"):
        models = {
            "add": a + b,
            "sub": a - b,
            "min": np.minimum(a, b),
            "max": np.maximum(a, b),
            "and": a & b,
            "or": a | b,
            "xor": a ^ b,
        }
    for operation, expected in models.items():
        old, now = modify(f"{operation}.{sign}.{width}", memory, operand, space)
        assert np.array_equal(old, memory), operation
        assert np.array_equal(now, expected.view(dtype)), operation
    old, now = modify(f"xchg.{width}", memory, operand, space)
    assert np.array_equal(old, memory)
    assert np.array_equal(now, operand)


def test_atomic_floats() -> None:
    memory = np.array([1.5, -2, 0, 8, np.inf, 3], np.float32)
    operand = np.array([0.25, 5, -1, 8, 1, -3], np.float32)
    models = {
        "add": memory + operand,
        "sub": memory - operand,
        "min": np.minimum(memory, operand),
        "max": np.maximum(memory, operand),
        "xchg": operand,
    }
    for operation, expected in models.items():
        old, now = modify(f"{operation}.f32", memory, operand)
        assert np.array_equal(old, memory)
        assert np.array_equal(now, expected), operation


@pytest.mark.parametrize(("element", "text"), [("i32", "i32"), ("f32", "float")])
def test_atomic_loads_stores_and_exchanges(element: str, text: str) -> None:
    memory = np.arange(6).astype(DTYPES[element])
    loaded = apply(f"declare {text} @air.atomic.global.load.{element}(ptr, i32, i32, i1)", memory, *OPTIONS)
    assert np.array_equal(loaded, memory)
    apply(f"declare void @air.atomic.global.store.{element}(ptr, {text}, i32, i32, i1)", memory, memory + 10, *OPTIONS)
    assert np.array_equal(memory, np.arange(6) + 10)
    expected = np.array([10, 0, 12, 0, 14, 0]).astype(DTYPES[element])
    old = apply(
        f"declare {text} @air.atomic.global.cmpxchg.weak.{element}(ptr, ptr, {text}, i32, i32, i32, i1)",
        memory,
        expected,
        memory * 2,
        OPTIONS[0],
        *OPTIONS,
    )
    assert np.array_equal(old, np.arange(6) + 10)
    assert np.array_equal(expected, np.arange(6) + 10)
    assert np.array_equal(memory, [20, 11, 24, 13, 28, 15])


def test_fence() -> None:
    apply("declare void @air.atomic.fence(i32, i32, i32)", *(np.zeros(1, np.int32) for _ in range(3)))
