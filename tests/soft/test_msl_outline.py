"""The outline of declarations that the rewriter works on."""

from __future__ import annotations

import pytest

from isometal.soft.msl.declarations import Declaration, DeclarationKind
from isometal.soft.msl.diagnostics import RejectedSource
from isometal.soft.msl.rewriter import read


def outline(text: str) -> list[str]:
    """Declarations as `kind name`, those within others indented."""
    source = read(text)
    lines: list[str] = []

    def add(declaration: Declaration, depth: int) -> None:
        name = source.tokens[declaration.name].text if declaration.name is not None else "-"
        lines.append("  " * depth + f"{declaration.kind.value} {name}")
        for child in declaration.children:
            add(child, depth + 1)

    for declaration in source.declarations:
        add(declaration, 0)
    return lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("namespace a::b { int f(); } inline namespace c {}", ["namespace b", "  function f", "namespace c"]),
        ("namespace { struct S; }", ["namespace -", "  variable S"]),
        (
            "namespace a = b; using namespace metal; using T = int; typedef float F;",
            ["other a", "alias -", "alias T", "alias F"],
        ),
        ('extern "C" { void f(); } extern "C" void g();', ["namespace -", "  function f", "function g"]),
        ("template <typename T, int N = (1 > 0)> struct S : B<T> { T x[N]; };", ["class S", "  variable x"]),
        (
            "struct alignas(16) S { int a, b; } s; union U { int i; float f; };",
            ["class S", "  variable a", "class U", "  variable i", "  variable f"],
        ),
        ("enum class E : int { a, b = 2 }; enum { c };", ["enum E", "enum -"]),
        (
            "struct S { S(int x) thread : x(x), y{1} {} ~S(); operator int() const; int operator()(int); "
            "private: int x; };",
            ["class S", "  function S", "  function S", "  function operator", "  function operator", "  variable x"],
        ),
        ("template <typename T> T C<T>::f(T x) const { return x; }", ["function f"]),
        ("template <> inline float f<float>(float x) { return x; }", ["function f"]),
        (
            "constant float t[2] = {1, 2}; constexpr constant int n{3}; static constant S s = S(1);",
            ["variable t", "variable n", "variable s"],
        ),
        ("template <typename T> constexpr constant bool v = is<T>::value;", ["variable v"]),
        ("struct S f(int a) { return {a}; }", ["function f"]),
        ("auto f(int a) -> decltype(a) { return a; }", ["function f"]),
        ("METAL_FUNC __attribute__((always_inline)) void f(thread int (&x)[3]) {}", ["function f"]),
        (
            "void f() { struct L { int m; int g() { return m; } }; L l; }",
            ["function f", "  class L", "    variable m", "    function g"],
        ),
        ('template [[host_name("x")]] [[kernel]] decltype(f<int>) f<int>;', ["instantiation -"]),
        ('static_assert(sizeof(int) == 4, "x"); ; int after;', ["other -", "variable after"]),
        ("bool operator<(S a, S b); S operator+=(S a, S b) { return a; }", ["function operator", "function operator"]),
        ("void f(int a = g<1, 2>(3)); int h;", ["function f", "variable h"]),
        ("int x = a < b; int y = c > d;", ["variable x", "variable y"]),
    ],
)
def test_outline(text: str, expected: list[str]) -> None:
    assert outline(text) == expected


def test_parts_of_a_function() -> None:
    source = read("template <typename T> [[kernel]] void f(T a, int b) const { g(); }")
    (function,) = source.declarations
    assert function.kind is DeclarationKind.FUNCTION
    assert [source.text(start, end + 1) for start, end in function.templates] == ["< typename T >"]
    assert function.parameters is not None
    assert function.body is not None
    assert source.text(function.parameters[0], function.parameters[1] + 1) == "( T a , int b )"
    assert source.text(function.body[0], function.body[1] + 1) == "{ g ( ) ; }"
    assert source.tokens[function.head].text == "[["


@pytest.mark.parametrize(
    "text",
    [
        "template",
        "template <",
        "template <class T",
        "struct",
        "struct S",
        "enum {",
        "namespace",
        "operator",
        "operator(",
        "f(",
        "class A : ;",
        "using",
        "using =",
        "int operator;",
        "template <> ;",
        "S::S() : a(",
        'extern "C"',
        "~",
        "= ;",
        "typedef struct { int x; }",
        "void f() { struct",
        "struct S { : };",
        "template template template",
    ],
)
def test_broken_source_has_an_outline_or_is_rejected(text: str) -> None:
    try:
        declarations = list(read(text).walk())
    except RejectedSource:
        return
    assert all(declaration.end > declaration.start for declaration in declarations)
