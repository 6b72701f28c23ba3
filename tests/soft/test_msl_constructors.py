"""Vectors that are constructed, wherever C++ constructs; bools and vectors that convert; half and bfloat."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from msl_evaluate import Array, run

from isometal.soft.errors import MslError
from isometal.soft.msl import compile_source

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"


def results(
    declarations: str,
    body: str,
    count: int,
    *inputs: Array,
    parameters: str = "",
    version: tuple[int, int] = (3, 1),
) -> list[float]:
    """What a kernel's body writes to `o`."""
    out = np.zeros(count, np.float32)
    source = f"{HEADER}{declarations}\nkernel void k(device float* o{parameters}) {{\n{body}\n}}\n"
    run(source, "k", out, *inputs, grid=1, version=version)
    found: list[float] = out.tolist()
    return found


def test_every_declarator_is_constructed() -> None:
    body = (
        "float x = 2, y = 3;\n"
        "float3 a(x, 0, x), b(y, 1, y); const float2 c(x), d(a.xy), e = float2(1, 2), f(e.y, max(x, y));\n"
        "float4 g, h(a, y), l[2]; g = 2; l[0] = h; l[1] = g; float3 v{1, 2, 3}, w = float3(x < y, x > y, 1), z(w);\n"
        "for (int2 p(0, 1), q(3, 4); p.x < q.x; ++p.x) o[0] += q.y;\n"
        "o[1] = dot(a, b); o[2] = c.y + d.x; o[3] = f.x + f.y; o[4] = l[0].w + l[1].x; o[5] = z.x + z.y + v.z;\n"
        "auto turned = [](float3 m, float3 n) { float3 r(m.x, n.y, 1), s(r.zyx); return s; }; o[6] = turned(a, b).x;\n"
    )
    assert results("", body, 7, version=(3, 2)) == [12, 12, 4, 5, 5, 4, 1]


def test_types_that_are_known_to_clang_alone() -> None:
    declarations = (
        "template <typename T> float f(float x, float y, int3 i) {\n"
        "  T a(x, 0, x), b(y, 1, y); const T c(1, 2, 3); T d(i), e = T(x, y, 1), g[2] = {T(1, 2, 3), T(x)};\n"
        "  return dot(a, b) + dot(T(x, y, 2), T(i)) + c.z + d.x + e.y + g[0].y + g[1].y;\n}\n"
        "template <int N> struct V { typedef vec<float, N> type; };\n"
        "template <int N> float sum() {\n"
        "  typename V<N>::type a(1, 2), b = typename V<N>::type(3, 4); return a.y + b.x;\n}\n"
    )
    expected = 12 + (2 + 3 + 2) + 3 + 1 + 3 + 2 + 2
    assert results(declarations, "o[0] = f<float3>(2, 3, int3(1)); o[1] = sum<2>();", 2) == [expected, 5]


def test_members_are_constructed() -> None:
    declarations = (
        "struct S { float3 v; packed_float3 p; float2 w; S(float x) : v(x, 2, 1), p(x, x, 4), w(x) {} };\n"
        "template <typename T> struct U { T v, w; U(float x) : v(x, x, 5), w(T(x, 6, x)) {} };\n"
        "struct I { float3 v; half3 w; I(int3 a) : v(a), w(a) {} };\n"
        "struct D : S { float2 q; D(float x) : S(x), q(x, 7) {} };"
    )
    body = (
        "S s(9); o[0] = s.v.x; o[1] = s.v.y; o[2] = s.p.z; o[3] = s.w.y; U<float3> u(8); o[4] = u.v.z; o[5] = u.w.y;\n"
        "I i(int3(1, 2, 3)); o[6] = i.v.y; o[7] = i.w.z; D d(1); o[8] = d.q.y; o[9] = d.v.y;"
    )
    assert results(declarations, body, 10) == [9, 2, 4, 9, 5, 6, 2, 3, 7, 2]


def test_constants_are_constructed() -> None:
    assert results("constant float3 up(0, 1, 0);\nconstant half2 pair = half2(1, 2);", "o[0] = up.y + pair.y;", 1) == [
        3
    ]


def test_declarations_of_functions_are_left_alone() -> None:
    body = "float3 f(float3); float2 g(float x), h(device float*); float a = 1; float2 b(a); o[0] = b.y;"
    assert results("", body, 1) == [1]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("float a(1, 2); x[0] = a;", "excess elements in scalar initializer|no matching|excess"),
        ("float2 a(1, 2, 3); x[0] = a.x;", "excess elements in vector initializer|elements"),
        ("float3 a(1, 2), b(1, 2, 3); x[0] = a.x;", ""),
        ("float3 a = int3(1); x[0] = a.x;", "cannot initialize a variable of type .*float3"),
        ("bfloat2 a = half2(1); x[0] = a.x;", "cannot initialize a variable of type .*bfloat2"),
    ],
)
def test_constructions_that_cannot_be(body: str, message: str) -> None:
    with pytest.raises(MslError, match=rf"program_source:4:\d+: error: .*{message}"):
        compile_source(f"{HEADER}kernel void k(device float* x) {{\n{body}\n}}")


