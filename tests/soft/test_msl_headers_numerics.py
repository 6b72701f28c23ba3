"""The Metal headers on the software device against NumPy: mathematics, integers, vectors, types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from msl_evaluate import DTYPES, Array, evaluate, kernel, run

RANDOM = np.random.default_rng(20261125)
COUNT = 96


def uniform(low: float, high: float, dtype: Any = np.float32) -> Array:
    return RANDOM.uniform(low, high, COUNT).astype(dtype)


def closest(x: Array) -> Array:
    """Halves go away from zero."""
    return np.copysign(np.floor(np.abs(x) + 0.5), x)


#: Metal's function: NumPy's, and the interval of its argument.
UNARY: dict[str, tuple[Callable[[Array], Array], float, float]] = {
    "acos": (np.arccos, -1, 1),
    "acosh": (np.arccosh, 1, 20),
    "asin": (np.arcsin, -1, 1),
    "asinh": (np.arcsinh, -5, 5),
    "atan": (np.arctan, -5, 5),
    "atanh": (np.arctanh, -0.9, 0.9),
    "abs": (np.abs, -5, 5),
    "ceil": (np.ceil, -5, 5),
    "cos": (np.cos, -5, 5),
    "cosh": (np.cosh, -5, 5),
    "cospi": (lambda x: np.cos(np.pi * x), -0.4, 0.4),
    "exp": (np.exp, -5, 5),
    "exp10": (lambda x: np.power(10.0, x), -3, 3),
    "exp2": (np.exp2, -5, 5),
    "fabs": (np.abs, -5, 5),
    "floor": (np.floor, -5, 5),
    "fract": (lambda x: x - np.floor(x), -5, 5),
    "log": (np.log, 1.5, 50),
    "log10": (np.log10, 1.5, 50),
    "log2": (np.log2, 1.5, 50),
    "rint": (np.rint, -5, 5),
    "round": (closest, -5, 5),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 0.1, 50),
    "saturate": (lambda x: np.clip(x, 0, 1), -1, 2),
    "sign": (np.sign, -5, 5),
    "sin": (np.sin, -5, 5),
    "sinh": (np.sinh, -5, 5),
    "sinpi": (lambda x: np.sin(np.pi * x), 0.1, 0.9),
    "sqrt": (np.sqrt, 0, 50),
    "tan": (np.tan, -1.4, 1.4),
    "tanh": (np.tanh, -5, 5),
    "tanpi": (lambda x: np.tan(np.pi * x), -0.4, 0.4),
    "trunc": (np.trunc, -5, 5),
}


def assert_close(got: Array, expected: Array, unit: float, what: str) -> None:
    np.testing.assert_allclose(got.astype(np.float64), expected, rtol=8 * unit, atol=4 * unit, err_msg=what)


def inputs_by_interval(dtype: Any) -> tuple[dict[str, Array], dict[str, str]]:
    """An input for each interval of UNARY, and which of them a function takes."""
    names = {interval: f"x{i}" for i, interval in enumerate({(low, high): None for _, low, high in UNARY.values()})}
    arrays = {name: uniform(*interval, dtype) for interval, name in names.items()}
    return arrays, {function: names[low, high] for function, (_, low, high) in UNARY.items()}


@pytest.mark.parametrize("fast_math", [False, True])
def test_functions_of_one_float(fast_math: bool) -> None:
    arrays, argument = inputs_by_interval(np.float32)
    forms = ("{f}({x})", "precise::{f}({x})", "fast::{f}({x})", "{f}(float3({x}, 1, {x})).z", "{f}(float2({x})).x")
    wanted = [(form.format(f=f, x=argument[f]), f) for f in UNARY for form in forms]
    results = evaluate([expression for expression, _ in wanted], arrays, fast_math=fast_math)
    for (expression, function), got in zip(wanted, results, strict=True):
        truth = UNARY[function][0](arrays[argument[function]].astype(np.float64))
        assert_close(got, truth, 2.0**-23, expression)


def test_functions_of_one_half() -> None:
    arrays, argument = inputs_by_interval(np.float16)
    wanted = [
        (form.format(f=f, x=argument[f]), f) for f in UNARY for form in ("{f}({x})", "{f}(half4({x}, 1, 1, {x})).w")
    ]
    results = evaluate([expression for expression, _ in wanted], arrays, "half")
    for (expression, function), got in zip(wanted, results, strict=True):
        truth = UNARY[function][0](arrays[argument[function]].astype(np.float64))
        assert_close(got, truth, 2.0**-10, expression)


#: Expression in x, y, z: the truth. y and z are positive, z is below 1.
SEVERAL: dict[str, Callable[[Array, Array, Array], Array]] = {
    "atan2(x, y)": lambda x, y, z: np.arctan2(x, y),
    "copysign(y, x)": lambda x, y, z: np.copysign(y, x),
    "divide(x, y)": lambda x, y, z: x / y,
    "fdim(x, y)": lambda x, y, z: np.maximum(x - y, 0),
    "fmod(x, y)": lambda x, y, z: np.fmod(x, y),
    "max(x, y)": lambda x, y, z: np.maximum(x, y),
    "fmin(x, y)": lambda x, y, z: np.minimum(x, y),
    "pow(y, x)": lambda x, y, z: np.power(y, x),
    "powr(y, x)": lambda x, y, z: np.power(y, x),
    "pow(y, 2)": lambda x, y, z: y * y,
    "step(z, y)": lambda x, y, z: (y >= z).astype(np.float64),
    "clamp(x, 0.0f, z)": lambda x, y, z: np.clip(x, 0, z),
    "fma(x, y, z)": lambda x, y, z: x * y + z,
    "mix(x, y, z)": lambda x, y, z: x + (y - x) * z,
    "smoothstep(-5.0f, 5.0f, x)": lambda x, y, z: ((x + 5) / 10) ** 2 * (3 - 2 * ((x + 5) / 10)),
    "max3(x, y, z)": lambda x, y, z: np.maximum(np.maximum(x, y), z),
    "min3(x, y, z)": lambda x, y, z: np.minimum(np.minimum(x, y), z),
    "fmedian3(x, y, z)": lambda x, y, z: np.median(np.stack([x, y, z]), axis=0),
    "ldexp(x, 3)": lambda x, y, z: x * 8,
    "ilogb(y)": lambda x, y, z: np.floor(np.log2(y)),
    "max(float4(x, y, z, 1), 0.5f).x": lambda x, y, z: np.maximum(x, 0.5),
    "dot(float3(x, y, z), float3(z, 1, x))": lambda x, y, z: 2 * x * z + y,
    "length(float2(x, y))": lambda x, y, z: np.hypot(x, y),
    "distance(float4(x, y, z, 1), float4(1, z, y, 1))": lambda x, y, z: np.sqrt((x - 1) ** 2 + 2 * (y - z) ** 2),
    "normalize(float3(x, y, z)).y": lambda x, y, z: y / np.sqrt(x * x + y * y + z * z),
    "cross(float3(x, y, z), float3(1, 2, 3)).y": lambda x, y, z: z - 3 * x,
    "reflect(float2(x, y), float2(0, 1)).y": lambda x, y, z: -y,
    "faceforward(float2(1, 2), float2(x, 0), float2(1, 0)).y": lambda x, y, z: np.where(x < 0, 2.0, -2.0),
    "refract(normalize(float2(x, -y)), float2(0, 1), 1.0f).y": lambda x, y, z: -y / np.hypot(x, y),
    "(value = modf(x, part), value + 10 * part)": lambda x, y, z: x + 9 * np.trunc(x),
    "(value = frexp(y, exponent), value * (1 << exponent))": lambda x, y, z: y,
    "(value = sincos(x, part), value + 2 * part)": lambda x, y, z: np.sin(x) + 2 * np.cos(x),
    "(value = precise::sincos(x, part), value * part)": lambda x, y, z: np.sin(x) * np.cos(x),
    "(float2x2(x, y, z, 1) * float2(2, 3)).y": lambda x, y, z: 2 * y + 3,
    "(float2(2, 3) * float2x2(x, y, z, 1)).y": lambda x, y, z: 2 * z + 3,
    "determinant(float3x3(x, y, z, 1, 2, 3, 3, 2, 2) * 2.0f)": lambda x, y, z: (
        8
        * np.linalg.det(
            np.stack([np.stack([x, y, z]), *np.broadcast_to([[[1], [2], [3]], [[3], [2], [2]]], (2, 3, COUNT))]).T
        )
    ),
    "(float2x3(x, y, z, 1, 2, 3) * float3x2(1, 2, 3, 4, 5, 6))[2].x": lambda x, y, z: 5 * x + 6,
}


def test_functions_of_several_floats() -> None:
    arrays = {"x": uniform(-4.5, 4.5), "y": uniform(1.1, 4), "z": uniform(0.1, 0.9)}
    results = evaluate(list(SEVERAL), arrays, variables="float part, value; int exponent;")
    wide = [array.astype(np.float64) for array in arrays.values()]
    for (expression, truth), got in zip(SEVERAL.items(), results, strict=True):
        assert_close(got, truth(*wide), 2.0**-21, expression)


def signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


#: Expression in integers x, y, z of 0 < n < bits: the truth for one element, before it wraps into the type.
INTEGERS: dict[str, Callable[[int, int, int, int, int], int]] = {
    "abs(x)": lambda x, y, z, n, bits: abs(x),
    "absdiff(x, y)": lambda x, y, z, n, bits: abs(x - y),
    "clamp(x, min(y, z), max(y, z))": lambda x, y, z, n, bits: sorted((x, y, z))[1],
    "clz(x)": lambda x, y, z, n, bits: bits - (x & ((1 << bits) - 1)).bit_length(),
    "ctz(x)": lambda x, y, z, n, bits: bits if x == 0 else (x & -x).bit_length() - 1,
    "popcount(x)": lambda x, y, z, n, bits: (x & ((1 << bits) - 1)).bit_count(),
    "reverse_bits(x)": lambda x, y, z, n, bits: int(format(x & ((1 << bits) - 1), f"0{bits}b")[::-1], 2),
    "rotate(x, n)": lambda x, y, z, n, bits: (x << n) | ((x & ((1 << bits) - 1)) >> (bits - n)),
    "extract_bits(x, 1, uint(n) - 1)": lambda x, y, z, n, bits: (x >> 1) & ((1 << (n - 1)) - 1),
    "insert_bits(x, y, 1, uint(n) - 1)": lambda x, y, z, n, bits: (
        x & ~(((1 << (n - 1)) - 1) << 1) | (y & ((1 << (n - 1)) - 1)) << 1
    ),
    "hadd(x, y)": lambda x, y, z, n, bits: (x + y) >> 1,
    "rhadd(x, y)": lambda x, y, z, n, bits: (x + y + 1) >> 1,
    "mulhi(x, y)": lambda x, y, z, n, bits: (x * y) >> bits,
    "madhi(x, y, z)": lambda x, y, z, n, bits: ((x * y) >> bits) + z,
    "max3(x, y, z)": lambda x, y, z, n, bits: max(x, y, z),
    "median3(x, y, z)": lambda x, y, z, n, bits: sorted((x, y, z))[1],
    "min3(x, y, z)": lambda x, y, z, n, bits: min(x, y, z),
    "max(V(x, y, z), V(0)).y": lambda x, y, z, n, bits: max(y, 0),
    "select(x, y, x < y)": lambda x, y, z, n, bits: y if x < y else x,
}
SATURATING: dict[str, Callable[[int, int, int], int]] = {
    "addsat(x, y)": lambda x, y, z: x + y,
    "subsat(x, y)": lambda x, y, z: x - y,
    "madsat(x, y, z)": lambda x, y, z: x * y + z,
}


@pytest.mark.parametrize("type_", ["char", "uchar", "short", "ushort", "int", "uint", "long", "ulong"])
def test_functions_of_integers(type_: str) -> None:
    info = np.iinfo(DTYPES[type_])
    values = [RANDOM.integers(info.min, info.max, COUNT, info.dtype, endpoint=True) for _ in range(3)]
    values[0][:4] = (0, 1, info.min, info.max)
    arrays = dict(zip("xyz", values, strict=True)) | {"n": RANDOM.integers(1, info.bits, COUNT).astype(info.dtype)}
    wide = [array.tolist() for array in arrays.values()]
    results = evaluate([*INTEGERS, *SATURATING], arrays, type_, declarations=f"typedef vec<{type_}, 3> V;")
    for (expression, truth), got in zip(INTEGERS.items(), results, strict=False):
        if expression.startswith("extract_bits") and info.min < 0:
            # A signed field extends its sign.
            expected = [
                signed(truth(*row, info.bits), row[3] - 1) if row[3] > 1 else 0 for row in zip(*wide, strict=True)
            ]
        else:
            expected = [truth(*row, info.bits) for row in zip(*wide, strict=True)]
        if expression.startswith("abs(") and info.min < 0:
            expected = [signed(value, info.bits) for value in expected]
        wrapped = [value & ((1 << info.bits) - 1) for value in expected]
        assert [value & ((1 << info.bits) - 1) for value in got.tolist()] == wrapped, expression
    for (expression, exact), got in zip(SATURATING.items(), results[len(INTEGERS) :], strict=True):
        expected = [min(max(exact(*row[:3]), info.min), info.max) for row in zip(*wide, strict=True)]
        assert got.tolist() == expected, expression


def test_products_of_24_bits() -> None:
    x, y = (RANDOM.integers(-(2**23), 2**23, COUNT).astype(np.int32) for _ in range(2))
    mul, mad = evaluate(["mul24(x, y)", "mad24(x, y, x)"], {"x": x, "y": y}, "int")
    wide = x.astype(np.int64) * y
    np.testing.assert_array_equal(mul, wide.astype(np.int32))
    np.testing.assert_array_equal(mad, (wide + x).astype(np.int32))


SPECIAL = np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, -np.nan, 65504, 6.2e-5, -6.2e-5, 3.0], np.float32)


@pytest.mark.parametrize("type_", ["float", "half"])
def test_questions(type_: str) -> None:
    x = SPECIAL.astype(DTYPES[type_])
    questions = {
        "isnan": np.isnan(x),
        "isinf": np.isinf(x),
        "isfinite": np.isfinite(x),
        "isnormal": np.isfinite(x) & (x != 0),
        "signbit": np.signbit(x),
    }
    scalars = evaluate([f"{q}(x)" for q in questions], {"x": x}, "bool")
    vectors = evaluate([f"{q}({type_}3(1, x, 1)).y" for q in questions], {"x": x}, "bool")
    for (question, truth), scalar, vector in zip(questions.items(), scalars, vectors, strict=True):
        np.testing.assert_array_equal(scalar, truth, question)
        np.testing.assert_array_equal(vector, truth, question)
    ordered, unordered = evaluate(
        ["isordered(x, x)", "any(isunordered(x2, x2))"], {"x": x}, "bool", variables=f"{type_}2 x2(1, x);"
    )
    np.testing.assert_array_equal(ordered, ~np.isnan(x))
    np.testing.assert_array_equal(unordered, np.isnan(x))


def test_vectors_of_bool() -> None:
    x, y = uniform(-1, 1), uniform(-1, 1)
    x[:8] = y[:8]
    results = evaluate(
        [
            "all(a < b)",
            "any(a == b)",
            "select(a, b, a < b).x",
            "(a >= b)[1]",
            "all(!(a > b) || a == a)",
            "select(1.0f, 2.0f, any((a < b) && (a < 0)))",
            "float3(a < b).x",
        ],
        {"x": x, "y": y},
        variables="float3 a(x, 0, x); float3 b(y, 1, y);",
    )
    less = x < y
    expected = [less, x == y, np.maximum(x, y), np.zeros(COUNT), np.ones(COUNT), np.where(less & (x < 0), 2, 1), less]
    for got, truth in zip(results, expected, strict=True):
        np.testing.assert_array_equal(got, truth)


def test_bfloat_rounds_as_numbers_of_16_bits_do() -> None:
    x, y = uniform(-100, 100), uniform(0.5, 100)
    a, b = x.astype(ml_dtypes.bfloat16), y.astype(ml_dtypes.bfloat16)
    expressions = ["a + b", "a - b", "a * b", "a / b", "-a"]
    expressions += ["bfloat(x)", "static_cast<bfloat>(half(y))", "bfloat(int(x))"]
    results = evaluate(expressions, {"x": x, "y": y, "a": a, "b": b}, "bfloat")
    wide_a, wide_b = a.astype(np.float32), b.astype(np.float32)
    truths = [
        wide_a + wide_b,
        wide_a - wide_b,
        wide_a * wide_b,
        wide_a / wide_b,
        -wide_a,
        x,
        y.astype(np.float16),
        np.trunc(x),
    ]
    for expression, got, truth in zip(expressions, results, truths, strict=True):
        np.testing.assert_array_equal(got, truth.astype(ml_dtypes.bfloat16), expression)


def test_bfloat_becomes_float_in_functions_and_comparisons() -> None:
    a, b = (uniform(0.5, 9, ml_dtypes.bfloat16) for _ in range(2))
    results = evaluate(
        ["exp(a)", "max(a, b)", "precise::sqrt(a)", "a < b", "float(int(a))", "as_type<ushort>(a)"], {"a": a, "b": b}
    )
    x, y = a.astype(np.float64), b.astype(np.float64)
    truths = [np.exp(x), np.maximum(x, y), np.sqrt(x), x < y, np.trunc(x), a.view(np.uint16)]
    for got, truth in zip(results, truths, strict=True):
        assert_close(got, truth, 2.0**-23, "")


@pytest.mark.parametrize("to", DTYPES)
def test_conversions_of_vectors(to: str) -> None:
    # Numbers that every type has, and for bool those that are not zero.
    x = RANDOM.integers(0, 4, COUNT).astype(np.int32)
    expressions = [f"{to}3({source}3(0, 1, x)).z" for source in DTYPES] + [
        f"static_cast<{to}>(as_{source})" for source in DTYPES
    ]
    variables = " ".join(f"{source} as_{source} = {source}(x);" for source in DTYPES)
    for expression, got in zip(expressions, evaluate(expressions, {"x": x}, to, variables=variables), strict=True):
        numbers = x != 0 if "bool3(" in expression or "as_bool" in expression else x
        np.testing.assert_array_equal(got, numbers.astype(DTYPES[to]), expression)


def test_packing() -> None:
    x, y = uniform(-1.2, 1.2), uniform(-0.2, 1.2)
    packed = evaluate(
        ["pack_float_to_unorm4x8(float4(x, y, 0, 1))", "pack_float_to_snorm2x16(float2(x, y))"],
        {"x": x, "y": y},
        "uint",
    )
    unorm = [np.rint(np.clip(v, 0, 1) * np.float32(255)).astype(np.uint32) for v in (x, y)]
    np.testing.assert_array_equal(packed[0], unorm[0] | unorm[1] << 8 | np.uint32(255) << 24)
    snorm = [np.rint(np.clip(v, -1, 1) * np.float32(32767)).astype(np.int16).view(np.uint16) for v in (x, y)]
    np.testing.assert_array_equal(packed[1], snorm[0] | snorm[1].astype(np.uint32) << 16)
    back = evaluate(
        ["unpack_unorm4x8_to_float(u).y", "unpack_snorm2x16_to_float(v).x"], {"u": packed[0], "v": packed[1]}
    )
    assert_close(back[0], np.clip(y, 0, 1), 2.0**-7, "unorm")
    assert_close(back[1], np.clip(x, -1, 1), 2.0**-14, "snorm")


def test_packed_vectors_are_laid_out_without_gaps() -> None:
    a, b = (RANDOM.uniform(-1, 1, (COUNT, 3)).astype(np.float32) for _ in range(2))
    out = np.zeros((COUNT, 3), np.float32)
    source = kernel(
        "  packed_float3 p = a[g]; float3 v = b[g];\n  out[g] = p * v + c[0]; out[g].y = p[1]; out[g] += a[g].z;",
        "device packed_float3* out [[buffer(0)]], device const packed_float3* a [[buffer(1)]],"
        "device const packed_float3* b [[buffer(2)]], constant packed_float3* c [[buffer(3)]]",
    )
    run(source, "k", out, a, b, np.array([1, 2, 3], np.float32), grid=COUNT)
    expected = a * b + np.float32([1, 2, 3])
    expected[:, 1] = a[:, 1]
    np.testing.assert_allclose(out, expected + a[:, 2:], rtol=1e-6, atol=1e-6)


def test_matrices_and_arrays_live_in_buffers() -> None:
    m = RANDOM.uniform(-1, 1, (4, 4)).astype(np.float32)
    v = RANDOM.uniform(-1, 1, (COUNT, 4)).astype(np.float32)
    out = np.zeros((COUNT, 4), np.float32)
    source = kernel(
        "  array<float, 4> x = v[g]; float4x4 a = transpose(*m);\n  float4 r = a * float4(x[0], x[1], x[2], x[3]);\n"
        "  for (uint i = 0; i < out[g].size(); i++) out[g][i] = r[i];",
        "device array<float, 4>* out [[buffer(0)]], constant float4x4* m [[buffer(1)]],"
        "device const array<float, 4>* v [[buffer(2)]]",
    )
    run(source, "k", out.view("V16"), m.reshape(-1).view("V64"), v.view("V16"), grid=COUNT)
    np.testing.assert_allclose(out, v @ m.T, rtol=1e-5, atol=1e-5)
