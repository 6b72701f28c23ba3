"""What stands beside the sources that Apple's compiler rejects, and is accepted: test_msl_strict.py has the others."""

from __future__ import annotations

import pytest

from isometal.soft.msl import compile_source

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"

ACCEPTED = {
    "tail_recursion": (
        "int gcd(int a, int b) { return b == 0 ? a : gcd(b, a % b); }\n"
        "kernel void k(device int* a) { a[0] = gcd(a[1], a[2]); }"
    ),
    "template_parameter_with_space": (
        "template <typename P> int f(P p) { return *p; }\ntemplate <typename T> void g(T& x) { x = 1; }\n"
        "kernel void k(device int* a) { a[0] = f(a); g(a[1]); auto& r = a[2]; r = 3; auto* p = a; *p = 4; }"
    ),
    "method_for_device": (
        "struct S { int v; int get() const device { return v; } int get() const { return v + 1; } };\n"
        "kernel void k(device S* a) { S s = a[0]; a[0].v = a[1].get() + s.get() + S{3}.get(); }"
    ),
    "integer_to_bfloat": "kernel void k(device bfloat* b, constant int& n) { b[0] = n; bfloat x = 1; b[1] = x + 2; }",
    "explicit_to_bfloat": (
        "kernel void k(device bfloat* b, device float* a, device half* h) {\n"
        "  b[0] = bfloat(a[0]); b[1] = static_cast<bfloat>(h[0]); b[2] = (bfloat)a[1]; b[4] = (bfloat)h[2]; h[1] "
        "= half(b[0]); b[3] = 1.0bf;\n}"
    ),
    "threadgroup_memory_of_32_kb": (
        "kernel void k(device float* a) { threadgroup float x[8192]; x[0] = a[0]; a[1] = x[0]; }"
    ),
    "threadgroup_pointer": (
        "kernel void k(device float* a) { threadgroup float x[4]; threadgroup float* p = x + 1; *p = a[0]; a[1] "
        "= x[1]; }"
    ),
    "buffer_30": "kernel void k(device int* a [[buffer(30)]]) { a[0] = 1; }",
    "shared_index_by_function_constants": (
        "constant bool c [[function_constant(0)]];\nconstant bool d [[function_constant(1)]];\n"
        "kernel void k(device int* x, device int* y [[buffer(1), function_constant(c)]],\n"
        "    device float* z [[buffer(1), function_constant(d)]]) { if (c) x[0] = y[0]; if (d) x[0] = int(z[0]); }"
    ),
    "word_of_opencl": (
        "kernel void k(device int* a) { int global = 1, local = 2, generic = 3, pipe = 4; a[0] = global + local "
        "+ generic + pipe; }"
    ),
    "macro_of_our_headers": (
        "enum { MSL_INLINE = 1 };\nkernel void k(device int* a) { int MSL_COPIES = 2; a[0] = MSL_COPIES + MSL_INLINE; }"
    ),
    "asm_label": (
        'float f(float) __asm("air.exp.f32") __attribute__((const));\nkernel void k(device float* a) { a[0] = '
        "f(a[1]); }"
    ),
    "lambda": "kernel void k(device int* a) { auto f = [=](int x) { return x + a[0]; }; a[1] = f(2); }",
    "function_as_template_argument": (
        "template <float (*F)(float)> float twice(float x) { return F(F(x)); }\nfloat half_of(float x) { return "
        "x / 2; }\n"
        "kernel void k(device float* a) { a[0] = twice<half_of>(a[0]); }"
    ),
    "copy_from_constant": (
        "struct Inner { float v[3]; };\nstruct S { int n; Inner inner; };\nconstant S table[2] = {{1, {{1, 2, "
        "3}}}, {2, {}}};\n"
        "kernel void k(device S* a, constant S& b, threadgroup S* t) {\n"
        "  S s = b; a[0] = s; a[1] = b; a[2] = table[1]; t[0] = b; a[3] = t[0]; s = table[0]; a[4] = s; a[5] = a[0];\n}"
    ),
    "conditional_of_objects": (
        "struct S { int n; float f; };\nkernel void k(device S* a, constant S& b, uint i "
        "[[thread_position_in_grid]]) {\n"
        "  a[i] = i > 1 ? a[0] : b; S s = i > 2 ? b : S{1, 2}; a[1] = i > 3 ? s : a[2];\n}"
    ),
    "coherent": ("kernel void k(coherent(system) device int* a, device coherent int* b) { a[0] = b[0]; }"),
    "static_member_defined_again": (
        "template <int N> struct S { static constexpr constant int n = N; };\ntemplate <int N> constexpr "
        "constant int S<N>::n;\n"
        "kernel void k(device int* a) { a[0] = S<3>::n; }"
    ),
    "bool_vectors": (
        "kernel void k(device float4* a, device bool4* b, device int2* c) {\n"
        "  bool4 m = a[0] < a[1]; b[0] = m || a[0] == 1; if (any(m)) a[2] = select(a[0], a[1], !m);\n"
        "  a[3] = float4(a[0] > a[1]); c[0] = int2(c[1] != c[2]); vec<bool, 2> n = c[0] >= 2; c[0].x = n.y ? 1 : "
        "int(m.z);\n}"
    ),
    "scalars_beside_vectors": (
        "kernel void k(device half4* h, device bfloat2* b, device int3* i, constant float& f) {\n"
        "  h[0] = h[1] * f + 1.5; h[0] *= 2.0; b[0] = 0.5 * b[1]; b[0] -= f; i[0] = i[1] * 2 + 1u; i[0] <<= 1; "
        "h[2] = 1;\n}"
    ),
}


#: What Metal 3.1 does not have.
SINCE = {"lambda": (3, 2), "coherent": (3, 2)}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    library = compile_source(HEADER + ACCEPTED[name], language_version=SINCE.get(name, (3, 1)))
    assert library.kernels == ("k",)
    assert "define void @k(" in library.air("k")
