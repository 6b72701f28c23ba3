"""Writes C++ that names every declaration of our metal-cpp headers with its full type.

What it writes compiles against a set of headers only if they have the same functions with the same signatures, the
same bases and the same enumerators with the same values.
"""

from __future__ import annotations

import re
from pathlib import Path

#: Ours takes a function where Apple's takes a block: portable code passes nullptr.
BLOCK = "const std::function<void(void*, NS::UInteger)>& deallocator"

#: Counting and the rest of Object are templates and members of templates, which the dispatcher sample uses.
SKIPPED = frozenset(
    {"NSDefines.hpp", "NSEnumerator.hpp", "NSObject.hpp", "NSSharedPtr.hpp", "MTLDefines.hpp", "MTLVersion.hpp"}
)

_ENUM = re.compile(r"_(?:NS|MTL)_(?:ENUM|OPTIONS)\(([\w:]+), (\w+)\)\s*\{(.*?)\};", re.S)
_CLASS = re.compile(r"^class (\w+) : public ([^{]+) \{\n(.*?)^\};", re.S | re.M)
_STRUCT = re.compile(r"^struct (\w+) \{\n(.*?)^\};", re.S | re.M)
_FUNCTION = re.compile(
    r"^(?P<static>static )?(?P<result>[\w:<>*& ]+?[ *&])(?P<name>\w+)\((?P<parameters>.*)\)(?P<const> const)?$"
)


def generate(headers: Path) -> tuple[str, int]:
    """Returns the source, for the headers below `headers`, and the number of its checks.

    Raises:
        ValueError: a declaration that this module does not understand.
    """
    lines = ["#include <Foundation/Foundation.hpp>", "#include <Metal/Metal.hpp>", "#include <functional>"]
    lines += ["#include <type_traits>", "#define CHECK(...) static_assert(__VA_ARGS__, #__VA_ARGS__)"]
    checks = 0
    for header in sorted(headers.glob("*/*.hpp")):
        if header.name in SKIPPED:
            continue
        found = _checks(_without_comments(header.read_text(encoding="utf-8")))
        checks += len(found)
        lines += [f"namespace {header.parent.name.replace('Foundation', 'NS').replace('Metal', 'MTL')} {{", *found, "}"]
    return "\n".join([*lines, ""]), checks


def _without_comments(text: str) -> str:
    return re.sub(r"//[^\n]*", "", text)


def _checks(text: str) -> list[str]:
    result = []
    for kind, name, body in _ENUM.findall(text):
        result.append(f"CHECK(std::is_same_v<std::underlying_type_t<decltype({_entries(body)[0][0]})>, {kind}>);")
        result += [f"CHECK(std::is_convertible_v<decltype({entry}), {name}>);" for entry, _ in _entries(body)[:1]]
        result += [f"CHECK({kind}({entry}) == {kind}({value}));" for entry, value in _entries(body)]
    for name, bases, body in _CLASS.findall(text):
        result.append(f"CHECK(std::is_base_of_v<{bases}, {name}>);")
        result += [_signature(name, declaration) for declaration in _declarations(body.split(" protected:")[0])]
    for name, body in _STRUCT.findall(text):
        members = [declaration for declaration in _declarations(body) if "(" not in declaration]
        result.append(f"CHECK(sizeof({name}) > 0);")
        result += [_member(name, member) for member in members]
    return [check for check in result if check]


def _entries(body: str) -> list[tuple[str, str]]:
    """Names and values; one without a value has the next one."""
    entries: list[tuple[str, str]] = []
    for entry in filter(None, (part.strip() for part in body.split(","))):
        name, _, value = (part.strip() for part in entry.partition("="))
        entries.append((name, value or f"{entries[-1][0]} + 1"))
    return entries


def _declarations(body: str) -> list[str]:
    """The declarations of a class, on one line each, without bodies, templates and constructors' initialisers."""
    body = re.sub(r"^ (public|private|protected):", "", body, flags=re.M)
    body = re.sub(r"\)\s*: [^;{}]*\{\}", ");", body)
    body = re.sub(r"\s*\{[^{}]*\}", ";", body)
    found = (" ".join(part.split()) for part in body.split(";"))
    return [part for part in found if part and not part.startswith(("template", "friend", "using"))]


def _signature(name: str, declaration: str) -> str:
    """A check of a function; nothing for constructors and for what is ours alone."""
    if BLOCK in declaration or re.match(rf"{name}\(", declaration):
        return ""
    found = _FUNCTION.match(declaration)
    if found is None:
        raise ValueError(f"{name}: cannot read the declaration: {declaration}")
    scope = "" if found["static"] else f"{name}::"
    parameters = ", ".join(_type_of(part) for part in _split(found["parameters"]))
    pointer = f"{found['result'].strip()} ({scope}*)({parameters}){found['const'] or ''}"
    return f"CHECK(static_cast<{pointer}>(&{name}::{found['name']}) != nullptr);"


def _member(name: str, declaration: str) -> str:
    kind, _, member = declaration.rpartition(" ")
    member, _, extent = member.partition("[")
    suffix = f"[{extent}" if extent else ""
    return f"CHECK(std::is_same_v<decltype({name}::{member}), {kind}{suffix}>);"


def _split(parameters: str) -> list[str]:
    """At commas that are not within brackets."""
    parts, depth = [""], 0
    for character in parameters:
        depth += (character in "<(") - (character in ">)")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _type_of(parameter: str) -> str:
    """Without the parameter's name: `const char* const names[]` -> `const char* const*`."""
    pointer = parameter.endswith("[]")
    kind = re.sub(r"\b\w+(\[\])?$", "", parameter).strip()
    return f"{kind}*" if pointer else kind
