"""Atomics, fences, simdgroup matrices: what they call, with which orders, scopes, strides and origins."""

from __future__ import annotations

import re

import msl_headers
import pytest

RELAXED = "memory_order_relaxed"


def call(text: str, name: str) -> str:
    """The result type and the arguments of the only call of `name`, without attributes."""
    found = re.findall(rf"call ([^\n]*)@air\.{re.escape(name)}\(([^\n]*)\)", text)
    assert len(found) == 1, text
    returns, arguments = (
        re.sub(r"\b(noundef|nonnull|zeroext|align \d+|dereferenceable\(\d+\)) ?", "", t) for t in found[0]
    )
    return f"{returns.strip()} ({re.sub(r'%[^,)]+', '%', arguments)})"


def body(statements: str, parameters: str) -> str:
    return msl_headers.ir(f"using namespace metal;\nvoid f({parameters}) {{\n{statements}\n}}")


@pytest.mark.parametrize(
    ("space", "air", "number", "scope"), [("__global", "global", 1, 2), ("__local", "local", 3, 1)]
)
@pytest.mark.parametrize(
    ("type_", "expression", "name", "expected"),
    [
        ("int", f"atomic_load_explicit(p, {RELAXED})", "load.i32", "i32 (P, i32 0, S)"),
        ("uint", f"atomic_store_explicit(p, 1, {RELAXED})", "store.i32", "void (P, i32 1, i32 0, S)"),
        ("float", f"atomic_exchange_explicit(p, 1, {RELAXED})", "xchg.f32", "float (P, float 1.000000e+00, i32 0, S)"),
        ("int", f"atomic_fetch_add_explicit(p, 2, {RELAXED})", "add.s.i32", "i32 (P, i32 2, i32 0, S)"),
        ("float", f"atomic_fetch_add_explicit(p, 2, {RELAXED})", "add.f32", "float (P, float 2.000000e+00, i32 0, S)"),
        ("uint", f"atomic_fetch_max_explicit(p, 2, {RELAXED})", "max.u.i32", "i32 (P, i32 2, i32 0, S)"),
        ("int", f"atomic_fetch_xor_explicit(p, 2, {RELAXED})", "xor.s.i32", "i32 (P, i32 2, i32 0, S)"),
        ("bool", f"atomic_store_explicit(p, true, {RELAXED})", "store.i32", "void (P, i32 1, i32 0, S)"),
        ("ulong", f"atomic_max_explicit(p, 2, {RELAXED})", "max.u.i64", "i64 (P, i64 2, i32 0, S)"),
    ],
)
def test_atomics(
    space: str, air: str, number: int, scope: int, type_: str, expression: str, name: str, expected: str
) -> None:
    text = body(f"{expression};", f"volatile {space} atomic_{type_}* p")
    expected = expected.replace("P", f"ptr addrspace({number}) %").replace("S", f"i32 {scope}, i1 true")
    assert call(text, f"atomic.{air}.{name}") == expected


def test_compare_exchange_writes_what_it_found() -> None:
    text = body(
        f"float expected = 2; o[0] = atomic_compare_exchange_weak_explicit(p, &expected, 3, {RELAXED}, {RELAXED});"
        "o[1] = expected;",
        "__global atomic_float* p, __global float* o",
    )
    assert call(text, "atomic.global.cmpxchg.weak.f32") == (
        "float (ptr addrspace(1) %, ptr %, float 3.000000e+00, i32 0, i32 0, i32 2, i1 true)"
    )
    old = re.search(r"(%\d+) = call [^\n]*cmpxchg", text)
    assert old is not None
    assert f"fcmp oeq float {old[1]}, 2.000000e+00" in text
    assert f"store float {old[1]}" in text


def test_an_atomic_bool_is_false_or_true() -> None:
    text = body(f"o[0] = atomic_load_explicit(p, {RELAXED});", "const __global atomic_bool* p, __global int* o")
    assert "icmp ne i32" in text


