"""Types of LLVM's textual IR, as canonical strings: ``ptr addrspace(1)``, ``<4 x float>``, ``{ float, i1 }``.

Sizes and alignments are AIR's, which are also those of x86-64 and aarch64 for the types that AIR uses: a vector is
aligned to its size, rounded up to a power of two.
"""

from __future__ import annotations

import re
from functools import lru_cache

_SCALARS = {"half": 2, "bfloat": 2, "float": 4, "double": 8, "ptr": 8}
_INTEGER = re.compile(r"i(\d+)\Z")
_MOST_FIELDS = 1 << 16


def is_type_start(token: str) -> bool:
    """Whether a type can begin with this token."""
    return (
        token in _SCALARS
        or token in ("void", "label", "metadata", "token", "<", "[", "{")
        or _INTEGER.match(token) is not None
    )


def read_type(tokens: list[str], start: int) -> tuple[str, int]:
    """The type at `start` and the index behind it. Raises ValueError where there is none."""
    token = tokens[start]
    if token == "ptr" and start + 1 < len(tokens) and tokens[start + 1] == "addrspace":
        return f"ptr addrspace({tokens[start + 3]})", start + 5
    if token in ("<", "["):
        if token == "<" and tokens[start + 1] == "{":
            body, end = read_type(tokens, start + 1)
            return f"<{body}>", end + 1
        element, end = read_type(tokens, start + 3)
        return (
            (f"<{tokens[start + 1]} x {element}>", end + 1)
            if token == "<"
            else (f"[{tokens[start + 1]} x {element}]", end + 1)
        )
    if token == "{":
        fields: list[str] = []
        index = start + 1
        while tokens[index] != "}":
            field, index = read_type(tokens, index)
            fields.append(field)
            if tokens[index] == ",":
                index += 1
        return ("{ " + ", ".join(fields) + " }" if fields else "{}"), index + 1
    if is_type_start(token):
        return token, start + 1
    raise ValueError(f"no type at: {' '.join(tokens[start : start + 6])}")


def address_space(type_: str) -> int:
    """Address space of a pointer type."""
    return int(type_[14:-1]) if type_.startswith("ptr addrspace(") else 0


@lru_cache(maxsize=4096)
def vector(type_: str) -> tuple[int, str] | None:
    """Number and type of the elements of a vector type, None for other types."""
    if not type_.startswith("<") or type_.startswith("<{"):
        return None
    count, _, element = type_[1:-1].partition(" x ")
    return int(count), element


@lru_cache(maxsize=4096)
def fields(type_: str) -> tuple[str, ...] | None:
    """Types of the fields of a structure or array type, None for other types.

    Raises ValueError for an array that is too long to be a value.
    """
    from isometal.soft.ir.lexer import tokenize

    if type_.startswith("["):
        count, _, element = type_[1:-1].partition(" x ")
        if int(count) > _MOST_FIELDS:
            raise ValueError(f"an array of {count} elements is no value")
        return (element,) * int(count)
    body = type_[1:-1] if type_.startswith("<{") else type_
    if not body.startswith("{"):
        return None
    tokens = tokenize(body)
    found: list[str] = []
    index = 1
    while tokens[index] != "}":
        field, index = read_type(tokens, index)
        found.append(field)
        if tokens[index] == ",":
            index += 1
    return tuple(found)


@lru_cache(maxsize=4096)
def layout(type_: str) -> tuple[int, int]:
    """Size with padding, and alignment, in bytes. Raises ValueError for a type that has no size."""
    if type_.startswith("ptr"):
        return 8, 8
    if type_ in _SCALARS:
        return _SCALARS[type_], _SCALARS[type_]
    integer = _INTEGER.match(type_)
    if integer:
        bits = int(integer[1])
        size = 1 << max(0, (bits + 7) // 8 - 1).bit_length()
        return size, min(size, 16)
    elements = vector(type_)
    if elements:
        count, element = elements
        bits = count if element == "i1" else count * layout(element)[0] * 8
        size = 1 << max(0, (bits + 7) // 8 - 1).bit_length()
        return size, size
    if type_.startswith("["):
        count_text, _, element = type_[1:-1].partition(" x ")
        size, alignment = layout(element)
        return size * int(count_text), alignment
    members = fields(type_)
    if members is None:
        raise ValueError(f"a type without a size: {type_}")
    packed = type_.startswith("<{")
    offset, most = 0, 1
    for member in members:
        size, alignment = layout(member)
        if not packed:
            offset = -(-offset // alignment) * alignment
            most = max(most, alignment)
        offset += size
    return -(-offset // most) * most, most


def store_size(type_: str) -> int:
    """Bytes that a load or store touches: a vector of three has no fourth element."""
    elements = vector(type_)
    if elements is None or elements[1] == "i1":
        return layout(type_)[0]
    return elements[0] * layout(elements[1])[0]
