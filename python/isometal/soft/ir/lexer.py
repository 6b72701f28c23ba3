"""Tokens of LLVM's textual IR."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""
    [%@$]"(?:[^"\\]|\\.)*"          # quoted names
  | [%@$][-a-zA-Z$._0-9]+           # names
  | c?"(?:[^"\\]|\\.)*"             # strings
  | ![-a-zA-Z$._0-9\\]*             # metadata names and numbers
  | \#\d+                           # attribute groups
  | \.\.\.
  | -?[0-9][-+.eExXa-zA-Z0-9]*      # numbers, 0xH3C00 too
  | [a-zA-Z_][-a-zA-Z$._0-9]*       # words
  | ;[^\n]*                         # comments
  | \S
    """,
    re.VERBOSE,
)
# Single characters that the last alternative finds and that begin no token.
_UNKNOWN = frozenset("#$%&'+-./;?@\\^`~\"")


def tokenize(line: str) -> list[str]:
    """The tokens of a line or of several; comments go. Text that is no token raises ValueError."""
    tokens = _TOKEN.findall(line)
    if ";" in line:
        tokens = [token for token in tokens if token[0] != ";"]
    if not _UNKNOWN.isdisjoint(tokens) or not line.isascii():
        raise ValueError(f"no token in: {line[:80]!r}")
    return tokens


def local(name: str, prefix: str = "v") -> str:
    """The normalised form of a local name: numbers cannot be inserted between, and quoted names cannot be extended.

    The dollar keeps what was a number, or needed quotes, apart from names that compilers give.
    """
    if name[1] == '"':
        return "%" + "".join(c if c.isascii() and c.isalnum() else f"${ord(c):x}$" for c in name[2:-1])
    return f"%${prefix}{name[1:]}" if name[1].isdigit() else name


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}


def closing(tokens: list[str], start: int) -> int:
    """Index of the bracket that closes the one at `start`. Raises ValueError where there is none."""
    depth = 0
    for index in range(start, len(tokens)):
        token = tokens[index]
        if token in _CLOSING:
            depth += 1
        elif token in ")]}>":
            depth -= 1
            if depth == 0:
                return index
    raise ValueError(f"unbalanced {tokens[start]!r}")


def split_commas(tokens: list[str]) -> list[list[str]]:
    """The parts of a comma-separated list, brackets respected. An empty list has no parts."""
    parts: list[list[str]] = []
    current: list[str] = []
    depth = 0
    for token in tokens:
        if token in _CLOSING:
            depth += 1
        elif token in ")]}>":
            depth -= 1
        if token == "," and depth == 0:
            parts.append(current)
            current = []
        else:
            current.append(token)
    if current or parts:
        parts.append(current)
    return parts
