"""Mutated sources give a library or an error. fuzz_msl.py says how to run many more."""

from __future__ import annotations

import random

import fuzz_msl
import pytest

SEEDS = [path.read_text(encoding="utf-8") for path in sorted(fuzz_msl.SEEDS.glob("*.metal"))]


def test_rewriter_survives_mutants() -> None:
    counts = fuzz_msl.run(SEEDS, sources=300, compiled=0, seed=11)
    assert sum(counts.values()) == 300
    assert counts["rewritten"] > 50
    assert counts["rejected"] > 20


def test_compiler_survives_mutants() -> None:
    counts = fuzz_msl.run(SEEDS, sources=24, compiled=24, seed=12)
    assert counts["error"] + counts.get("compiled", 0) == 24


@pytest.mark.parametrize(
    "source",
    [
        "template <" * 2000,
        "vec<" * 2000 + "float" + ", 2>" * 2000,
        "a < " * 5000 + ";",
        "namespace n { " * 200 + "}" * 200,
        "struct S : " * 1000 + "{};",
        "x = a ? " * 3000 + ";",
        "kernel void k(device int* a" + ", device int* a" * 2000 + ") {}",
        "void f() { float2 a(1), " + "b(2, 3), " * 5000 + "c; }",
        "void f() { " + "float2 a(1, 2), b; " * 3000 + "}",
        "void f() { " + "float2 a, " * 5000 + "}",
        "void f() { " + "float2 a < " * 5000 + "}",
        "void f() { " + "float2 a = " * 5000 + "}",
        "void f() { " + "float2 a = [] { " * 90 + "}" * 90 + "}",
        "template [[kernel]] " + "a b<c> " * 3000 + ";",
        "template <" + "void (*f)(int), " * 3000 + "int n> void g();",
        "f(" + "float4(1, 2, " * 200 + ")" * 201 + ";",
        "constant int x = " + "(1 + " * 200 + "2" + ")" * 200 + ";",
        "operator " * 5000,
        "[[" * 200 + "]]" * 200,
        "threadgroup " * 5000 + ";",
        "using a = a; " * 1000,
        "typedef vec<float, 2> a; " * 2000,
        "static_cast<" * 3000,
        "void f() { " + "struct S { " * 200 + "}; " * 200 + "}",
    ],
)
def test_rewriter_is_quick_on_what_grows(source: str) -> None:
    assert fuzz_msl.check_rewriter(source) in ("rewritten", "rejected")


def test_mutants_depend_on_the_seed_alone() -> None:
    first, second = (fuzz_msl.mutants(SEEDS, random.Random(5)) for _ in range(2))
    assert [next(first) for _ in range(5)] == [next(second) for _ in range(5)]
