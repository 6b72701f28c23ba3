"""What Metal does not allow and clang would, as far as tokens tell. lint_pointers.py has the rules for pointers."""

from __future__ import annotations

from isometal.soft.msl.declarations import DeclarationKind, Source
from isometal.soft.msl.diagnostics import Diagnostic
from isometal.soft.msl.lint_pointers import lint_pointers
from isometal.soft.msl.tokens import Kind

__all__ = ["lint"]

#: Words that Metal does not have, and what is said about them. Some are errors for clang too, but in OpenCL's terms.
_FORBIDDEN = {
    "goto": "goto is not allowed in Metal",
    "double": "Metal has no double",
    "new": "Metal has no dynamic memory",
    "delete": "Metal has no dynamic memory",
    "virtual": "virtual functions are not allowed in Metal",
    "try": "exceptions are not allowed in Metal",
    "throw": "exceptions are not allowed in Metal",
    "catch": "exceptions are not allowed in Metal",
    "dynamic_cast": "dynamic_cast is not allowed in Metal",
    "typeid": "typeid is not allowed in Metal",
    "thread_local": "thread_local is not allowed in Metal",
    "asm": "inline assembly is not allowed in Metal",
    "register": "register is not allowed in C++17",
}
_RESERVED = ("__msl_", "__air_")


def lint(source: Source, problems: list[Diagnostic]) -> None:
    for index, token in enumerate(source.tokens):
        if token.kind is not Kind.IDENTIFIER:
            continue
        message = _FORBIDDEN.get(token.text)
        if token.text.startswith(_RESERVED):
            problems.append(Diagnostic("error", token.position, f"names that begin with {token.text[:6]} are reserved"))
        if message is not None and not _is_allowed(source, index):
            problems.append(Diagnostic("error", token.position, message))
        elif token.text == "noexcept" and source.operator(index + 1, "(") and not source.operator(index - 1, ")"):
            problems.append(Diagnostic("error", token.position, "the noexcept operator is not allowed in Metal"))
        elif token.text == "long" and source.word(index + 1, "long"):
            problems.append(Diagnostic("error", token.position, "Metal has no 'long long'; 'long' has 64 bits"))
        elif token.text == "std" and source.operator(index + 1, "::") and not source.operator(index - 1, "::"):
            problems.append(Diagnostic("error", token.position, "Metal has no namespace std; 'metal' is its own"))
    _lint_static_locals(source, problems)
    _lint_bfloat_literals(source, problems)
    lint_pointers(source, problems)


def _is_allowed(source: Source, index: int) -> bool:
    """`= delete`, `operator new` and `throw()` are declarations."""
    return source.word(index, "delete") and source.operator(index - 1, "=")


def _lint_static_locals(source: Source, problems: list[Diagnostic]) -> None:
    for declaration in source.walk():
        if declaration.kind is not DeclarationKind.FUNCTION or declaration.body is None:
            continue
        classes = [child.body for child in declaration.children if child.body is not None]
        for index in range(*declaration.body):
            if source.word(index, "static") and not any(start < index < end for start, end in classes):
                message = "static variables are not allowed in functions; put a 'constant' one outside"
                problems.append(Diagnostic("error", source.tokens[index].position, message))


def _lint_bfloat_literals(source: Source, problems: list[Diagnostic]) -> None:
    """`bfloat x = 1.0f;`: clang has no warning where the value is exact."""
    for index in range(len(source.tokens)):
        if not (source.word(index, "bfloat") and source.word(index + 1) and source.operator(index + 2, "=")):
            continue
        value = index + 4 if source.operator(index + 3, "-") else index + 3
        if value + 1 >= len(source.tokens) or source.tokens[value].kind is not Kind.NUMBER:
            continue
        text = source.tokens[value].text.lower()
        ends = any(source.operator(value + 1, end) for end in (";", ","))
        if ends and not text.startswith("0x") and not text.endswith("bf") and any(c in text for c in ".ef"):
            message = "implicit conversion from 'float' to 'bfloat' is not allowed; 'bfloat(...)' is explicit"
            problems.append(Diagnostic("error", source.tokens[value].position, message))
