"""Pointers and references need an address space in Metal. For clang those without one could point anywhere.

Where the pointed-to type is a template parameter, `auto` or `decltype`, it may bring its address space along, so these
are let through.
"""

from __future__ import annotations

from isometal.soft.msl.declarations import Declaration, DeclarationKind, Source
from isometal.soft.msl.diagnostics import Diagnostic
from isometal.soft.msl.passes.address_spaces import SPACES

__all__ = ["lint_pointers"]

_QUALIFIERS = frozenset(["const", "volatile", "constexpr", "static", "inline", "extern", "mutable", "register"])
#: Words that begin a statement which is no declaration, or a type that may hold an address space.
_NO_TYPE = frozenset(
    [
        "return",
        "case",
        "else",
        "do",
        "goto",
        "throw",
        "delete",
        "new",
        "auto",
        "decltype",
        "typename",
        "typedef",
        "using",
        "sizeof",
        "co_return",
        "operator",
    ]
)
_CASTS = frozenset(["static_cast", "reinterpret_cast", "const_cast"])


def lint_pointers(source: Source, problems: list[Diagnostic]) -> None:
    checker = _Checker(source, problems)
    for declaration in source.walk():
        checker.declaration(declaration)
    checker.casts()


class _Checker:
    def __init__(self, source: Source, problems: list[Diagnostic]) -> None:
        self.source = source
        self.problems = problems
        self._seen: set[int] = set()
        self._aliases: set[str] = set()  # names whose type has an address space or is a template parameter
        for declaration in source.walk():
            self._learn(declaration)

    def _learn(self, declaration: Declaration) -> None:
        source = self.source
        for opener, closer in declaration.templates:
            for start, end in source.brackets.split(opener + 1, closer):
                names = [i for i in range(start, end) if source.word(i)]
                if names and source.word(start, "typename", "class"):
                    default = next((i for i in range(start, end) if source.operator(i, "=")), end)
                    inner = [i for i in names if i < default]
                    self._aliases.add(source.tokens[inner[-1]].text)
        if declaration.kind is DeclarationKind.ALIAS and declaration.name is not None:
            inside = range(declaration.head, declaration.end)
            if any(source.word(i, *SPACES, "decltype", "typename") for i in inside) or any(
                source.word(i) and source.tokens[i].text in self._aliases for i in inside
            ):
                self._aliases.add(source.tokens[declaration.name].text)

    def declaration(self, declaration: Declaration) -> None:
        source, kind = self.source, declaration.kind
        if declaration.name is None:
            return
        if kind is DeclarationKind.FUNCTION and declaration.parameters is not None:
            opener, closer = declaration.parameters
            if not source.word(declaration.name, "operator") or declaration.name > declaration.head:
                self._check(declaration.head, declaration.name, "the result of '{}'", declaration.name)
            for start, end in source.brackets.split(opener + 1, closer):
                self._check(start, end, "parameter '{}'", None)
            if declaration.body is not None:
                self._locals(*declaration.body)
        elif kind is DeclarationKind.ALIAS:
            start = declaration.name + 2 if source.word(declaration.head, "using") else declaration.head + 1
            self._check(start, declaration.end, "'{}'", declaration.name)
        elif kind is DeclarationKind.VARIABLE:
            self._check(declaration.head, declaration.name, "'{}'", declaration.name)

    def casts(self) -> None:
        source = self.source
        for index in range(len(source.tokens)):
            if source.word(index, *_CASTS) and source.operator(index + 1, "<"):
                closer = source.brackets.template_end(index + 1)
                if closer is not None:
                    self._check(index + 2, closer, "the type of this cast", None)
            elif source.operator(index, "("):
                closer = source.brackets.partner(index)
                last = closer - 1
                while source.word(last, "const", "volatile"):
                    last -= 1
                is_type = source.operator(last, "*") and (source.word(last - 1) or source.operator(last - 1, ">"))
                if is_type and last - 1 > index - 1 and self._is_name(index + 1, last):
                    self._check(index + 1, closer, "this type", None)

    def _is_name(self, start: int, end: int) -> bool:
        """Whether [start, end) looks like a type: names, `::`, and template arguments only."""
        index = start
        while index < end:
            if self.source.operator(index, "<"):
                closer = self.source.brackets.template_end(index, end)
                if closer is None:
                    return False
                index = closer
            elif not self.source.word(index) and not self.source.operator(index, "::"):
                return False
            index += 1
        return start < end

    def _locals(self, opener: int, closer: int) -> None:
        for index in range(opener + 1, closer):
            if self._starts_declaration(index):
                self._local(index, closer)

    def _starts_declaration(self, index: int) -> bool:
        source = self.source
        if not source.word(index):
            return False
        before = index - 1
        if source.operator(before, "("):
            return source.word(before - 1, "for")
        return any(source.operator(before, text) for text in (";", "{", "}"))

    def _local(self, start: int, limit: int) -> None:
        """`T* name = ...;` at the start of a statement."""
        source, index = self.source, start
        while source.word(index, *_QUALIFIERS):
            index += 1
        if source.word(index, *_NO_TYPE):
            return
        while index < limit:
            if source.word(index) or source.operator(index, "::"):
                index += 1
            elif source.operator(index, "<"):
                closer = source.brackets.template_end(index, limit)
                if closer is None:
                    return
                index = closer + 1
            else:
                break
        end = index
        while any(source.operator(end, text) for text in ("*", "&", "&&")) or source.word(end, "const", "volatile"):
            end += 1
        if end > index and source.word(end) and any(source.operator(end + 1, t) for t in ("=", ";", ",", "[", "{")):
            self._check(start, end, "'{}'", end)

    def _check(self, start: int, end: int, what: str, name: int | None) -> None:
        """Report the declaration [start, end) where it has `*` or `&` and no address space before."""
        source, index, names, place = self.source, start, [], None
        while index < end and not source.operator(index, "="):
            if any(source.operator(index, text) for text in ("*", "&", "&&")):
                place = index
                break
            if source.word(index):
                if source.word(index, *SPACES, *_NO_TYPE):
                    return
                if source.tokens[index].text not in _QUALIFIERS:
                    names.append(source.tokens[index].text)
                if source.operator(index + 1, "<"):
                    closer = source.brackets.template_end(index + 1, end)
                    index = closer if closer is not None else index
            elif source.operator(index, "["):
                return
            elif source.operator(index, "(") and any(source.operator(index + 1, text) for text in ("*", "&")):
                # A pointer or reference to an array; one to a function has no address space.
                behind = source.brackets.after(index)
                place = index + 1 if source.operator(behind, "[") else None
                break
            index = source.brackets.after(index)
        if place is None or not names or names[-1] in self._aliases or place in self._seen:
            return
        self._seen.add(place)
        if name is None:
            behind = place + 1
            while any(source.operator(behind, t) for t in ("*", "&", "&&")) or source.word(behind, "const", "restrict"):
                behind += 1
            name = behind if behind < end and source.word(behind) else None
        described = what.format(source.tokens[name].text) if name is not None else what.replace(" '{}'", "")
        kind = "pointer" if source.operator(place, "*") else "reference"
        message = f"{described}: a {kind} needs an address space: device, constant, threadgroup or thread"
        self.problems.append(Diagnostic("error", source.tokens[place].position, message))