@pytest.mark.parametrize(
    "statement",
    [
        f"atomic_fetch_add_explicit(u, 1, {RELAXED});",
        f"atomic_fetch_or_explicit(f, 1, {RELAXED});",
        f"atomic_load_explicit(u, {RELAXED});",
    ],
)
def test_atomics_that_no_gpu_has_are_errors(statement: str) -> None:
    compilation = msl_headers.run(
        f"using namespace metal;\nvoid f(__global atomic_ulong* u, __global atomic_float* f) {{ {statement} }}",
        "-fsyntax-only",
    )
    assert compilation.errors_only()


def test_atomic_of_another_type_is_an_error() -> None:
    compilation = msl_headers.run("void f(__global metal::atomic<short>* p) { p->__value = 1; }", "-fsyntax-only")
    assert compilation.errors_only()


def test_fence_and_barriers() -> None:
    text = body(
        "atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst);"
        "threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);"
        "simdgroup_barrier(mem_flags::mem_none);",
        "",
    )
    assert call(text, "atomic.fence") == "void (i32 1, i32 5, i32 2)"
    assert call(text, "wg.barrier") == "void (i32 3, i32 1)"
    assert call(text, "simdgroup.barrier") == "void (i32 0, i32 1)"


@pytest.mark.parametrize(
    ("element", "suffix", "ir"), [("half", "f16", "half"), ("bfloat", "bf16", "bfloat"), ("float", "f32", "float")]
)
@pytest.mark.parametrize(("space", "number"), [("__global", 1), ("__local", 3)])
def test_matrix_memory(element: str, suffix: str, ir: str, space: str, number: int) -> None:
    text = body(
        f"simdgroup_{element}8x8 a, b; simdgroup_load(a, p); simdgroup_store(a, p, 16, ulong2{{1, 2}}, true);",
        f"{space} {element}* p",
    )
    matrix = f"<64 x {ir}>"
    assert call(text, f"simdgroup_matrix_8x8_load.v64{suffix}.p{number}{suffix}") == (
        f"{matrix} (ptr addrspace({number}) %, i64 8, <2 x i64> zeroinitializer, i1 false)"
    )
    assert call(text, f"simdgroup_matrix_8x8_store.v64{suffix}.p{number}{suffix}") == (
        f"void ({matrix} %, ptr addrspace({number}) %, i64 16, <2 x i64> <i64 1, i64 2>, i1 true)"
    )


def test_matrix_products_have_the_types_of_their_operands() -> None:
    text = body(
        "simdgroup_float8x8 d = make_filled_simdgroup_matrix<float, 8, 8>(1); simdgroup_bfloat8x8 b(bfloat(2));"
        "simdgroup_half8x8 a = make_filled_simdgroup_matrix<half, 8>(half(3));"
        "simdgroup_multiply_accumulate(d, a, b, d); simdgroup_store(d, p); simdgroup_store(a * a, q);",
        "__global float* p, __global half* q",
    )
    assert call(text, "simdgroup_matrix_8x8_multiply_accumulate.v64f32.v64f16.v64bf16.v64f32") == (
        "<64 x float> (<64 x half> %, <64 x bfloat> %, <64 x float> %)"
    )
    assert call(text, "simdgroup_matrix_8x8_multiply_accumulate.v64f16.v64f16.v64f16.v64f16")
    assert call(text, "simdgroup_matrix_8x8_init_diag.v64bf16.bf16") == "<64 x bfloat> (bfloat 0xR4000)"


def test_thread_elements_are_the_first_two_of_64() -> None:
    text = body(
        "simdgroup_float8x8 a; reinterpret_cast<__private float2&>(a.thread_elements()) = float2{p[0], p[1]};"
        "a.thread_elements()[1] = 5; simdgroup_store(a, p);",
        "__global float* p",
    )
    stored = re.search(r"store\.v64f32\.p1f32\(<64 x float> noundef (%\d+)", text)
    assert stored is not None
    definition = re.search(rf"{stored[1]} = (shufflevector|insertelement) [^\n]*", text)
    assert definition is not None
    assert "alloca" not in text


def test_a_matrix_of_integers_is_an_error() -> None:
    compilation = msl_headers.run("metal::simdgroup_matrix<int, 8, 8> f();\nvoid g() { f(); }", "-fsyntax-only")
    assert any("elements of type half, bfloat or float" in error for error in compilation.errors_only())
