"""Which brackets belong together, and lists within them."""

from __future__ import annotations

from collections.abc import Sequence

from isometal.soft.msl.diagnostics import Diagnostic, RejectedSource
from isometal.soft.msl.tokens import Kind, Position, Token

__all__ = ["Brackets", "separate_attributes"]

_PAIRS = {"(": ")", "[": "]", "{": "}", "[[": "]]"}
_CLOSERS = frozenset(_PAIRS.values())
_MAX_DEPTH = 256


def separate_attributes(tokens: Sequence[Token]) -> list[Token]:
    """Split `]]` that closes two subscripts, as in `a[b[i]]`, and `[[` that opens a subscript and a lambda.

    Only `[[` that is closed by `]]` remains: an attribute.
    """
    result: list[Token] = []
    open_brackets: list[tuple[str, int]] = []
    for token in tokens:
        text = token.text if token.kind is Kind.OPERATOR else ""
        if text in ("(", "[", "{", "[["):
            open_brackets.append((text, len(result)))
            result.append(token)
        elif text == "]]":
            if open_brackets and open_brackets[-1][0] == "[[":
                open_brackets.pop()
                result.append(token)
            else:
                for _ in range(2):
                    if open_brackets and open_brackets[-1][0] == "[":
                        open_brackets.pop()
                result.extend(_halves(token))
        elif text == "]" and open_brackets and open_brackets[-1][0] == "[[":
            # `[[` was a subscript or capture inside a subscript after all: its second half is closed here.
            place = open_brackets.pop()[1]
            result[place : place + 1] = _halves(result[place])
            open_brackets = [(kind, at + 1 if at > place else at) for kind, at in open_brackets]
            open_brackets.append(("[", place))
            result.append(token)
        else:
            if text in (")", "]", "}") and open_brackets:
                open_brackets.pop()
            result.append(token)
    return result


def _halves(token: Token) -> list[Token]:
    half, position = token.text[0], token.position
    second = Position(position.file, position.line, position.column + 1)
    return [
        Token(Kind.OPERATOR, half, position, token.row, token.space),
        Token(Kind.OPERATOR, half, second, token.row, ""),
    ]


class Brackets:
    """Partners of brackets in a token list.

    Raises RejectedSource where a bracket has no partner.
    """

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self._partner: dict[int, int] = {}
        stack: list[int] = []
        for index, token in enumerate(tokens):
            if token.kind is not Kind.OPERATOR:
                continue
            if token.text in _PAIRS:
                stack.append(index)
                if len(stack) > _MAX_DEPTH:
                    raise _unmatched(token, f"brackets nest deeper than {_MAX_DEPTH} levels")
            elif token.text in _CLOSERS:
                if not stack or _PAIRS[tokens[stack[-1]].text] != token.text:
                    wanted = f"expected '{_PAIRS[tokens[stack[-1]].text]}' before" if stack else "extraneous"
                    raise _unmatched(token, f"{wanted} '{token.text}'")
                opener = stack.pop()
                self._partner[opener] = index
                self._partner[index] = opener
        if stack:
            token = tokens[stack[-1]]
            raise _unmatched(token, f"'{token.text}' is never closed; expected '{_PAIRS[token.text]}'")
        self._template_ends = self._match_angles()

    def partner(self, index: int) -> int:
        """Index of the bracket that belongs to the one at `index`."""
        return self._partner[index]

    def is_opener(self, index: int) -> bool:
        return self._partner.get(index, -1) > index

    def is_closer(self, index: int) -> bool:
        return self._partner.get(index, len(self.tokens)) < index

    def after(self, index: int) -> int:
        """Index behind the token at `index`, or behind its partner where it opens a bracket."""
        return self._partner[index] + 1 if self.is_opener(index) else index + 1

    def template_end(self, start: int, limit: int | None = None) -> int | None:
        """Index of the `>` (or `>>`) that closes the template argument list opened by `<` at `start`, before `limit`.

        None where it cannot be one. Comparisons in arguments stand in parentheses, as C++ demands for `>`.
        """
        end = self._template_ends.get(start)
        return end if end is not None and (limit is None or end < limit) else None

    def _match_angles(self) -> dict[int, int]:
        """For every `<`, the `>` that would close it if it were no comparison."""
        ends: dict[int, int] = {}
        levels: list[list[int]] = [[]]  # open `<` within each open bracket
        for index, token in enumerate(self.tokens):
            if token.kind is not Kind.OPERATOR:
                continue
            text = token.text
            if text == "<":
                levels[-1].append(index)
            elif text in (">", ">>"):
                for _ in text:
                    if levels[-1]:
                        ends[levels[-1].pop()] = index
            elif text == "[[":
                levels[-1].clear()
                levels.append([])
            elif text in _PAIRS:
                levels.append([])
            elif text in _CLOSERS:
                levels.pop()
            elif text == ";":
                levels[-1].clear()
        return ends

    def split(self, start: int, end: int, separator: str = ",") -> list[tuple[int, int]]:
        """Token ranges between separators in [start, end), looking into no bracket and no template argument list."""
        parts: list[tuple[int, int]] = []
        begin = index = start
        while index < end:
            token = self.tokens[index]
            if token.kind is Kind.OPERATOR:
                if token.text == separator:
                    parts.append((begin, index))
                    begin = index + 1
                elif token.text == "<" and self._may_open_template(index):
                    closer = self.template_end(index, end)
                    if closer is not None:
                        index = closer + 1
                        continue
            index = self.after(index)
        if begin < end or parts:
            parts.append((begin, end))
        return parts

    def _may_open_template(self, index: int) -> bool:
        """Whether `<` follows a name; a comparison with a closing `>` further on is taken for a template too."""
        return index > 0 and self.tokens[index - 1].kind is Kind.IDENTIFIER


def _unmatched(token: Token, message: str) -> RejectedSource:
    return RejectedSource([Diagnostic("error", token.position, message)])
