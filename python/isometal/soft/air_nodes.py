"""Reads the nodes of AIR's metadata: the one place that knows how a kernel is found there, and an argument taken apart.

    !air.kernel = !{!15, ...}        !15 = !{ptr @name, !outputs, !arguments, !limit...}
    !arguments                       one node each: i32 position, then words "air.*", each followed by its operands

`metadata.py` makes reflections of it, `lower/builtins.py` what a kernel's parameters come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn

from isometal.soft.errors import LoweringError
from isometal.soft.ir import Module

__all__ = ["KernelNode", "Operand", "Text", "Words", "kernels", "operands"]

#: An operand of a metadata node: a string, a number, a reference to a node ("!12"), or the name of a symbol ("@f").
Operand = str | int | None
#: The words of an argument, without their "air.", and the operands of each.
Words = dict[str, list[Operand]]
_ESCAPE = re.compile(r"\\([0-9A-Fa-f]{2})")


class Text(str):
    """A metadata string, as opposed to a symbol or a reference."""


def kernels(module: Module) -> Iterator[tuple[str, list[Operand]]]:
    """Names and nodes of the kernels that a module defines, in order. Raises LoweringError for damaged metadata."""
    for entry in operands(module, "!air.kernel"):
        node = operands(module, entry)
        if not node or not isinstance(node[0], str) or not node[0].startswith("@"):
            raise LoweringError(f"[soft] {entry} of !air.kernel does not begin with a function.")
        yield _unquoted(node[0][1:]), node


def operands(module: Module, name: Operand) -> list[Operand]:
    """The operands of a node, each as what it holds; none where the node is missing. Raises LoweringError."""
    if not isinstance(name, str) or isinstance(name, Text) or not name.startswith("!"):
        raise LoweringError(f"[soft] metadata has {name!r} where a node is needed.")
    try:
        return [_operand(tokens) for tokens in module.metadata_operands(name)]
    except (ValueError, IndexError) as error:
        raise LoweringError(f"[soft] metadata {name} cannot be read: {error}.") from error


def _operand(tokens: list[str]) -> Operand:
    last = tokens[-1]
    if tokens[0] == "!" and len(tokens) == 2 and last.startswith('"'):
        return Text(_unescaped(last[1:-1]))
    if len(tokens) == 2 and re.fullmatch(r"-?\d+", last):
        return int(last)
    if len(tokens) == 2 and last in ("true", "false"):
        return int(last == "true")
    return last


def _unescaped(text: str) -> str:
    """LLVM writes what is not printable ASCII as \\XX, byte by byte."""
    if "\\" not in text:
        return text
    raw = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text.replace("\\\\", "\\5C"))
    return raw.encode("latin-1", "replace").decode("utf-8", "replace")


def _unquoted(name: str) -> str:
    return _unescaped(name[1:-1]) if name.startswith('"') else name


class KernelNode:
    """The node of one kernel. Every method raises LoweringError, with the kernel's name, for damaged metadata.

    Attributes:
        module: that defines the kernel.
        name: of the kernel.
        limits: the nodes behind its arguments.
    """

    def __init__(self, module: Module, name: str) -> None:
        """Finds the node. Raises LoweringError where there is none."""
        self.module = module
        self.name = name
        found = dict(kernels(module))
        if name not in found:
            names = ", ".join(found) or "none"
            raise LoweringError(f"[soft] kernel {name!r} has no entry in !air.kernel; it lists {names}.")
        node = found[name]
        if len(node) < 3:
            self.fail("its node in !air.kernel lists no arguments")
        self._arguments = node[2]
        self.limits = node[3:]

    def fail(self, why: str) -> NoReturn:
        """Raises: its metadata has `why`."""
        raise LoweringError(f"[soft] kernel {self.name!r}: its metadata has {why}.")

    def arguments(self) -> list[Words]:
        """Each argument's words, in order."""
        return [self._words(operands(self.module, argument)[1:]) for argument in operands(self.module, self._arguments)]

    def number(self, value: Operand, what: str) -> int:
        """The operand as a number that is not negative."""
        if not isinstance(value, int) or value < 0:
            self.fail(f"{value!r} as {what}, where a number is needed")
        return value

    def text(self, value: Operand, what: str) -> str:
        """The operand as text."""
        # It is shown in messages and tables: nothing that steers a terminal.
        if not isinstance(value, Text) or not value.isprintable():
            self.fail(f"{value!r} as {what}, where printable text is needed")
        return str(value)

    def word_number(self, words: Words, word: str, default: int | None = None) -> int:
        """The number that follows a word; without a default the word has to be there."""
        if word not in words and default is not None:
            return default
        return self.number(next(iter(words.get(word, ())), None), word)

    def word_text(self, words: Words, word: str) -> str:
        """The text that follows a word, "" where the word is missing."""
        return self.text(next(iter(words[word]), None), word) if word in words else ""

    def _words(self, parts: list[Operand]) -> Words:
        words: Words = {}
        for part in parts:
            if isinstance(part, Text) and part.startswith("air."):
                words[part.removeprefix("air.")] = []
            elif words:
                next(reversed(words.values())).append(part)
            else:
                self.fail(f"{part!r} as the kind of an argument")
        return words
