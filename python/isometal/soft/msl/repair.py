"""Finds, in what clang says about an attempt, the places that need another rewriting because of their types.

The rewriter knows no types. Where Metal means something else than clang does with operands of certain types, the first
attempt fails with a known message, or compiles to code that shows it (vector_code.py); the place is noted, and
the next attempt treats it as Metal would.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from isometal.soft.msl.clang_messages import Message
from isometal.soft.msl.declarations import Source
from isometal.soft.msl.locations import Locator
from isometal.soft.msl.passes.repairs import Repairs
from isometal.soft.msl.vector_code import VectorCode

__all__ = ["find_repairs", "repair_vector_code"]

_BINARY = frozenset(["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "==", "!=", "<", ">", "<=", ">=", "&&", "||"])
_COMPOUND = frozenset(["+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="])
_NUMBER = re.compile(r"in (\d+)(?:st|nd|rd|th) argument")
_QUOTED = re.compile(r"parameter '(\w+)'")


def find_repairs(source: Source, repairs: Repairs, messages: Sequence[Message], locator: Locator) -> None:
    """Add to `repairs` what the errors among `messages` ask for."""
    finder = _Finder(source, repairs, locator)
    for error, notes in _grouped(messages):
        for pattern, note, apply in _RULES:
            if pattern.search(error.text):
                for message in [error] if note is None else [n for n in notes if note.search(n.text)]:
                    index = locator.token_index(error if apply is _Finder.call else message)
                    if index is not None:
                        apply(finder, index, message)


def repair_vector_code(source: Source, repairs: Repairs, index: int, kind: VectorCode) -> str | None:
    """Note a place where clang does to vectors what Metal does not. Returns what is wrong where Metal has nothing for
    it either."""
    text = source.tokens[index].text
    if kind == "splat":
        return "a bool does not become a vector by itself; T(b ? 1 : 0), T being the vector's type, would"
    if kind == "cast":
        if index in repairs.casts:
            return "a cast between vectors of different types; static_cast<T>() converts, as_type<T>() keeps the bits"
        if text != "reinterpret_cast":
            repairs.casts.add(index)
    elif text == "!":
        repairs.negations.add(index)
    elif text in _BINARY:
        repairs.infix.add(index)
    elif text == "?":
        return "the condition of ?: must be one value, not a vector; select() chooses by element"
    return None


def _grouped(messages: Sequence[Message]) -> Iterator[tuple[Message, list[Message]]]:
    """Errors, each with its notes."""
    error: Message | None = None
    notes: list[Message] = []
    for message in messages:
        if message.severity == "note":
            notes.append(message)
            continue
        if error is not None:
            yield error, notes
        error, notes = (message if message.severity == "error" else None), []
    if error is not None:
        yield error, notes


class _Finder:
    def __init__(self, source: Source, repairs: Repairs, locator: Locator) -> None:
        self.source = source
        self.repairs = repairs
        self.locator = locator
        self._brackets: set[int] = set()

    def operator(self, index: int, _: Message) -> None:
        text = self.source.tokens[index].text
        if text in _BINARY:
            self.repairs.infix.add(index)
        elif text in _COMPOUND:
            self.repairs.compound.add(index)

    def conditional(self, index: int, _: Message) -> None:
        if self.source.operator(index, "?"):
            self.repairs.conditionals.add(index)

    def cast(self, index: int, _: Message) -> None:
        if self.source.word(index) or self.source.operator(index, "("):
            self.repairs.casts.add(index)

    def constructor(self, index: int, _: Message) -> None:
        if self.source.word(index):
            self.repairs.constructors.add(index)

    def vector(self, index: int, _: Message) -> None:
        while self.source.word(index) and self.source.operator(index + 1, "::"):
            index += 2
        if self.source.word(index, "vec"):
            self.repairs.vectors.add(index)

    def call(self, index: int, _: Message) -> None:
        """The call whose callee is named at `index`: its lists in braces."""
        while self.source.word(index) or self.source.operator(index, "::") or self.source.operator(index, "<"):
            end = self.source.brackets.template_end(index) if self.source.operator(index, "<") else index
            if end is None:
                return
            index = end + 1
        if self.source.operator(index, "(") and any(
            self.source.operator(start, "{")
            for start, _ in self.source.brackets.split(index + 1, self.source.brackets.partner(index))
        ):
            self.repairs.lists.add(index)

    def comparisons(self, index: int, _: Message) -> None:
        """All comparisons of the statement, or else of the function: one of them is of vectors."""
        source = self.source
        start = index
        while start > 0 and not any(source.operator(start - 1, text) for text in (";", "{", "}")):
            start = source.brackets.partner(start - 1) if source.brackets.is_closer(start - 1) else start - 1
        if self._compare(start, source.statement_end(index)):
            return
        for declaration in source.walk():
            if declaration.parameters and declaration.body and declaration.body[0] < index < declaration.body[1]:
                self._compare(*declaration.body)

    def _compare(self, start: int, end: int) -> bool:
        """Note the comparisons in [start, end); False where there was none left to note."""
        before = len(self.repairs.infix)
        for index in range(start, min(end + 1, len(self.source.tokens))):
            text = self.source.tokens[index].text
            compares = text in ("==", "!=", "<=", ">=") or (text in ("<", ">") and not self._is_bracket(index))
            if compares and not self.source.word(index - 1, "operator"):
                self.repairs.infix.add(index)
        return len(self.repairs.infix) > before

    def _is_bracket(self, index: int) -> bool:
        """Whether `<` or `>` may belong to a template argument list."""
        if index in self._brackets:
            return True
        closer = None
        if self.source.operator(index, "<") and self.source.word(index - 1):
            closer = self.source.brackets.template_end(index)
        if closer is not None:
            self._brackets.update((index, closer))
        return closer is not None

    def reference(self, index: int, _: Message) -> None:
        if self.source.word(index):
            self.repairs.references.add(index)

    def parameter(self, place: int, note: Message) -> None:
        """The parameter, `const thread T&`, that the note counts, of the function that it points to."""
        number = _NUMBER.search(note.text)
        for declaration in self.source.walk():
            if number is None or declaration.name != place or declaration.parameters is None:
                continue
            opener, closer = declaration.parameters
            parts = self.source.brackets.split(opener + 1, closer)
            if int(number[1]) > len(parts):
                continue
            tokens = range(*parts[int(number[1]) - 1])
            names = [i for i in tokens if self.source.word(i)]
            if names and all(any(self.source.word(i, word) for i in tokens) for word in ("const", "thread")):
                self.repairs.references.add(names[-1])

    def function(self, place: int, note: Message) -> None:
        """The template parameter that the note names, of the template that it points to."""
        quoted = _QUOTED.search(note.text)
        if quoted is None:
            return
        for declaration in self.source.walk():
            if declaration.start <= place < max(declaration.end, declaration.start + 1):
                for opener, closer in declaration.templates:
                    for index in range(opener, closer):
                        if self.source.word(index, quoted[1]) and not self.source.word(
                            index - 1, "auto", "typename", "class"
                        ):
                            self.repairs.functions.add(index)
                            return


_VECTORS = re.compile(r"vector of \d|'(any|all|select|is[a-z]+|bool[234])'|\b(char|short|int|long)[234]\b|bool_vector")
#: A vector's type, as messages spell it.
_VECTOR = r"'[^']*(\b(bool|u?(char|short|int|long)|half|bfloat|float)[234]\b|\bvec<|ext_vector_type)[^']*'"

#: What an error says; what a note of it says, where that one points to the place (but for calls); what to do.
_RULES: tuple[tuple[re.Pattern[str], re.Pattern[str] | None, Callable[[_Finder, int, Message], None]], ...] = (
    (re.compile("scalar operand type has greater rank than the type of the vector element"), None, _Finder.operator),
    (re.compile("cannot convert between vector and non-scalar values"), None, _Finder.operator),
    (re.compile("invalid operands to binary expression"), None, _Finder.operator),
    (re.compile(r"incompatible operand types \(.*__\w+"), None, _Finder.conditional),
    (re.compile("conditional expression is ambiguous"), None, _Finder.conditional),
    (re.compile("invalid conversion between (ext-)?vector type"), None, _Finder.cast),
    (re.compile("from vector .* to vector .* of different size"), None, _Finder.cast),
    (re.compile(r"(C-style|functional-style) cast from '.*' (.* )?to '.*' (.* )?is not allowed"), None, _Finder.cast),
    (re.compile("excess elements in scalar initializer"), None, _Finder.constructor),
    (re.compile(rf"cannot initialize a (variable|member subobject) of type {_VECTOR}"), None, _Finder.constructor),
    (
        re.compile("invalid vector element type 'bool'"),
        re.compile("in instantiation of template type alias 'vec'"),
        _Finder.vector,
    ),
    (re.compile("no matching"), re.compile("cannot convert initializer list argument"), _Finder.call),
    (
        re.compile("because of address space mismatch|binding reference .* changes address space"),
        re.compile("passing argument to parameter"),
        _Finder.reference,
    ),
    (re.compile("no matching"), re.compile("cannot bind reference in .* address space"), _Finder.parameter),
    (
        re.compile("no matching"),
        re.compile("invalid explicitly-specified argument for template parameter"),
        _Finder.function,
    ),
    (_VECTORS, None, _Finder.comparisons),
)  # fmt: skip
