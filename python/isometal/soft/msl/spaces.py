"""Pointers that lost their address space on the way through an implicit copy get it back.

`*p = *q` of class objects makes clang copy through generic pointers. Their casts are followed here to the loads, stores
and copies behind, so that AIR keeps saying which memory is touched.
"""

from __future__ import annotations

import re

__all__ = ["restore_spaces"]

_NAME = r'%(?:[-a-zA-Z$._0-9]+|"(?:[^"\\]|\\.)*")'
_VALUE = rf'(?:{_NAME}|@(?:[-a-zA-Z$._0-9]+|"(?:[^"\\]|\\.)*"))'
_CAST = re.compile(rf"  ({_NAME}) = addrspacecast ptr addrspace\((\d+)\) ({_VALUE}) to ptr(?:, !.*)?$")
_COPY = re.compile(r"(@llvm\.mem(?:cpy|move)(?:\.inline)?)\.p(\d+)\.p(\d+)\.(i\d+)\((.*)\)(.*)$")


def restore_spaces(function: str, declarations: set[str]) -> str:
    """A function's text without the casts that are not needed. New intrinsics' declarations are added to the set."""
    if "addrspacecast" not in function:
        return function
    lines = function.split("\n")
    pending = [(m[1], m[2], m[3]) for m in map(_CAST.match, lines) if m is not None]
    while pending:
        name, space, value = pending.pop()
        use = re.compile(rf"ptr ((?:[a-z]\w*(?:\([^()]*\))? |align \d+ )*){re.escape(name)}(?![-\w$.])")
        for number, line in enumerate(lines):
            if name not in line or not use.search(line):
                continue
            operation = line.partition(" = ")[2] or line.strip()
            if operation.startswith(("load ", "store ")) and not re.match(rf"store ptr {re.escape(name)}\b", operation):
                lines[number] = use.sub(rf"ptr addrspace({space}) \g<1>{value}", line)
            elif operation.startswith("getelementptr "):
                lines[number] = use.sub(rf"ptr addrspace({space}) \g<1>{value}", line)
                result = line.partition(" = ")[0].strip()
                pending.append((result, space, result))
            elif _COPY.search(line):
                lines[number] = _copy(line, use, space, value, declarations)
    return "\n".join(_without_unused_casts(lines))


def _copy(line: str, use: re.Pattern[str], space: str, value: str, declarations: set[str]) -> str:
    match = _COPY.search(line)
    assert match is not None
    target, source, rest = match[5].split(", ptr", 1)[0], *_split_copy(match[5])
    spaces = [match[2], match[3]]
    parts = [target, source]
    for index in range(2):
        if use.search(parts[index]):
            parts[index] = use.sub(rf"ptr addrspace({space}) \g<1>{value}", parts[index])
            spaces[index] = space
    name = f"{match[1]}.p{spaces[0]}.p{spaces[1]}.{match[4]}"
    pointers = [f"ptr addrspace({s})" if s != "0" else "ptr" for s in spaces]
    declarations.add(f"declare void {name}({pointers[0]} writeonly, {pointers[1]} readonly, {match[4]}, i1 immarg)")
    return f"{line[: match.start()]}{name}({parts[0]}, {parts[1]}{rest}){match[6]}"


def _split_copy(arguments: str) -> tuple[str, str]:
    """Second argument of a copy, and what follows it."""
    behind = arguments.split(", ptr", 1)[1]
    source, comma, rest = behind.partition(", ")
    return "ptr" + source, comma + rest


def _without_unused_casts(lines: list[str]) -> list[str]:
    text = "\n".join(lines)
    kept = []
    for line in lines:
        match = _CAST.match(line)
        if match is not None and len(re.findall(rf"{re.escape(match[1])}(?![-\w$.])", text)) == 1:
            continue
        kept.append(line)
    return kept
