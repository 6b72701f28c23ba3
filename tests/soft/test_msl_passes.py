"""Each pass of the rewriter by itself: Metal in, C++ for OpenCL out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from isometal.soft.msl.declarations import Source
from isometal.soft.msl.diagnostics import Diagnostic, RejectedSource
from isometal.soft.msl.edits import Edits
from isometal.soft.msl.passes.address_spaces import rewrite_address_spaces
from isometal.soft.msl.passes.attributes import remove_attributes
from isometal.soft.msl.passes.attributes_reader import attributes_of
from isometal.soft.msl.passes.casts import rewrite_casts
from isometal.soft.msl.passes.classes import rewrite_classes
from isometal.soft.msl.passes.constants import rewrite_function_constants, rewrite_static_members
from isometal.soft.msl.passes.constructors import rewrite_vector_constructors
from isometal.soft.msl.passes.kernels import find_instantiations, find_kernels
from isometal.soft.msl.passes.keywords import rewrite_keywords
from isometal.soft.msl.passes.repairs import Repairs, rewrite_repairs
from isometal.soft.msl.passes.threadgroup import rewrite_threadgroup_variables
from isometal.soft.msl.passes.vector_types import VectorTypes, rewrite_bool_vectors
from isometal.soft.msl.rewriter import read, rewrite

Pass = Callable[[Source, Edits], object]


def after(text: str, *passes: Pass) -> str:
    """The text after the passes, with single spaces."""
    source, edits = read(text), Edits()
    for each in passes:
        each(source, edits)
    return " ".join(edits.render(source.tokens).text.split())


def with_vectors(each: Callable[[Source, Edits, VectorTypes], None]) -> Pass:
    return lambda source, edits: each(source, edits, VectorTypes(source))


def same(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("metal", "opencl"),
    [
        ("device float* p; threadgroup int t; thread T x;", "__global float* p; __local int t; __private T x;"),
        (
            "constant float* p; static constexpr int constant n;",
            "const __constant float* p; static constexpr int const __constant n;",
        ),
        (
            "struct S { S(int x) thread : x(x) {} S(int x) constant; };",
            "struct S { S(int x) : x(x) {} S(int x) __constant; };",
        ),
        (
            "struct S { int f() const thread; int g() const constant { } };",
            "struct S { int f() const __private; int g() const __constant { } };",
        ),
        (
            "coherent(system) device int* p; device coherent int* q; int coherent;",
            "__global int* p; __global int* q; int coherent;",
        ),
        ("void f(T* x [[threadgroup(0)]]);", "void f(T* x [[threadgroup(0)]]);"),
        ("(constant float*)p; if (x) constant int* q;", "(const __constant float*)p; if (x) const __constant int* q;"),
    ],
)
def test_address_spaces(metal: str, opencl: str) -> None:
    assert after(metal, rewrite_address_spaces) == opencl


def test_attributes_go() -> None:
    assert (
        after("[[kernel]] void f(int* x [[buffer(0)]], uint y[[z]]) [[k]]{}", remove_attributes)
        == "void f(int* x , uint y) {}"
    )


def test_attributes_are_read() -> None:
    source = read("[[buffer(1 + 2), function_constant(a)]] [[clang::maybe_unused]] [[x]]")
    found = [(a.name, source.text(a.start, a.end)) for a in attributes_of(source, 0, len(source.tokens))]
    assert found == [("buffer", "1 + 2"), ("function_constant", "a"), ("maybe_unused", ""), ("x", "")]


@pytest.mark.parametrize(
    ("metal", "opencl"),
    [
        ("global + pipe.generic", "__msl_word_global + __msl_word_pipe.__msl_word_generic"),
        (
            "1.0 + 2e5 + .5 + 3. + 1.0f + 2.0h + 7 + 0x1p3 + 0xEF + 1'0.5",
            "1.0f + 2e5f + .5f + 3.f + 1.0f + 2.0h + 7 + 0x1p3f + 0xEF + 1'0.5f",
        ),
        ("1.5bf + 2bf", "bfloat(1.5f) + bfloat(2f)"),
        ("#pragma METAL internals : enable", ""),
        ("#pragma METAL fp contract(off)", "#pragma clang fp contract(off)"),
        ("#pragma STDC FP_CONTRACT OFF", ""),
        ("#pragma clang loop unroll(full)", "#pragma clang loop unroll(full)"),
    ],
)
def test_keywords_literals_and_pragmas(metal: str, opencl: str) -> None:
    assert after(metal, rewrite_keywords) == opencl


@pytest.mark.parametrize(
    ("metal", "opencl"),
    [
        ("static_cast<T>(x)", "__msl_cast<T>(x)"),
        ("static_cast<vec<T, 2>>(x)", "__msl_cast<vec<T, 2>>(x)"),
        (
            "static_cast<device T*>(x) + static_cast<thread T&>(y)",
            "static_cast<device T*>(x) + static_cast<thread T&>(y)",
        ),
        ("y = (float4)x;", "y = __msl_cast_operator< float4 >()->* x;"),
        ("return (metal::half2)(x.y);", "return __msl_cast_operator< metal::half2 >()->* (x.y);"),
        ("void f(float4); f(float4)(x); (float4*)p", "void f(float4); f(float4)(x); (float4*)p"),
    ],
)
def test_casts(metal: str, opencl: str) -> None:
    assert same(after(metal, with_vectors(rewrite_casts))).replace(" ", "") == opencl.replace(" ", "")


@pytest.mark.parametrize(
    ("metal", "opencl"),
    [
        ("x = float4(a, b);", "x = __msl_vector<float4>(a, b);"),
        ("x = float4(a);", "x = __msl_cast<float4>(a);"),
        ("x = float4();", "x = float4();"),
        ("x = metal::uint2(f(a, b));", "x = __msl_cast<metal::uint2>(f(a, b));"),
        ("x = vec<T, N>(a, 0);", "x = __msl_vector<vec<T, N>>(a, 0);"),
        ("x = float4(float2(a, b), c);", "x = __msl_vector<float4>(__msl_vector<float2>(a, b), c);"),
        (
            "using V = float2; typedef vec<T, 2> W; x = V(1, 2) + W(y);",
            "using V = float2; typedef vec<T, 2> W; x = __msl_vector<V>(1, 2) + __msl_cast<W>(y);",
        ),
        ("using P = float2*; x = P(y);", "using P = float2*; x = P(y);"),
        ("struct S { operator float2(); }; o.float2(x);", "struct S { operator float2(); }; o.float2(x);"),
        ("float4 (*rows)[3]; float4 (&r)[2] = x;", "float4 (*rows)[3]; float4 (&r)[2] = x;"),
        ("x = float4(*p);", "x = __msl_cast<float4>(*p);"),
        (
            "void f() { short2 v(a, b); float2 w(c), u(d, e); }",
            "void f() { short2 v = __msl_vector<short2>(a, b); "
            "float2 w = __msl_cast<float2>(c), u = __msl_vector<float2>(d, e); }",
        ),
        (
            "float2 f(float x); void g() { float2 h(float x, int y); }",
            "float2 f(float x); void g() { float2 h(float x, int y); }",
        ),
    ],
)
def test_vector_constructors(metal: str, opencl: str) -> None:
    assert after(metal, with_vectors(rewrite_vector_constructors)).replace(" ", "") == opencl.replace(" ", "")


def test_bool_vectors() -> None:
    assert after("vec<bool, 3> a; metal::vec<bool, N> b; vec<T, 2> c;", rewrite_bool_vectors) == (
        "__msl_bool_vector< 3> a; __msl_bool_vector< N> b; vec<T, 2> c;"
    )


@pytest.mark.parametrize(
    ("metal", "opencl"),
    [
        (
            "struct S { int x; };",
            "struct S { int x; public: S() = default; MSL_COPY_CONSTRUCTORS(S) MSL_COPY_ASSIGNMENTS(S) };",
        ),
        (
            "struct S { int x; S(int y) {} };",
            "struct S { int x; S(int y) {} public: MSL_COPY_CONSTRUCTORS(S) MSL_COPY_ASSIGNMENTS(S) };",
        ),
        (
            "struct S { int x; S(const thread S& o); };",
            "struct S { int x; S(const thread S& o); public: MSL_COPY_ASSIGNMENTS(S) };",
        ),
        (
            "struct F { int operator()(int a) { return a; } };",
            "struct F { int operator()(int a) __private { return a; } };",
        ),
        (
            "struct F { static int f(); int g() const device; friend int h(); };",
            "struct F { static int f(); int g() const device; friend int h(); };",
        ),
        (
            "template <typename T> struct S { T f(); static T g(); }; template <typename T> T S<T>::f() {} "
            "template <typename T> T S<T>::g() {}",
            "template <typename T> struct S { T f() __private; static T g(); }; template <typename T> T "
            "S<T>::f() __private {} template <typename T> T S<T>::g() {}",
        ),
        (
            "struct S : B { };",
            "struct S : B { public: S() = default; MSL_COPY_CONSTRUCTORS(S) MSL_COPY_ASSIGNMENTS(S) };",
        ),
        (
            "void f() { struct L { int m; }; }",
            "void f() { struct L { int m; public: L() = default; MSL_COPY_CONSTRUCTORS(L) MSL_COPY_ASSIGNMENTS(L) }; }",
        ),
        ("struct { int x; } y; enum E { a };", "struct { int x; } y; enum E { a };"),
    ],
)
def test_classes(metal: str, opencl: str) -> None:
    assert after(metal, rewrite_classes) == opencl


@pytest.mark.parametrize(
    ("declaration", "opencl", "variables"),
    [
        ("threadgroup float x[4];", "threadgroup float (& x )[4] = __msl_threadgroup<0>();", ["x"]),
        (
            "threadgroup T a[N][M], b;",
            "threadgroup T (& a )[N][M] = __msl_threadgroup<0>(), (& b ) = __msl_threadgroup<1>();",
            ["a", "b"],
        ),
        (
            "threadgroup typename K::T As[K::size<3>()];",
            "threadgroup typename K::T (& As )[K::size<3>()] = __msl_threadgroup<0>();",
            ["As"],
        ),
        ("threadgroup float* p = x; threadgroup T& r = y;", "threadgroup float* p = x; threadgroup T& r = y;", []),
        (
            "f((threadgroup float*)p); volatile threadgroup int v;",
            "f((threadgroup float*)p); volatile threadgroup int (& v ) = __msl_threadgroup<0>();",
            ["v"],
        ),
    ],
)
def test_threadgroup_variables(declaration: str, opencl: str, variables: list[str]) -> None:
    found: list[str] = []

    def each(source: Source, edits: Edits) -> None:
        problems: list[Diagnostic] = []
        kernels = find_kernels(source, problems)
        found.extend(v.name for v in rewrite_threadgroup_variables(source, edits, kernels, problems))
        assert not problems

    assert after(f"kernel void k() {{ {declaration} }}", each) == f"kernel void k() {{ {opencl} }}"
    assert found == variables


def test_function_constants() -> None:
    problems: list[Diagnostic] = []
    text = "static constant bool a [[function_constant(3)]]; constant int b = 2;"
    assert after(text, lambda s, e: rewrite_function_constants(s, e, problems)) == (
        "extern constant bool a [[function_constant(3)]]; constant int b = 2;"
    )
    assert not problems


def test_static_members_defined_again_go() -> None:
    text = "template <int N> constexpr constant int S<N>::n; constant int S::m = 3; constant int o = 1;"
    assert after(text, rewrite_static_members) == "constant int S::m = 3; constant int o = 1;"


def test_kernels_and_instantiations_are_found() -> None:
    source = read(
        "kernel void plain(device T* a [[buffer(2)]], uint [[thread_position_in_grid]]) {}\n"
        '[[host_name("a" "b")]] [[kernel, max_total_threads_per_threadgroup(64)]] void named(void) {}\n'
        "kernel void declared(device int* a);\n"
        "template <typename T> kernel void t(device T* a, constant int n[3], constant float (&w)[2]) {}\n"
        'template [[host_name("t_f")]] [[kernel]] decltype(n::t<float>) n::t<float>;\n'
        'template [[host_name("t_i")]] kernel void t<int>(device int*, constant int*, constant float (&)[2]);\n'
        'template [[host_name("t_h")]] kernel void t(device half*, constant int*, constant float (&)[2]);\n'
        "template void other<int>(int);\n"
    )
    problems: list[Diagnostic] = []
    kernels = find_kernels(source, problems)
    assert [k.name for k in kernels] == ["plain", "named", "t"]
    assert [[p.name for p in k.parameters] for k in kernels] == [["a", ""], [], ["a", "n", "w"]]
    assert [a.name for a in kernels[1].attributes] == ["host_name", "kernel", "max_total_threads_per_threadgroup"]
    assert [source.text(*d) for d in kernels[2].parameters[1].dimensions] == ["3"]
    found = find_instantiations(source, kernels, problems)
    assert [(i.host_name, i.function.name) for i in found] == [
        ("plain", "plain"),
        ("ab", "named"),
        ("t_f", "t"),
        ("t_i", "t"),
        ("t_h", "t"),
    ]
    assert [source.text(*i.arguments) if i.arguments else "" for i in found] == [
        "",
        "",
        "n :: t < float >",
        "t < int >",
        "t",
    ]
    assert [i.signature is not None for i in found] == [False, False, False, True, True]
    assert not problems


@pytest.mark.parametrize(
    ("kind", "at", "text", "opencl"),
    [
        ("infix", "<", "x = a + b < c;", "x = a + b < __msl_infix() < c;"),
        ("compound", "+=", "x += y;", "x += __msl_operand() = y;"),
        ("negations", "!", "x = !y.z;", "x = __msl_not()->*y.z;"),
        ("conditionals", "?", "x = a ? b ? c : d : e;", "x = a ? __msl_arm() = b ? c : d : __msl_arm() = e;"),
        ("casts", "T", "x = T(y);", "x = __msl_cast<T>(y);"),
        ("casts", "C", "x = C<T, 2>::U(y);", "x = __msl_cast<C<T, 2>::U>(y);"),
        ("constructors", "b", "f(a, b(1, 2));", "f(a, __msl_vector<b>(1, 2));"),
        ("constructors", "b", "{ const T a = 1, b(x); }", "{ const T a = 1, b = __msl_cast<T>(x); }"),
        (
            "constructors",
            "b",
            "for (n::T<int, 2> a(1), b(1, 2);;);",
            "for (n::T<int, 2> a(1), b = __msl_vector<n::T<int, 2>>(1, 2);;);",
        ),
        ("constructors", "b", "T a[2] = {c, b(1, 2)};", "T a[2] = {c, __msl_vector<b>(1, 2)};"),
        ("constructors", "b", "return b(1, 2);", "return __msl_vector<b>(1, 2);"),
        ("constructors", "typename", "x = typename V<2>::b(1, 2);", "x = __msl_vector<typename V<2>::b>(1, 2);"),
        (
            "constructors",
            "b",
            "struct S { S() : a(), b(1, 2) {} };",
            "struct S { S() : a(), b(__msl_vector<decltype(b)>(1, 2)) {} };",
        ),
        ("lists", "(", "f({a, b}, c, {d});", "f(__msl_list(a, b ), c, __msl_list(d ));"),
        ("vectors", "vec", "metal::vec<T, 2> x;", "__msl_any_vector<T, 2> x;"),
        ("references", "x", "void f(int a, const thread T& x);", "void f(int a, const T& x);"),
        ("functions", "f", "template <int N, F<T> f> void g();", "template <int N, auto f> void g();"),
        ("functions", "f", "template <void (*f)(int), int N> void g();", "template <auto f, int N> void g();"),
    ],
)
def test_repairs(kind: str, at: str, text: str, opencl: str) -> None:
    def each(source: Source, edits: Edits) -> None:
        repairs = Repairs()
        getattr(repairs, kind).add(next(i for i, token in enumerate(source.tokens) if token.text == at))
        rewrite_repairs(source, edits, repairs)

    assert after(text, each).replace(" ", "") == opencl.replace(" ", "")


def test_passes_together_keep_every_line() -> None:
    text = (
        "kernel void k(device float2* a)\n{\n  threadgroup float2 t[2];\n\n"
        "  a[0] = float2(1, static_cast<int>(t[0].x));\n}\n"
    )
    lines = rewrite(read(text)).rendered.text.split("\n")
    assert lines[0].strip() == "void k(__global float2* a)"
    assert lines[4].strip() == "a[0] = __msl_vector< float2 >(1, __msl_cast<int>(t[0].x));"
    assert lines[5].startswith("} ")
    assert "__msl_entry_0" in lines[5]


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(RejectedSource) as caught:
        rewrite(read("kernel int k(int* a) { goto x; static int y; }"))
    assert [d.message.partition(";")[0] for d in caught.value.diagnostics] == [
        "kernel 'k' must return void",
        "goto is not allowed in Metal",
        "static variables are not allowed in functions",
        "parameter 'a': a pointer needs an address space: device, constant, threadgroup or thread",
    ]
