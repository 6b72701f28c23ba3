"""Tokens of preprocessed Metal source.

Preprocessed text has no comments and no macros, but line markers (`# 12 "file.metal"`) that say where each line comes
from. Lexing never fails: what is no C++ token becomes a token of kind OTHER, about which clang will complain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

__all__ = ["Kind", "Position", "Token", "lex"]


class Kind(Enum):
    """What a token is. White space is no token: each token knows what stands before it."""

    IDENTIFIER = "identifier"
    NUMBER = "number"
    STRING = "string"
    CHARACTER = "character"
    OPERATOR = "operator"
    PRAGMA = "pragma"  # a whole line
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a token stands in the user's files. `column` counts in the preprocessed line, from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `row` is its line in the preprocessed text, `space` the white space before it in that line."""

    kind: Kind
    text: str
    position: Position
    row: int
    space: str

    def __str__(self) -> str:
        return self.text


_TOKEN = re.compile(
    r"""
    (?P<string>(?:u8|[uUL])?R"(?P<raw>[^()\\\s]{0,16})\((?s:.*?)\)(?P=raw)"|(?:u8|[uUL])?"(?:\\.|[^"\\\n])*")
  | (?P<character>(?:u8|[uUL])?'(?:\\.|[^'\\\n])*')
  | (?P<number>\.?[0-9](?:[eEpP][+-]|'[0-9A-Za-z_]|[\w.])*)
  | (?P<identifier>(?:[^\W\d]|\$)(?:\w|\$)*)
  | (?P<operator>\[\[|\]\]|::|->\*|->|\.\*|\+\+|--|<<=|>>=|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|<<|>>|\.\.\.
                 |[-+*/%&|^~!=<>?:;,.(){}\[\]])
  | (?P<other>\#\#?|\S)
    """,
    re.VERBOSE,
)
_SPACE = re.compile(r"[ \t\r\f\v]+")
_MARKER = re.compile(r'#\s*(?:line\s+)?(\d+)\s+"((?:[^"\\]|\\.)*)"')
_PRAGMA = re.compile(r"\s*#\s*pragma\b")
_KINDS = {kind.value: kind for kind in Kind}


def lex(text: str, name: str = "program_source") -> list[Token]:
    """The tokens of preprocessed text. `name` is the file of lines before the first line marker."""
    tokens: list[Token] = []
    file, line, row, offset = name, 1, 1, 0
    length = len(text)
    while offset < length:
        end = text.find("\n", offset)
        end = length if end < 0 else end
        start_row = row
        if text.startswith("#", offset) and (marker := _MARKER.match(text, offset, end)):
            file, line = _unescape(marker[2]), int(marker[1])
            offset, row = end + 1, row + 1
            continue
        if _PRAGMA.match(text, offset, end):
            whole = text[offset:end].strip()
            tokens.append(Token(Kind.PRAGMA, whole, Position(file, line, 1), row, ""))
            end_of_tokens = end
        else:
            end_of_tokens = _lex_line(text, offset, end, file, line, row, tokens)
        # A raw string may go on over several lines.
        row += 1 + text.count("\n", offset, end_of_tokens)
        line += row - start_row
        offset = (text.find("\n", end_of_tokens) if end_of_tokens > end else end) + 1
        if offset == 0:
            break
    return tokens


def _lex_line(text: str, start: int, end: int, file: str, line: int, row: int, tokens: list[Token]) -> int:
    """Append the tokens of one line; returns where it ends, which is later than `end` after a raw string."""
    offset = start
    while offset < end:
        space = ""
        if blank := _SPACE.match(text, offset, end):
            space, offset = blank[0], blank.end()
            if offset >= end:
                break
        match = _TOKEN.match(text, offset)
        if match is None or match.lastgroup is None:
            break
        kind = _KINDS["string" if match.lastgroup == "raw" else match.lastgroup]
        tokens.append(Token(kind, match[0], Position(file, line, offset - start + 1), row, space))
        offset = match.end()
        if offset > end:
            # The rest of the raw string's last line belongs to this row too.
            end = text.find("\n", offset)
            end = len(text) if end < 0 else end
    return max(offset, end)


def _unescape(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)
