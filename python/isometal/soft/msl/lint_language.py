"""What a version of the language, or a GPU, does not have yet: words, lambda expressions, parts of C++17."""

from __future__ import annotations

import re

from isometal.soft.language import FEATURES, Feature, Version, version_text
from isometal.soft.msl.declarations import Source
from isometal.soft.msl.diagnostics import Diagnostic
from isometal.soft.msl.tokens import Kind

__all__ = ["lint_language"]

_LAMBDAS: Version = (3, 2)
#: The first version that is C++17; those before are C++14, of which clang takes much of C++17 as extensions.
_CPP17: Version = (4, 0)
_WORDS = [(feature, re.compile(feature.words)) for feature in FEATURES if feature.words]


def lint_language(source: Source, version: Version, bfloat: bool, problems: list[Diagnostic]) -> None:
    """Before any other rule: those would speak of what follows from it."""
    for index, token in enumerate(source.tokens):
        if token.kind is Kind.IDENTIFIER:
            features = [feature for feature, words in _WORDS if words.fullmatch(token.text)]
            newest = max(features, key=lambda feature: feature.version, default=None)
            message = _refusal(token.text, newest, version, bfloat) if newest is not None else ""
            if token.text == "auto" and version < _CPP17 and _is_parameter(source, index):
                message = f"'auto' as a template parameter needs Metal {version_text(_CPP17)}"
        else:
            is_lambda = version < _LAMBDAS and _is_lambda(source, index)
            message = f"lambda expressions need Metal {version_text(_LAMBDAS)}" if is_lambda else ""
        if message:
            problems.append(Diagnostic("error", token.position, message))


def _refusal(word: str, feature: Feature, version: Version, bfloat: bool) -> str:
    if feature.version > version:
        return f"'{word}' needs Metal {version_text(feature.version)}; this is Metal {version_text(version)}"
    if feature.name == "bfloat" and not bfloat:
        return f"'{word}' is not available: this GPU has no bfloat; __HAVE_BFLOAT__ says whether one has"
    return ""


def _is_parameter(source: Source, index: int) -> bool:
    """`template <auto n>`, `template <typename T, auto n>`: of a lambda or a function, commas stand in parentheses."""
    if source.operator(index - 1, "<"):
        return source.word(index - 2, "template")
    while index > 0 and not source.operator(index, ";"):
        index -= 1
        if any(source.operator(index, bracket) for bracket in ("(", ")", "{", "}", ">")):
            return False
        if source.operator(index, "<"):
            return source.word(index - 1, "template")
    return False


def _is_lambda(source: Source, index: int) -> bool:
    """`[` where an operand is expected: a subscript or an array's size follows a name or a bracket."""
    if not source.operator(index, "[") or index == 0:
        return False
    before = source.tokens[index - 1]
    if before.kind is not Kind.OPERATOR:
        return source.word(index - 1, "return")
    return before.text not in (")", "]", "]]", ">", "}")
