"""Docstrings as the code has them, to reStructuredText.

Ours are written to be read in an editor: what an op takes stands in columns, a name in single backticks is code, an
indented block after an empty line is an example. Google sections (Args, Raises) are napoleon's business, which runs
after this.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import isometal
from isometal import soft

#: `Array`, `isometal.rope`, but not ``literal`` and not a role's text.
_CODE = re.compile(r"(?<![`:\w])`([^`\n]+)`(?!`)")
#: The first line of a column: names, two spaces or more, text.
_COLUMN = re.compile(r"^(\w+(?:, \w+)*) {2,}(\S.*)$")
_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields|Note|Example)s?:$")
#: Names of errors are linked wherever they stand.
_ERRORS = {name: f"isometal.{name}" for name in isometal.__all__ if name.endswith("Error")} | {
    name: f"isometal.soft.{name}" for name in soft.__all__ if name.endswith("Error")
}
_ERRORS["EvidenceError"] = "isometal.parity.evidence.EvidenceError"
_ERROR = re.compile(rf"\b({'|'.join(_ERRORS)})\b(?!:)")
_LITERAL = re.compile(r"(``.*?``|:[\w:]+:`.*?`)")


def setup(app: Any) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", _process, priority=100)
    app.connect("autodoc-process-docstring", _restore, priority=900)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True}


def _process(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = to_rst(lines)
    if what == "property":
        _properties[name] = list(lines)


#: Napoleon takes what stands before a colon in a property's docstring for a type; they are put back after it.
_properties: dict[str, list[str]] = {}


def _restore(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    if what == "property":
        lines[:] = _properties[name]


def _signature(app: Any, what: str, name: str, obj: Any, options: object, signature: str, returns: str) -> Any:
    """Of classes only those that are their fields: what makes an Array or a Library is said in its docstring."""
    if what != "class":
        return None
    # Of a field that is made anew for each object: a mapping, in all of ours.
    return (signature or "").replace("<factory>", "{}") if dataclasses.is_dataclass(obj) else "", None


def to_rst(lines: list[str]) -> list[str]:
    """The lines of a docstring, without its indentation, as reStructuredText."""
    out: list[str] = []
    for block in _paragraphs(lines):
        if _COLUMN.match(block[0]):
            out += _columns(block)
        elif block[0].startswith(" ") and out and not _in_section(out):
            out += ["::", "", *("    " + line for line in block)]
        else:
            out += [_inline(line) for line in block]
        out.append("")
    return out


def _paragraphs(lines: list[str]) -> list[list[str]]:
    """Blocks between empty lines; an indented example with empty lines in it is one."""
    blocks: list[list[str]] = []
    fresh = True
    for line in lines:
        if not line.strip():
            fresh = True
        elif not fresh:
            blocks[-1].append(line)
        elif blocks and line.startswith(" ") and blocks[-1][0].startswith(" "):
            blocks[-1] += ["", line]
            fresh = False
        else:
            blocks.append([line])
            fresh = False
    return blocks


def _in_section(out: list[str]) -> bool:
    above = [line for line in out if line.strip() and not line.startswith(" ")]
    return bool(above) and _SECTION.match(above[-1]) is not None


def _columns(block: list[str]) -> list[str]:
    """`x  text` and its continuations as a definition list."""
    out: list[str] = [".. rst-class:: columns", ""]
    for line in block:
        found = _COLUMN.match(line)
        if found:
            names = ", ".join(f"``{name}``" for name in found[1].split(", "))
            plain = found[1] in ("returns", "raises", "formula")
            out += [f"**{found[1]}**" if plain else names]
        out.append("    " + _inline(found[2] if found else line.strip()))
    return out


def _inline(line: str) -> str:
    """Code in single backticks, linked where it is a name of the package; signs that mean something to RST escaped."""
    parts = _LITERAL.split(_CODE.sub(_code, line))
    return "".join(part if i % 2 else _plain(part) for i, part in enumerate(parts))


def _plain(text: str) -> str:
    escaped = re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", text)
    return _ERROR.sub(lambda found: f":py:exc:`{found[0]} <{_ERRORS[found[0]]}>`", escaped)


def _code(found: re.Match[str]) -> str:
    name = found[1].removeprefix("isometal.")
    return f":py:obj:`{name} <isometal.{name}>`" if name in isometal.__all__ and name[0] != "_" else f"``{found[1]}``"
