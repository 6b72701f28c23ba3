"""Clang's messages about rewritten source, as diagnostics about the user's source in Metal's words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from isometal.soft.msl.diagnostics import Diagnostic
from isometal.soft.msl.passes.address_spaces import SPACES
from isometal.soft.msl.passes.keywords import RENAMED
from isometal.soft.msl.tokens import Position

__all__ = ["Message", "forbidden", "parse_messages", "to_diagnostics", "words_of_metal"]

_MESSAGE = re.compile(
    r"(?P<file>[^\n:]+):(?P<line>\d+):(?P<column>\d+): (?P<severity>fatal error|error|warning|note): (?P<text>.*)"
)
#: Conversions of floating-point values to bfloat; those of integers are allowed.
_TO_BFLOAT = re.compile(
    r"(?:floating-point precision: |conversion from '(?:float|half)').*? to "
    r"'(?:bfloat'|__bf16'|[^']*' \(aka '__bf16'\))"
)
#: Of the parts of C++17 the one that clang does not have as an extension of C++14 and that tokens do not tell.
_DEDUCTION = "class template argument deduction"
_MAX_LENGTH = 2000
_FLAG = re.compile(r" \[-W[\w+,=-]+\]$")


@dataclass(frozen=True, slots=True)
class Message:
    """One message as clang wrote it, about a line of the text that clang read. `flag`: the warning's name, or ""."""

    severity: str
    file: str
    line: int
    column: int
    text: str
    flag: str = ""


def parse_messages(text: str) -> list[Message]:
    """The messages in clang's output. Lines of other forms ("In file included from") are left out."""
    found = []
    for line in text.split("\n"):
        match = _MESSAGE.match(line)
        if match is not None:
            severity = "error" if match["severity"] == "fatal error" else match["severity"]
            flag = _FLAG.search(match["text"])
            body = _FLAG.sub("", match["text"])[:_MAX_LENGTH]
            name = flag[0].strip(" []") if flag else ""
            found.append(Message(severity, match["file"], int(match["line"]), int(match["column"]), body, name))
    return found


def to_diagnostics(messages: list[Message], locate: Callable[[Message], Position | None]) -> list[Diagnostic]:
    """Diagnostics of the errors, each with its notes.

    `locate` gives the place in the user's source, or None for a place in our headers. An error there is shown where
    the user's code led to it, and notes there are left out.
    """
    found: list[Diagnostic] = []
    index = 0
    while index < len(messages):
        end = index + 1
        while end < len(messages) and messages[end].severity == "note":
            end += 1
        message, notes = messages[index], messages[index + 1 : end]
        index = end
        if message.severity != "error":
            continue
        position = locate(message)
        if position is None:
            places = [p for p in map(locate, notes) if p is not None]
            position = places[0] if places else None
        error = Diagnostic("error", position, words_of_metal(message.text))
        if error in found:
            continue
        found.append(error)
        for note in notes:
            place = locate(note)
            if place is not None and not ("__msl_" in note.text and place == position):
                found.append(Diagnostic("note", place, words_of_metal(note.text)))
    return found


def forbidden(messages: list[Message], locate: Callable[[Message], Position | None]) -> list[Diagnostic]:
    """Errors for what clang only warns about: float does not become bfloat by itself in Metal, and before Metal 4
    classes do not find their template arguments by themselves."""
    found: list[Diagnostic] = []
    for message in messages:
        position = locate(message)
        if message.severity == "warning" and position is not None and _TO_BFLOAT.search(message.text):
            text = f"{words_of_metal(message.text)}; in Metal this needs a cast"
            found.append(Diagnostic("error", position, text))
        if position is not None and message.text.startswith(_DEDUCTION):
            found.append(Diagnostic("error", position, f"{_DEDUCTION} needs Metal 4.0; write the arguments"))
    return list(dict.fromkeys(found))


#: What entries.py makes clang check of explicit instantiations.
_INSTANTIATION = re.compile(
    r"address of overloaded function ('\w+') cannot be static_cast to type .*"
    r"|static assertion failed due to requirement '.*': no kernel ('\w+') has the type of .*"
)
_SAME = re.compile(r"'([^']*)' \(aka '\1'\)")
_SPELLINGS = [
    (re.compile(r"\bconst __constant\b"), "constant"),
    *[(re.compile(rf"{clang}\b"), metal) for metal, clang in SPACES.items()],
    (re.compile(r"__generic "), ""),
    (re.compile(r"\b__bf16\b"), "bfloat"),
    (re.compile(r"\bunsigned (char|short|int|long)\b"), r"u\1"),
    (re.compile(r"\b(\w+) __attribute__\(\(ext_vector_type\((\d)\)\)\)"), r"\1\2"),
    (re.compile(r"__msl_bool_vector<(\d)>"), r"bool\1"),
    (re.compile(r"__msl_packed_vector<(\w+), (\d)>"), r"packed_\1\2"),
    (re.compile(r"\b__msl_cast<"), "static_cast<"),
]


def words_of_metal(text: str) -> str:
    """A message with the names that the rewriter changed changed back."""
    text = _INSTANTIATION.sub(r"no kernel \1\2 has the type of this instantiation", text)
    for pattern, replacement in _SPELLINGS:
        text = pattern.sub(replacement, text)
    text = RENAMED.sub(r"\1", text)
    text = _SAME.sub(r"'\1'", text)
    return text.replace("OpenCL", "Metal")
