"""Members of structs that kernels take: from clang's dump of record layouts to AIR's struct_type_info."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from isometal.soft.msl.described import SCALARS, shown_name, type_name
from isometal.soft.msl.ir_text import quoted

__all__ = ["Member", "Record", "parse_records", "struct_type_info"]

_HEADING = re.compile(r"\s*0 \| (?:struct|class|union) (.*?)(?: \(empty\))?$")
_MEMBER = re.compile(r"\s*(\d+) \|   (?! )(.*)$")
_SIZE = re.compile(r"\s*\| \[sizeof=(\d+)")
_BASE = re.compile(r"(?:struct|class) (.*?) \((?:primary )?base\)(?: \(empty\))?$")
_ARRAY = re.compile(r"((?:\[\d+\])+)$")
# Of an array of vectors the dump says `float[4] __attribute__((ext_vector_type(2)))`.
_VECTOR_ARRAY = re.compile(r"((?:\[\d+\])+)( __attribute__\(\(ext_vector_type\(\d\)\)\))$")
_VECTOR = re.compile(r"(.*?)([234])")
_BYTES = {"bool": 1, "char": 1, "uchar": 1, "short": 2, "ushort": 2, "int": 4, "uint": 4, "long": 8, "ulong": 8}
_BYTES |= {"float": 4, "half": 2, "bfloat": 2}
#: Types that are classes in our headers, but not in Metal.
_BUILT_IN = re.compile(rf"(?:packed_)?(?:{'|'.join(SCALARS.values())})[234](?:x[234])?")
_POINTER_BYTES = 8
_MAX_NESTING = 16


@dataclass(frozen=True, slots=True)
class Member:
    """A data member. `length`: elements where it is an array, else 0."""

    name: str
    type: str
    offset: int
    length: int


@dataclass(slots=True)
class Record:
    name: str
    size: int = 0
    members: list[Member] = field(default_factory=list)


def parse_records(dump: str) -> dict[str, Record]:
    """Records in a dump, by their names in Metal. Members of base classes are members of the derived ones."""
    records: dict[str, Record] = {}
    current: Record | None = None
    bases: list[tuple[Record, str, int]] = []
    for line in dump.split("\n"):
        if heading := _HEADING.match(line):
            current = Record(_name(heading[1]))
            records.setdefault(current.name, current)
        elif current is not None and (size := _SIZE.match(line)):
            current.size = int(size[1])
            current = None
        elif current is not None and (member := _MEMBER.match(line)):
            base = _BASE.match(member[2])
            if base is not None:
                bases.append((current, _name(base[1]), int(member[1])))
            else:
                current.members.append(_member(int(member[1]), member[2]))
    for record, base_name, offset in bases:
        inherited = records.get(base_name)
        if inherited is not None:
            moved = [Member(m.name, m.type, m.offset + offset, m.length) for m in inherited.members]
            record.members = sorted(moved + record.members, key=lambda m: m.offset)
    return records


def _member(offset: int, text: str) -> Member:
    type_, _, name = text.rpartition(" ")
    type_ = _VECTOR_ARRAY.sub(r"\2\1", type_)
    length = 0
    if array := _ARRAY.search(type_):
        length = 1
        for size in re.findall(r"\d+", array[1]):
            length *= int(size)
        type_ = type_[: array.start()]
    return Member(name, _name(re.sub(r"^(?:const |volatile )+", "", type_.strip())), offset, length)


def _name(dumped: str) -> str:
    """A type as Metal spells it. The dump spells types as if the language were C."""
    name = re.sub(r"\b(?:struct|class|union|enum) ", "", dumped).replace("> >", ">>")
    return type_name(re.sub(r"\b_Bool\b", "bool", re.sub(r"\b__fp16\b", "half", name)))


def struct_type_info(records: Mapping[str, Record], name: str, add: Callable[[str], str]) -> str | None:
    """The node that describes the members of a struct, added with `add`; None for what is no known struct."""
    return _info(records, name, add, 0)


def _info(records: Mapping[str, Record], name: str, add: Callable[[str], str], depth: int) -> str | None:
    record = records.get(name)
    if record is None or _BUILT_IN.fullmatch(name) or depth > _MAX_NESTING:
        return None
    words: list[str] = []
    for index, member in enumerate(record.members):
        inner = _info(records, member.type, add, depth + 1)
        if inner is not None:
            words += ['!"air.struct_type_info"', inner]
        end = record.members[index + 1].offset if index + 1 < len(record.members) else record.size
        size = _size(records, member.type) or (end - member.offset) // max(member.length, 1)
        words += [
            f"i32 {member.offset}",
            f"i32 {size}",
            f"i32 {member.length}",
            f"!{quoted(shown_name(member.type))}",
            f"!{quoted(member.name)}",
        ]
    return add(f"!{{{', '.join(words)}}}")


def _size(records: Mapping[str, Record], name: str) -> int | None:
    """Bytes of a type; None for enumerations, whose size only their neighbours tell."""
    if name in records:
        return records[name].size
    if name.endswith("*"):
        return _POINTER_BYTES
    vector = _VECTOR.fullmatch(name)
    if vector is not None and vector[1] in SCALARS.values():
        return _BYTES[vector[1]] * (4 if vector[2] == "3" else int(vector[2]))
    return _BYTES.get(name)
