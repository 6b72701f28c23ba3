"""What rewritten code computes: the changes of the rewriter, run on the software device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from isometal.soft import Library

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
Array = np.ndarray[Any, Any]


def run(source: str, *buffers: Array, grid: int = 1, **options: Any) -> None:
    """Run kernel k of a source on buffers, in place."""
    Library.from_source(HEADER + source).kernel("k", **options)(*buffers, grid=grid)


def test_comparisons_of_vectors_are_one_and_zero() -> None:
    a = np.array([1, 5, 3, np.nan], np.float32)
    b = np.array([2, 4, 3, 0], np.float32)
    out = np.zeros(16, np.float32)
    bits = np.zeros(8, np.bool_)
    run(
        "kernel void k(device float4* a, device float4* b, device float4* out, device bool4* bits) {\n"
        "  out[0] = float4(a[0] < b[0]); out[1] = float4(int4(a[0] >= b[0])) * 2; bits[0] = a[0] == b[0];\n"
        "  out[2] = select(a[0], b[0], a[0] > b[0] && !(b[0] == 4)); out[3].x = (a[0] != b[0]).w;\n"
         "  out[3].y = any(a[0] < b[0]) ? 10 : 20; out[3].z = all(b[0] >= 0) + all(a[0] == a[0]); bits[1] = "
         "!(a[0] <= 3);\n}",
        a, b, out, bits,
    )  # fmt: skip
    assert out[0:4].tolist() == [1, 0, 0, 0]
    assert out[4:8].tolist() == [0, 2, 2, 0]
    assert bits[:4].tolist() == [0, 0, 1, 0]
    np.testing.assert_array_equal(out[8:12], np.array([1, 5, 3, np.nan], np.float32))
    assert out[12:15].tolist() == [1, 10, 1]
    assert bits[4:].tolist() == [0, 1, 0, 1]


def test_scalars_take_the_type_of_the_vector() -> None:
    h = np.array([1.5, 2.5, -1, 0], np.float16)
    out = np.zeros(8, np.float16)
    run(
        "kernel void k(device half4* h, device half4* out, constant float& f) {\n"
        "  out[0] = h[0] * f + 0.1; out[1] = h[0]; out[1] *= f; out[1] -= 0.1f;\n}",
        h, out, np.array([0.1], np.float32),
    )  # fmt: skip
    tenth = np.float16(0.1)
    assert out[4:].tolist() == (h * tenth - tenth).astype(np.float16).tolist()
    fused = (h.astype(np.float32) * np.float32(tenth) + np.float32(tenth)).astype(np.float16)
    apart = (h * tenth + tenth).astype(np.float16)
    assert all(x in (y, z) for x, y, z in zip(out[:4].tolist(), fused.tolist(), apart.tolist(), strict=True))


def test_literals_without_suffix_are_float_in_templates_too() -> None:
    out = np.zeros(3, np.float32)
    run(
        "template <typename T> T third(T x) { return x * 0.1 + sizeof(1.0) + sizeof(0x1p3); }\n"
         "kernel void k(device float* out) { out[0] = third(out[1]); out[1] = 16777217.0 - 16777216.0; out[2] = "
         "2.0h + 1.5bf; }",
        out,
    )  # fmt: skip
    assert out.tolist() == [8, 0, 3.5]


def test_objects_are_copied_between_all_address_spaces() -> None:
    out = np.zeros(12, np.int32)
    run(
        "struct I { int v[2]; };\nstruct S { int n; I i; };\nconstant S table[2] = {{1, {{2, 3}}}, {4, {{5, 6}}}};\n"
        "kernel void k(device S* out, constant S& c) {\n  threadgroup S t; S s = table[1]; t = c; out[0] = t;\n"
         "  out[1] = s; s = c; s.n += out[1].n; out[2] = s.n > 9 ? table[0] : s; out[3] = out[0].n == 7 ? s : "
         "out[1];\n}",
        out, np.array([7, 8, 9], np.int32),
    )  # fmt: skip
    assert out.reshape(4, 3).tolist() == [[7, 8, 9], [4, 5, 6], [1, 2, 3], [11, 8, 9]]


def test_methods_are_chosen_by_the_objects_address_space() -> None:
    out = np.array([5, 0, 0, 0, 0], np.int32)
    run(
        "struct S { int v; int f() const { return v + 100; } int f() const device { return v + 200; }\n"
        "  int f() const constant { return v + 300; } int f() const threadgroup { return v + 400; } };\n"
        "constant S c{1};\nkernel void k(device int* out, device S* d) {\n"
         "  threadgroup S t; t.v = 2; S s{3}; out[1] = d[0].f(); out[2] = c.f(); out[3] = t.f(); out[4] = s.f() + "
         "S{4}.f();\n}",
        out, np.array([9], np.int32),
    )  # fmt: skip
    assert out.tolist() == [5, 209, 301, 402, 207]


def test_conversions_to_integers_are_defined_for_all_values() -> None:
    values = np.array([3.9, -3.9, 1e20, -1e20, np.nan, np.inf, 300, -1], np.float32)
    ints, bytes_ = np.zeros(8, np.int32), np.zeros(8, np.uint8)
    run(
        "kernel void k(device float* x, device int* i, device uchar* b, uint n [[thread_position_in_grid]]) {\n"
        "  i[n] = x[n]; b[n] = uchar(x[n]);\n}",
        values, ints, bytes_, grid=8,
    )  # fmt: skip
    low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    assert ints.tolist() == [3, -3, high, low, 0, high, 300, -1]
    assert bytes_.tolist() == [3, 0, 255, 0, 0, 255, 255, 0]


def test_lists_in_braces_are_vectors_and_structs() -> None:
    out = np.zeros(5, np.float32)
    run(
        "struct P { int a; float b; };\nfloat f(uint3 v, P p) { return v.x + 10 * v.y + 100 * v.z + p.a * p.b; }\n"
        "float g(float2 v) { return v.x - v.y; }\ntemplate <typename T> float h(uint3 v, T t) { return v.z + t; }\n"
        "kernel void k(device float* out, uint i [[thread_position_in_grid]]) {\n"
        "  out[0] = f({i + 1, 2, 3}, {2, 0.5}); out[1] = g({1, 0.25}); out[2] = h({1u, i, 7u}, 1.5f);\n"
        "  float2 v = {3, 4}; float4 w{v, v}; out[3] = w.w; out[4] = float3{1, 2, 3}.y;\n}",
        out,
    )  # fmt: skip
    assert out.tolist() == [322, 0.75, 8.5, 4, 2]


def test_operands_that_convert_themselves() -> None:
    out = np.zeros(4, np.int32)
    run(
        "template <int N> struct Int { constexpr operator int() const thread { return N; } };\n"
         "kernel void k(device int* out) { device int* p = out; p += Int<2>{}; *p = 5; int x = 1; x += Int<3>{}; "
         "out[0] = x; "
        "out[1] = 7; out[1] <<= Int<1>{}; out[3] = Int<3>{} * 2 + x; }",
        out,
    )  # fmt: skip
    assert out.tolist() == [4, 14, 5, 10]


def test_derived_constants_follow_function_constants() -> None:
    source = HEADER + (
        "constant int n [[function_constant(0)]];\nconstant float f [[function_constant(1)]];\n"
        "constant int twice = n * 2;\nconstant bool big = twice > 5 && f > 1;\nconstant float table[3] = {0, f, "
        "f * f};\n"
        "kernel void k(device float* out, device float* more [[buffer(1), function_constant(big)]]) {\n"
        "  out[0] = twice; out[1] = table[2]; if (big) out[2] = more[0]; else out[2] = -1;\n}"
    )
    library = Library.from_source(source)
    out, more = np.zeros(3, np.float32), np.array([42], np.float32)
    library.kernel("k", constants={0: 4, 1: 1.5})(out, more, grid=1)
    assert out.tolist() == [8, 2.25, 42]
    library.kernel("k", constants={0: 1, 1: 1.5})(out, grid=1)
    assert out.tolist() == [2, 2.25, -1]


def test_threadgroup_variables_of_templates_are_their_own() -> None:
    out = np.zeros(8, np.float32)
    source = HEADER + (
        "template <typename T, int N> kernel void f(device T* out, uint i [[thread_index_in_threadgroup]]) {\n"
        "  threadgroup T a[N], b; threadgroup float2 c[2];\n  if (i == 0) { b = T(N); c[1] = float2(sizeof(T), 1); }\n"
        "  a[i] = T(i);\n  threadgroup_barrier(mem_flags::mem_threadgroup);\n"
        "  out[i] = a[N - 1 - i] + b + T(c[1].x);\n}\n"
        'template [[host_name("k")]] [[kernel]] decltype(f<float, 8>) f<float, 8>;\n'
        'template [[host_name("h")]] [[kernel]] decltype(f<half, 4>) f<half, 4>;\n'
    )
    library = Library.from_source(source)
    library.kernel("k")(out, grid=8, threadgroup=8)
    assert out.tolist() == [7 - i + 8 + 4 for i in range(8)]
    halves = np.zeros(4, np.float16)
    library.kernel("h")(halves, grid=4, threadgroup=4)
    assert halves.tolist() == [3 - i + 4 + 2 for i in range(4)]


@pytest.mark.parametrize(("contract", "fused"), [("on", True), ("off", False)])
def test_contraction_follows_the_pragma(contract: str, fused: bool) -> None:
    a, b, c = np.float32(1 + 2**-12), np.float32(1 + 2**-12), np.float32(-1)
    out = np.array([a, b, c], np.float32)
    source = f"#pragma METAL fp contract({contract})\nkernel void k(device float* x) {{ x[0] = x[0] * x[1] + x[2]; }}"
    run(source, out)
    exact = float(a) * float(b) + float(c)
    assert out[0] == np.float32(exact if fused else a * b + c)


def test_functions_as_template_arguments() -> None:
    out = np.array([2, 0], np.float32)
    run(
         "template <typename T> using F = T (*)(T, thread T*);\ntemplate <typename T, F<T> f> T apply(T x) { T y; "
         "return f(x, &y) + y; }\n"
        "template <typename T> T square(T x, thread T* y) { *y = x; return x * x; }\n"
        "kernel void k(device float* x) { x[1] = apply<float, square<float>>(x[0] + 1); }",
        out,
    )  # fmt: skip
    assert out.tolist() == [2, 12]


def test_references_to_const_thread_objects_take_converted_values() -> None:
    out = np.zeros(2, np.int32)
    run(
        "int f(const thread short& x, const thread int2& v) { return x + v.y; }\n"
        "kernel void k(device int* x) { short s = 3; x[0] = f(x[1] + 5, int2(1, 2)); x[1] = f(s, int2(7)); }",
        out,
    )  # fmt: skip
    assert out.tolist() == [7, 10]
