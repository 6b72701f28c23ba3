"""From places in the text that clang read to places in the user's files.

Preprocessing keeps lines but not columns: comments go, macros expand. So the tokens of a preprocessed line are matched
with those of the user's line; a token from a macro is where the matching tokens around it leave a gap: at the macro.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from isometal.soft.msl.clang_messages import Message
from isometal.soft.msl.diagnostics import SourceLines
from isometal.soft.msl.edits import Rendered
from isometal.soft.msl.tokens import Position, Token, lex

__all__ = ["Locator"]


class Locator:
    """Finds places of tokens and messages. `file` is the name under which clang read the rendered text."""

    def __init__(self, tokens: Sequence[Token], rendered: Rendered, file: str, lines: SourceLines) -> None:
        self._tokens = tokens
        self._rendered = rendered
        self._file = file
        self._lines = lines
        self._rendered_lines = rendered.text.split("\n")

    def message(self, message: Message) -> Position | None:
        """Place of a message, columns as in tokens; None where it is about our headers."""
        index = self.token_index(message)
        return None if index is None else self._tokens[index].position

    def token_index(self, message: Message) -> int | None:
        if message.file != self._file:
            return None
        lines = self._rendered_lines
        column = message.column
        if 1 <= message.line <= len(lines) and not lines[message.line - 1].isascii():
            # Clang counts bytes.
            before = lines[message.line - 1].encode("utf-8", "replace")[: column - 1]
            column = len(before.decode("utf-8", "ignore")) + 1
        return self._rendered.token_at(message.line, column)

    def exact(self, position: Position) -> Position:
        """The same place, its column counted in the user's line instead of the preprocessed one."""
        line = self._lines.line(position)
        if line is None:
            return position
        here = [t for t in self._tokens if t.position.line == position.line and t.position.file == position.file]
        place = next((i for i, t in enumerate(here) if t.position == position), None)
        if place is None:
            return position
        original = [t for t in lex(line, position.file) if t.position.line == 1]
        column = _column(place, [t.text for t in here], [t.text for t in original], original)
        return Position(position.file, position.line, column)


def _column(place: int, preprocessed: list[str], texts: list[str], original: list[Token]) -> int:
    matcher = SequenceMatcher(None, preprocessed, texts, autojunk=False)
    end, alone = 0, 0  # end of the matches so far in the user's line, and its last token that matched nothing
    for block in matcher.get_matching_blocks():
        if block.a > place:
            break
        if place < block.a + block.size:
            return original[block.b + place - block.a].position.column
        alone = block.b - 1 if block.b > end else alone
        end = block.b + block.size
    return original[alone].position.column if original else 1
