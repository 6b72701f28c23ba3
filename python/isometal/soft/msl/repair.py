"""Finds, in what clang says about an attempt, the places that need another rewriting because of their types.

The rewriter knows no types. Where Metal means something else than clang does with operands of certain types, the first
attempt fails with a known message, or compiles to code that shows it (ir_checks.py); the place is noted, and the next attempt
treats it as Metal would.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from isometal.soft.msl.clang_messages import Message
from isometal.soft.msl.declarations import Source
from isometal.soft.msl.locations import Locator
from isometal.soft.msl.passes.repairs import Repairs

__all__ = ["BINARY", "COMPOUND", "find_repairs"]

BINARY = frozenset("+ - * / % & | ^ << >> == != < > <= >= && ||".split())
COMPOUND = frozenset("+= -= *= /= %= &= |= ^= <<= >>=".split())
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

    def operator(self, index: int, _: Message) -> None:
        text = self.source.tokens[index].text
        if text in BINARY:
            self.repairs.infix.add(index)
        elif text in COMPOUND:
            self.repairs.compound.add(index)

    def conditional(self, index: int, _: Message) -> None:
        if self.source.operator(index, "?"):
            self.repairs.conditionals.add(index)

    def cast(self, index: int, _: Message) -> None:
        if self.source.word(index):
            self.repairs.casts.add(index)

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

    def reference(self, index: int, _: Message) -> None:
        if self.source.word(index):
            self.repairs.references.add(index)

    def function(self, place: int, note: Message) -> None:
        """The template parameter that the note names, of the template that it points to."""
        quoted = _QUOTED.search(note.text)
        if quoted is None:
            return
        for declaration in self.source.walk():
            if declaration.start <= place < max(declaration.end, declaration.start + 1):
                for opener, closer in declaration.templates:
                    for index in range(opener, closer):
                        if self.source.word(index, quoted[1]) and not self.source.word(index - 1, "auto", "typename", "class"):
                            self.repairs.functions.add(index)
                            return


#: What an error says; what a note of it says, where that one points to the place (for calls, the error does); what to do.
_RULES: tuple[tuple[re.Pattern[str], re.Pattern[str] | None, Callable[[_Finder, int, Message], None]], ...] = (
    (re.compile("scalar operand type has greater rank than the type of the vector element"), None, _Finder.operator),
    (re.compile("cannot convert between vector and non-scalar values"), None, _Finder.operator),
    (re.compile("invalid operands to binary expression"), None, _Finder.operator),
    (re.compile(r"incompatible operand types \(.*__\w+"), None, _Finder.conditional),
    (re.compile("conditional expression is ambiguous"), None, _Finder.conditional),
    (re.compile("invalid conversion between (ext-)?vector type"), None, _Finder.cast),
    (re.compile(r"(C-style|functional-style) cast from '.*' to '.*' is not allowed"), None, _Finder.cast),
    (
        re.compile("invalid vector element type 'bool'"),
        re.compile("in instantiation of template type alias 'vec'"),
        _Finder.vector,
    ),
    (re.compile("no matching"), re.compile("cannot convert initializer list argument"), _Finder.call),
    (
        re.compile("cannot bind to a temporary object because of address space mismatch"),
        re.compile("passing argument to parameter"),
        _Finder.reference,
    ),
    (
        re.compile("no matching"),
        re.compile("invalid explicitly-specified argument for template parameter"),
        _Finder.function,
    ),
)  # fmt: skip
