"""Lexer, brackets and edits of the Metal front end."""

from __future__ import annotations

import pytest

from isometal.soft.msl.brackets import Brackets, separate_attributes
from isometal.soft.msl.diagnostics import RejectedSource
from isometal.soft.msl.edits import Edits
from isometal.soft.msl.tokens import Kind, Position, lex


def texts(source: str) -> list[str]:
    return [token.text for token in lex(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a<<=b>>c->d->*e", ["a", "<<=", "b", ">>", "c", "->", "d", "->*", "e"]),
        ("x[[1]]::y", ["x", "[[", "1", "]]", "::", "y"]),
        ("1.0e-5f 0x1p3 .5h 1'000 3.bf", ["1.0e-5f", "0x1p3", ".5h", "1'000", "3.bf"]),
        ('"a\\"b" L\'c\' u8"d"', ['"a\\"b"', "L'c'", 'u8"d"']),
        ("T(&...x)", ["T", "(", "&", "...", "x", ")"]),
        ("a ## b @ `", ["a", "##", "b", "@", "`"]),
        ('R"x(one)" two)x" three', ['R"x(one)" two)x"', "three"]),
    ],
)
def test_tokens(source: str, expected: list[str]) -> None:
    assert texts(source) == expected


def test_kinds() -> None:
    kinds = [token.kind for token in lex("if 1 \"s\" 'c' + #pragma\n#pragma once")]
    assert kinds == [
        Kind.IDENTIFIER,
        Kind.NUMBER,
        Kind.STRING,
        Kind.CHARACTER,
        Kind.OPERATOR,
        Kind.OTHER,
        Kind.IDENTIFIER,
        Kind.PRAGMA,
    ]


def test_line_markers_say_where_tokens_come_from() -> None:
    tokens = lex('a\n# 7 "dir/x.h" 1\n  b c\n#line 3 "with \\"quotes\\""\nd\n\ne', "main")
    assert [(t.text, t.position, t.row) for t in tokens] == [
        ("a", Position("main", 1, 1), 1),
        ("b", Position("dir/x.h", 7, 3), 3),
        ("c", Position("dir/x.h", 7, 5), 3),
        ("d", Position('with "quotes"', 3, 1), 5),
        ("e", Position('with "quotes"', 5, 1), 7),
    ]


def test_raw_string_over_lines_keeps_count() -> None:
    tokens = lex('x R"(\n\n)" y\nz')
    assert [(t.text, t.position.line, t.row) for t in tokens if t.kind is Kind.IDENTIFIER] == [
        ("x", 1, 1),
        ("y", 1, 1),
        ("z", 4, 4),
    ]


@pytest.mark.parametrize("source", ["", "\n", "#", "# 1", '"', "'", 'R"(', "\x00\x7f", "é", "\r\n\t", "[[", "#pragma"])
def test_whatever_comes_gives_tokens(source: str) -> None:
    assert all(token.text for token in lex(source))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a[b[i]]", "a [ b [ i ] ]"),
        ("[[buffer(0)]] x", "[[ buffer ( 0 ) ]] x"),
        ("a[[i]{return 1;}()]", "a [ [ i ] { return 1 ; } ( ) ]"),
        ("x[[]() { return a[b[0]]; }()]", "x [ [ ] ( ) { return a [ b [ 0 ] ] ; } ( ) ]"),
        ("[[a(b[0])]]", "[[ a ( b [ 0 ] ) ]]"),
    ],
)
def test_double_brackets_are_attributes_only_where_they_close_as_such(source: str, expected: str) -> None:
    assert " ".join(token.text for token in separate_attributes(lex(source))) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("f(a", "'(' is never closed; expected ')'"),
        ("f(a]", "expected ')' before ']'"),
        ("}", "extraneous '}'"),
        ("(" * 300 + ")" * 300, "deeper than 256"),
    ],
)
def test_brackets_without_partner_are_rejected(source: str, message: str) -> None:
    with pytest.raises(RejectedSource) as caught:
        Brackets(separate_attributes(lex(source)))
    assert message in str(caught.value)
    assert [d.severity for d in caught.value.diagnostics] == ["error"]


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        ("vec<T, 4> x", "T , 4"),
        ("f<a<b>> x", "a < b"),
        ("f<(a > b), c> x", "( a > b ) , c"),
        ("f<decltype(x){}, 3> y", "decltype ( x ) { } , 3"),
        ("a < b; c > d", None),
        ("(a < b) > c", None),
        ("a < b", None),
    ],
)
def test_template_argument_lists(source: str, arguments: str | None) -> None:
    tokens = lex(source)
    opener = next(i for i, token in enumerate(tokens) if token.text == "<")
    closer = Brackets(tokens).template_end(opener)
    assert arguments == (None if closer is None else " ".join(t.text for t in tokens[opener + 1 : closer]))


def test_lists_split_at_their_own_commas() -> None:
    tokens = lex("a, f(b, c), g<d, e>(1), h[i, j]")
    brackets = Brackets(tokens)
    parts = ["".join(t.text for t in tokens[start:end]) for start, end in brackets.split(0, len(tokens))]
    assert parts == ["a", "f(b,c)", "g<d,e>(1)", "h[i,j]"]
    assert brackets.split(0, 0) == []


def test_edits_keep_lines_and_know_where_text_comes_from() -> None:
    tokens = lex("int  x;\n  y(z);")
    edits = Edits()
    edits.replace(0, "long")
    edits.insert_before(3, "call")
    edits.insert_after(3, "<T>")
    rendered = edits.render(tokens)
    assert rendered.text == "long  x;\n  call y <T>(z);\n"
    assert [tokens[rendered.token_at(2, c) or 0].text for c in (3, 8, 9, 12, 13, 14)] == ["y", "y", "y", "y", "(", "z"]
    assert rendered.token_at(1, 1) == 0
    assert rendered.token_at(9, 1) is None


def test_what_is_removed_stays_removed_whatever_other_edits_say() -> None:
    tokens = lex("a b c d")
    for order in (0, 1):
        edits = Edits()
        if order:
            edits.remove(1, 3, "instead;")
        edits.insert_before(1, "x")
        edits.replace(2, "y")
        if not order:
            edits.remove(1, 3, "instead;")
        assert edits.render(tokens).text.split() == ["a", "instead;", "d"]


def test_pragmas_stay_by_themselves() -> None:
    tokens = lex("{\n#pragma clang loop unroll(full)\nfor (;;) ;\n}")
    edits = Edits()
    edits.insert_after(0, "first();\nsecond();")
    lines = [line.strip() for line in edits.render(tokens).text.split("\n")]
    assert "#pragma clang loop unroll(full)" in lines
