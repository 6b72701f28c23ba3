"""The declarations of a source: namespaces, classes, functions and variables, found without knowing any type.

This is a reader of C++'s outline, not of C++. It knows where declarations begin and end, what kind they are and what
they are called, which is all that the rewriter needs; what it cannot tell is of kind OTHER and left to clang.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from isometal.soft.msl.brackets import Brackets
from isometal.soft.msl.diagnostics import Diagnostic, RejectedSource
from isometal.soft.msl.tokens import Kind, Token

__all__ = ["Declaration", "DeclarationKind", "Source"]


class DeclarationKind(Enum):
    NAMESPACE = "namespace"
    CLASS = "class"
    ENUM = "enum"
    FUNCTION = "function"
    VARIABLE = "variable"  # and data members
    ALIAS = "alias"  # using, typedef
    INSTANTIATION = "instantiation"  # template ...; without <
    OTHER = "other"


@dataclass(slots=True)
class Declaration:
    """One declaration: the tokens [start, end), and the places in it that matter. Places are token indices."""

    kind: DeclarationKind
    start: int
    end: int = 0
    head: int = 0  # behind the template headers
    templates: list[tuple[int, int]] = field(default_factory=list)  # `<` and `>` of template headers
    name: int | None = None
    parameters: tuple[int, int] | None = None  # `(` and `)`
    body: tuple[int, int] | None = None  # `{` and `}`
    parent: Declaration | None = None
    children: list[Declaration] = field(default_factory=list)

    def walk(self) -> Iterator[Declaration]:
        yield self
        for child in self.children:
            yield from child.walk()


_CLASS_KEYS = frozenset(["class", "struct", "union"])
_ACCESS = frozenset(["public", "private", "protected"])
# Names before `(` that do not make it a parameter list.
_NOT_FUNCTIONS = frozenset(
    ["alignas", "__attribute__", "decltype", "noexcept", "sizeof", "alignof", "explicit", "static_assert", "__declspec"]
)
_MAX_DEPTH = 64
_STATEMENT_ENDS = frozenset([";", "{", "}", ":"])


class Source:
    """Tokens with their brackets and declarations. Raises RejectedSource where brackets do not match."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.brackets = Brackets(tokens)
        self.declarations = list(_Outline(self).scope(0, len(tokens), None))

    def walk(self) -> Iterator[Declaration]:
        for declaration in self.declarations:
            yield from declaration.walk()

    def text(self, start: int, end: int) -> str:
        """The tokens [start, end) as text with single spaces."""
        return " ".join(token.text for token in self.tokens[start:end])

    def operator(self, index: int, text: str) -> bool:
        return 0 <= index < len(self.tokens) and self.tokens[index].text == text and self._is(index, Kind.OPERATOR)

    def word(self, index: int, *texts: str) -> bool:
        """Whether the token is this identifier or keyword, or any identifier where none is named."""
        if not (0 <= index < len(self.tokens) and self._is(index, Kind.IDENTIFIER)):
            return False
        return not texts or self.tokens[index].text in texts

    def _is(self, index: int, kind: Kind) -> bool:
        return self.tokens[index].kind is kind

    def attributes(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """`[[` and `]]` of the attributes among the tokens [start, end), those within other brackets left out."""
        index = start
        while index < end:
            if self.operator(index, "[["):
                yield index, self.brackets.partner(index)
            index = self.brackets.after(index)

    def words(self, start: int, end: int) -> Iterator[int]:
        """Indices of the identifiers in [start, end) outside of brackets and template arguments."""
        index = start
        while index < end:
            if self._is(index, Kind.IDENTIFIER):
                yield index
                if self.operator(index + 1, "<"):
                    closer = self.brackets.template_end(index + 1, end)
                    if closer is not None:
                        index = closer + 1
                        continue
            index = self.brackets.after(index)

    def starts_statement(self, index: int) -> bool:
        """Whether a statement of a function body begins at `index`, as far as the token before it tells."""
        before = index - 1
        while before >= 0 and self._is(before, Kind.PRAGMA):
            before -= 1
        if before < 0 or self.operator(before, ")"):
            return True
        token = self.tokens[before]
        if token.kind is Kind.IDENTIFIER:
            return token.text in ("else", "do")
        return token.kind is Kind.OPERATOR and token.text in _STATEMENT_ENDS

    def statement_end(self, start: int) -> int:
        """Index of the `;` that ends the statement at `start`, or of the bracket that closes around it."""
        index = start
        while index < len(self.tokens):
            if self.operator(index, ";") or self.brackets.is_closer(index):
                return index
            index = self.brackets.after(index)
        return index


class _Outline:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.tokens = source.tokens
        self.brackets = source.brackets

    def scope(self, start: int, end: int, parent: Declaration | None) -> Iterator[Declaration]:
        index, depth, outer = start, 0, parent
        while outer is not None:
            depth, outer = depth + 1, outer.parent
        if depth > _MAX_DEPTH:
            message = f"declarations nest deeper than {_MAX_DEPTH} levels"
            raise RejectedSource([Diagnostic("error", self.tokens[start - 1].position, message)])
        while index < end:
            token = self.tokens[index]
            if token.kind is Kind.PRAGMA or self.source.operator(index, ";"):
                index += 1
            elif token.text in _ACCESS and self.source.operator(index + 1, ":"):
                index += 2
            else:
                declaration = self.declaration(index, end, parent)
                yield declaration
                index = max(declaration.end, index + 1)

    def declaration(self, start: int, end: int, parent: Declaration | None) -> Declaration:
        found = Declaration(DeclarationKind.OTHER, start, parent=parent)
        index = start
        while self.source.word(index, "template") and index < end:
            if not self.source.operator(index + 1, "<"):
                found.kind = DeclarationKind.INSTANTIATION
                found.head = index + 1
                found.end = min(self.source.statement_end(index) + 1, end)
                return found
            closer = self.brackets.template_end(index + 1, end)
            if closer is None:
                found.end = min(self.source.statement_end(index) + 1, end)
                return found
            found.templates.append((index + 1, closer))
            index = closer + 1
        found.head = index
        while self.source.operator(index, "[["):
            index = self.brackets.after(index)
        self._classify(found, index, end)
        return found

    def _classify(self, found: Declaration, index: int, end: int) -> None:
        source = self.source
        first = index + 1 if source.word(index, "inline") and source.word(index + 1, "namespace") else index
        if source.word(first, "namespace"):
            self._namespace(found, first, end)
        elif source.word(index, "extern") and index + 1 < end and self.tokens[index + 1].kind is Kind.STRING:
            if source.operator(index + 2, "{"):
                self._nested(found, DeclarationKind.NAMESPACE, index + 2)
            else:
                self._classify(found, index + 2, end)
        elif source.word(index, "using"):
            found.kind = DeclarationKind.ALIAS
            if source.operator(index + 2, "="):
                found.name = index + 1
            found.end = min(source.statement_end(index) + 1, end)
        elif source.word(index, "static_assert"):
            found.end = min(source.statement_end(index) + 1, end)
        elif not self._class(found, index, end):
            self._declarator(found, index, end)

    def _namespace(self, found: Declaration, index: int, end: int) -> None:
        index += 1
        while index < end and not any(self.source.operator(index, text) for text in ("{", ";", "=")):
            if self.source.word(index):
                found.name = index
            index = self.brackets.after(index)
        if self.source.operator(index, "{"):
            self._nested(found, DeclarationKind.NAMESPACE, index)
        else:
            found.end = min(self.source.statement_end(index) + 1, end)

    def _nested(self, found: Declaration, kind: DeclarationKind, opener: int) -> None:
        found.kind = kind
        closer = self.brackets.partner(opener)
        found.body = (opener, closer)
        found.end = closer + 1
        if kind is not DeclarationKind.ENUM:
            found.children = list(self.scope(opener + 1, closer, found))

    def _class(self, found: Declaration, start: int, end: int) -> bool:
        """Read a class or enum definition; False where there is none at `start`."""
        index, key, name = start, "", None
        while index < end:
            token = self.tokens[index]
            if token.kind is Kind.IDENTIFIER:
                if token.text in _CLASS_KEYS or token.text == "enum":
                    key = key or token.text
                elif token.text in ("alignas", "__attribute__", "decltype") and self.source.operator(index + 1, "("):
                    index = self.brackets.after(index + 1)
                    continue
                elif key and name is None and token.text != "final":
                    name = index
                if self.source.operator(index + 1, "<"):
                    closer = self.brackets.template_end(index + 1, end)
                    if closer is not None:
                        index = closer + 1
                        continue
            elif token.kind is Kind.OPERATOR:
                if token.text == "{":
                    break
                if token.text == ":" and key:
                    # Base classes: nothing but names up to the body.
                    while index < end and not self.source.operator(index, "{") and not self.source.operator(index, ";"):
                        index = self.brackets.after(index)
                    break
                if token.text not in ("[[", "::", "*", "&"):
                    return False
            index = self.brackets.after(index)
        if not key or not self.source.operator(index, "{"):
            return False
        is_typedef = self.source.word(start, "typedef")
        self._nested(found, DeclarationKind.ENUM if key == "enum" else DeclarationKind.CLASS, index)
        found.name = name
        if not is_typedef and name is None and self.source.word(found.end):
            pass  # an object of an unnamed class: its name is not the class's
        found.end = min(self.source.statement_end(found.end) + 1, end)
        return True

    def _declarator(self, found: Declaration, start: int, end: int) -> None:
        """Read a function, a variable or a typedef."""
        source, index, name = self.source, start, None
        while index < end:
            token = self.tokens[index]
            if token.kind is Kind.IDENTIFIER:
                if token.text == "operator":
                    name, index = index, self._operator_symbol(index, end)
                    continue
                if token.text in _NOT_FUNCTIONS and source.operator(index + 1, "("):
                    index = self.brackets.after(index + 1)
                    continue
                name = index
                if source.operator(index + 1, "<"):
                    closer = self.brackets.template_end(index + 1, end)
                    if closer is not None:
                        index = closer + 1
                        continue
            elif token.kind is Kind.OPERATOR:
                if token.text == "(" and name is not None:
                    self._function(found, name, index, end)
                    return
                if token.text in (";", "=", "{", ":", ",") or self.brackets.is_closer(index):
                    break
            index = self.brackets.after(index)
        is_alias = source.word(start, "typedef")
        found.kind = DeclarationKind.ALIAS if is_alias else DeclarationKind.VARIABLE
        found.name = name
        if name is None:
            found.kind = DeclarationKind.OTHER
        found.end = min(source.statement_end(index) + 1, end)

    def _operator_symbol(self, index: int, end: int) -> int:
        """Index of the parameter list's `(` behind `operator` at `index`."""
        index += 1
        if self.source.operator(index, "(") and self.source.operator(index + 1, ")"):
            return index + 2
        while index < end and not self.source.operator(index, "(") and not self.source.operator(index, ";"):
            index = self.brackets.after(index)
        return index

    def _function(self, found: Declaration, name: int, opener: int, end: int) -> None:
        found.kind = DeclarationKind.FUNCTION
        found.name = name
        found.parameters = (opener, self.brackets.partner(opener))
        index = found.parameters[1] + 1
        while index < end:
            if self.source.operator(index, "{"):
                self._function_body(found, index)
                return
            if self.source.operator(index, ":"):
                body = self._initializers(index + 1, end)
                if body is not None:
                    self._function_body(found, body)
                    return
                break
            if self.source.operator(index, ";") or self.source.operator(index, "=") or self.brackets.is_closer(index):
                break
            index = self.brackets.after(index)
        found.end = min(self.source.statement_end(index) + 1, end)

    def _initializers(self, index: int, end: int) -> int | None:
        """Index of the body's `{` behind a constructor's member initialisers."""
        while index < end:
            while index < end and not (self.source.operator(index, "(") or self.source.operator(index, "{")):
                if self.source.operator(index, ";"):
                    return None
                closer = self.brackets.template_end(index, end) if self.source.operator(index, "<") else None
                index = closer + 1 if closer is not None else self.brackets.after(index)
            index = self.brackets.after(index) if index < end else end
            if self.source.operator(index, "..."):
                index += 1
            if self.source.operator(index, "{"):
                return index
            if not self.source.operator(index, ","):
                return None
            index += 1
        return None

    def _function_body(self, found: Declaration, opener: int) -> None:
        closer = self.brackets.partner(opener)
        found.body = (opener, closer)
        found.end = closer + 1
        index = opener + 1
        while index < closer:
            # Classes in functions; all other statements are the passes' business.
            if self.source.word(index, "struct", "class", "union", "enum") and self.source.starts_statement(index):
                inner = Declaration(DeclarationKind.OTHER, index, head=index, parent=found)
                if self._class(inner, index, closer):
                    found.children.append(inner)
                    index = inner.end
                    continue
            index += 1
