"""Changes to a list of tokens, and the text that results.

The passes of the rewriter look at the same tokens and say what should change: text before a token, text after it, or
another spelling. They do not see each other's changes, so they can be written and tested one by one, and their order
does not matter but for insertions at one place. The text keeps the tokens' lines, and knows which token each of its
columns comes from, so that clang's diagnostics lead back to the user's source.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from isometal.soft.msl.tokens import Token

__all__ = ["Edits", "Rendered"]


@dataclass(slots=True)
class Rendered:
    """Text made of tokens. `origins[line]` lists (column, token index) in rising order, both from 0."""

    text: str
    origins: list[list[tuple[int, int]]]

    def token_at(self, line: int, column: int) -> int | None:
        """Index of the token that the text at this line and column (both from 1) comes from."""
        if not 1 <= line <= len(self.origins):
            return None
        places = self.origins[line - 1]
        index = bisect_right(places, (column - 1, 1 << 60)) - 1
        if index >= 0:
            return places[index][1]
        return places[0][1] if places else None


@dataclass(slots=True)
class Edits:
    """Collected changes, by token index. Several insertions at one place stand in the order in which they came."""

    before: dict[int, list[str]] = field(default_factory=dict)
    after: dict[int, list[str]] = field(default_factory=dict)
    spelling: dict[int, str] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    instead: dict[int, str] = field(default_factory=dict)

    def insert_before(self, index: int, text: str) -> None:
        self.before.setdefault(index, []).append(text)

    def insert_after(self, index: int, text: str) -> None:
        self.after.setdefault(index, []).append(text)

    def replace(self, index: int, text: str) -> None:
        self.spelling[index] = text

    def remove(self, start: int, end: int, instead: str = "") -> None:
        """Remove the tokens [start, end), with whatever is put beside them; `instead` comes in their place."""
        self.removed.update(range(start, end))
        if instead:
            self.instead[start] = instead

    def pieces(self, tokens: Sequence[Token], index: int) -> Iterator[str]:
        """What stands in the text for one token."""
        if index in self.instead:
            yield self.instead[index]
        if index in self.removed:
            return
        for text in self.before.get(index, ()):
            yield text + " "
        yield self.spelling.get(index, tokens[index].text)
        for text in self.after.get(index, ()):
            yield " " + text

    def text(self, tokens: Sequence[Token], start: int, end: int) -> str:
        """The changed text of the tokens [start, end), in one line."""
        return " ".join(piece for index in range(start, end) for piece in self.pieces(tokens, index) if piece)

    def render(self, tokens: Sequence[Token]) -> Rendered:
        """The changed text. A new row of tokens is a new line, so pragmas stay by themselves."""
        page, row = _Page(), 1
        for index, token in enumerate(tokens):
            for _ in range(token.row - row):
                page.new_line()
            row = token.row
            page.put(token.space, None)
            for piece in self.pieces(tokens, index):
                page.put(piece, index)
        return page.rendered()


class _Page:
    def __init__(self) -> None:
        self.lines: list[list[str]] = [[]]
        self.origins: list[list[tuple[int, int]]] = [[]]
        self.width = 0

    def put(self, text: str, index: int | None) -> None:
        for number, part in enumerate(text.split("\n")):
            if number:
                self.new_line()
            if index is not None and part:
                self.origins[-1].append((self.width, index))
            self.lines[-1].append(part)
            self.width += len(part)

    def rendered(self) -> Rendered:
        return Rendered("\n".join("".join(line) for line in self.lines) + "\n", self.origins)

    def new_line(self) -> None:
        self.lines.append([])
        self.origins.append([])
        self.width = 0
