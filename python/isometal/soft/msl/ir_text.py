"""LLVM IR as text, cut into its top-level pieces, so that a kernel can be taken out of a module with all it needs.

Unoptimised modules hold hundreds of functions; a full model of each is not needed here, names and references are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

__all__ = ["ModuleText", "quoted", "references", "symbol"]

_NAME = r'(?:[-a-zA-Z$._0-9]+|"(?:[^"\\]|\\.)*")'
_REFERENCE = re.compile(rf"[@#!%]{_NAME}")
_GLOBAL = re.compile(rf"(@{_NAME}) = ")
_FUNCTION = re.compile(rf"(?:define|declare) [^@]*(@{_NAME})\(")
_DEFINED = re.compile(rf"([#!%]{_NAME}) = ")
_ATTRIBUTES = re.compile(r"attributes (#\d+) = ")
# A string constant, not the end of a quoted name: %"class.metal::atomic".
_STRING = re.compile(r'(?<= )c"(?:[^"\\]|\\.)*"')


def symbol(name: str) -> str:
    """A name with its @, in quotes where it needs them."""
    if re.fullmatch(r"[-a-zA-Z$._][-a-zA-Z$._0-9]*", name):
        return f"@{name}"
    return f"@{quoted(name)}"


def quoted(text: str) -> str:
    """A string as LLVM writes it: what is not printable ASCII as \\XX, byte by byte."""
    inside = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else _escaped(c) for c in text)
    return f'"{inside}"'


def _escaped(character: str) -> str:
    return "".join(f"\\{byte:02X}" for byte in character.encode("utf-8", "replace"))


def references(text: str) -> set[str]:
    """Names of globals, functions, types, attribute groups and metadata that a piece of IR speaks of."""
    return set(_REFERENCE.findall(_STRING.sub('c""', text)))


@dataclass(slots=True)
class ModuleText:
    """A module. `pieces` maps @name, %type, #attributes and !metadata to the text that defines them, in order."""

    header: list[str] = field(default_factory=list)
    pieces: dict[str, str] = field(default_factory=dict)
    named_metadata: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> ModuleText:
        module = cls()
        lines = iter(text.split("\n"))
        for line in lines:
            module._read(line, lines)
        return module

    def _read(self, line: str, lines: Iterator[str]) -> None:
        if line.startswith("define "):
            body = [line]
            for more in lines:
                body.append(more)
                if more == "}":
                    break
            self._add(_FUNCTION.match(line), "\n".join(body))
        elif line.startswith("declare "):
            self._add(_FUNCTION.match(line), line)
        elif line.startswith("@"):
            self._add(_GLOBAL.match(line), line)
        elif line.startswith("attributes "):
            self._add(_ATTRIBUTES.match(line), line)
        elif line.startswith("%"):
            self._add(_DEFINED.match(line), line)
        elif line.startswith("!"):
            match = _DEFINED.match(line)
            if match is not None and match[1][1:].isdigit():
                self.pieces[match[1]] = line
            elif match is not None:
                self.named_metadata[match[1]] = line
        elif line.startswith(("source_filename", "target ")):
            self.header.append(line)

    def _add(self, match: re.Match[str] | None, text: str) -> None:
        if match is not None:
            self.pieces[match[1]] = text

    def functions(self) -> Iterator[tuple[str, str]]:
        """Names and texts of the functions with a body."""
        for name, text in self.pieces.items():
            if name.startswith("@") and text.startswith("define "):
                yield name, text

    def declare(self, declarations: Iterable[str]) -> None:
        """Add declarations of functions that the module does not have yet."""
        for text in sorted(declarations):
            match = _FUNCTION.match(text)
            if match is not None:
                self.pieces.setdefault(match[1], text)

    def closure(self, roots: Iterable[str]) -> ModuleText:
        """The part of the module that `roots` need."""
        wanted: set[str] = set()
        pending = list(roots)
        while pending:
            name = pending.pop()
            if name in wanted or name not in self.pieces:
                continue
            wanted.add(name)
            pending.extend(references(self.pieces[name]))
        return ModuleText(list(self.header), {n: t for n, t in self.pieces.items() if n in wanted})

    def __str__(self) -> str:
        parts = [*self.header]
        for kinds in ("%", "@", "#"):
            parts += [text for name, text in self.pieces.items() if name[0] in kinds]
        parts += self.named_metadata.values()
        parts += [text for name, text in self.pieces.items() if name[0] == "!"]
        return "\n".join(parts) + "\n"