def test_casts_between_vectors_convert_whatever_names_the_type() -> None:
    """Where a template's parameter names it, clang would keep the bits of a vector of the same size."""
    declarations = (
        "template <typename T, typename U> T called(U x) { return T(x); }\n"
        "template <typename T, typename U> T cast(U x) { return 1 + (T)x; }\n"
        "template <typename T, typename U> struct Op { T operator()(U x) { T y = T(x); return y; } };\n"
        "template <typename T, int N> struct Sum { vec<float, N> operator()(vec<T, N> x) {\n"
        "  using V = vec<float, N>; return V(x) + (V)x + typename metal::vec<float, N>(x); } };\n"
    )
    body = (
        "o[0] = called<float2>(int2(3)).y; o[1] = cast<float2>(int2(3)).x; o[2] = Op<float2, int2>()(int2(3, 4)).y;\n"
        "o[3] = Sum<int, 2>()(int2(5)).x; o[4] = called<half2>(short2(6)).x; o[5] = called<long2>(float2(7)).y;\n"
        "o[6] = cast<int4>(float4(8)).w; o[7] = as_type<float2>(int2(0x3f800000)).x; int2 i(0x40000000);\n"
        "o[8] = reinterpret_cast<thread float2&>(i).y; o[9] = called<uint2>(int2(-1)).x > 1;\n"
    )
    assert results(declarations, body, 10) == [3, 4, 4, 15, 6, 7, 9, 1, 2, 1]


@pytest.mark.parametrize("statement", ["float2 v = b[0];", "int3 v; v = b[0];", "auto v = splat<float2>(b[0]);"])
def test_a_bool_becomes_no_vector_by_itself(statement: str) -> None:
    """Clang would make it of -1."""
    source = f"template <typename T> T splat(bool b) {{ return T(b); }}\n{HEADER}kernel void k(device bool* b) {{\n"
    with pytest.raises(MslError, match=r"program_source:\d:\d+: error: a bool does not become a vector by itself"):
        compile_source(f"{source}{statement} b[1] = v.x > 0; }}")


def test_bools_in_constructors_of_vectors_are_one() -> None:
    body = (
        "bool b = o[0] == 0; o[0] = float2(b).y; o[1] = float2(b, 2).x; o[2] = int3(1 < 2).z; float2 v(b); o[3] = v.x;"
    )
    assert results("", body, 4) == [1, 1, 1, 1]


#: Values of half and of bfloat; halves beyond bfloat's eight bits are rounded to even, bfloats beyond half's range
#: are infinite or zero.
HALVES = np.array([1.5, 1 + 2**-8, 1 + 3 * 2**-8, 65504, -(2.0**-24), np.inf, np.nan, 0], np.float16)
BFLOATS = np.array([3.5, 1e30, -1e-30, 65536, 65280, -np.inf, np.nan, -0.0], ml_dtypes.bfloat16)


@pytest.mark.parametrize(
    ("halves", "bfloats"),
    [
        ("bfloat(h[g])", "half(b[g])"),
        ("(bfloat)h[g]", "(half)b[g]"),
        ("static_cast<bfloat>(h[g])", "static_cast<half>(b[g])"),
        ("bfloat{bfloat(h[g])}", "half{half(b[g])}"),
        ("bfloat2(vec<half, 2>(h[g], 1)).x", "half2(bfloat2(b[g], bfloat(1))).x"),
        ("bfloat3(half3(h[g])).z", "((half3)bfloat3(b[g])).z"),
        ("static_cast<bfloat4>(half4(h[g])).w", "vec<half, 4>(bfloat4(b[g])).w"),
        ("bfloat4(half2(h[g]).x, h[g], bfloat(1), 1).y", "half4(half(1), b[g], 1, bfloat(1)).y"),
        ("converted<bfloat>(h[g])", "converted<half>(b[g])"),
        ("cast<bfloat>(h[g])", "cast<half>(b[g])"),
        ("converted<bfloat2>(half2(h[g])).y", "cast<half2>(bfloat2(b[g])).y"),
    ],
)
def test_halves_become_bfloats_and_back(halves: str, bfloats: str) -> None:
    source = (
        HEADER + "template <typename T, typename U> T converted(U x) { return T(x); }\n"
        "template <typename T, typename U> T cast(U x) { return (T)x; }\n"
        "kernel void k(device const half* h, device const bfloat* b, device bfloat* from_half,\n"
        f"              device half* from_bfloat, uint g [[thread_position_in_grid]]) {{\n"
        f"  from_half[g] = {halves}; from_bfloat[g] = {bfloats}; }}"
    )
    to_bfloat, to_half = np.zeros(8, ml_dtypes.bfloat16), np.zeros(8, np.float16)
    run(source, "k", HALVES, BFLOATS, to_bfloat, to_half, grid=8)
    with np.errstate(over="ignore"):
        expected = BFLOATS.astype(np.float32).astype(np.float16)
    np.testing.assert_array_equal(to_bfloat.astype(np.float32), HALVES.astype(ml_dtypes.bfloat16).astype(np.float32))
    np.testing.assert_array_equal(to_half, expected)
