"""Records of a .metallib container: a size, then tagged fields up to an end mark.

    u32 size (itself included)   { tag[4]  u16 length  data }*   "ENDT"

Fields with a tag that is not known here are skipped, which is what their lengths are for; a known one must have the
length that it has everywhere, and no tag may come twice.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple, NoReturn

Fail = Callable[[int, str], NoReturn]
#: tag -> (where in the file its data is, the data)
FieldMap = dict[bytes, tuple[int, bytes]]

_END = b"ENDT"
#: Bytes of a record without fields.
SMALLEST_RECORD = 8


class Record(NamedTuple):
    offset: int
    end: int
    fields: FieldMap


def read_fields(data: bytes, base: int, fail: Fail, what: str) -> FieldMap:
    """The tagged fields of `data`, which lies at byte `base` of the file and ends with the end mark."""
    fields: FieldMap = {}
    size, position = len(data), 0
    while (tag := data[position : position + 4]) != _END:
        if position + 6 > size:
            fail(base + position, f"{what} ends without its end mark")
        if not tag.isalnum():
            fail(base + position, f"{tag!r} is no tag")
        start = position + 6
        length = data[position + 4] | data[position + 5] << 8
        if start + length > size:
            fail(base + position, f"{_text(tag)} has {length} bytes and leaves {what}")
        if tag in fields:
            fail(base + position, f"{_text(tag)} comes a second time in {what}")
        position = start + length
        fields[tag] = (base + start, data[start:position])
    if position + 4 != size:
        fail(base + position + 4, f"{size - position - 4} bytes follow the end mark of {what}")
    return fields


def read_record(data: bytes, position: int, base: int, fail: Fail) -> Record:
    """The record at `position` of `data`, which itself lies at byte `base` of the file."""
    at = base + position
    if position + SMALLEST_RECORD > len(data):
        fail(at, f"{len(data) - position} bytes are left, fewer than a record has")
    (size,) = struct.unpack_from("<I", data, position)
    if size < SMALLEST_RECORD or size > len(data) - position:
        fail(at, f"a record of {size} bytes, where {len(data) - position} are left")
    end = position + size
    return Record(at, base + end, read_fields(data[position + 4 : end], at + 4, fail, f"the record at {at:#x}"))


#: The fields that each function of the list has, and their lengths.
_FUNCTION_FIELDS: Mapping[bytes, int | None] = {
    b"NAME": None,
    b"TYPE": 1,
    b"HASH": 32,
    b"MDSZ": 8,
    b"OFFT": 24,
    b"VERS": 8,
}


def function_fields(record: Record, fail: Fail) -> FieldMap:
    """The fields of a function's record, if all are there and have their lengths."""
    for tag, length in _FUNCTION_FIELDS.items():
        if tag not in record.fields:
            fail(record.offset, f"a function without {_text(tag)}")
        at, data = record.fields[tag]
        if length is not None and len(data) != length:
            fail(at, f"{_text(tag)} has {len(data)} bytes; it should have {length}")
    return record.fields


def read_constants(data: bytes, base: int, fail: Fail) -> list[tuple[str, int, int]]:
    """Function constants of a CNST field: name, number of the type, index.

    u16 count, then of each: name, NUL, u8 type, u16 index, u8 flag
    """
    if len(data) < 2:
        fail(base, "the list of function constants ends within its count")
    (count,) = struct.unpack_from("<H", data)
    constants: list[tuple[str, int, int]] = []
    position = 2
    for _ in range(count):
        end = data.find(b"\0", position)
        if end < 0 or end + 5 > len(data):
            fail(base + position, f"the list of {count} function constants ends within number {len(constants)}")
        try:
            name = data[position:end].decode()
        except UnicodeDecodeError:
            name = ""
        if not name or not name.isprintable():
            fail(base + position, f"{data[position:end][:60]!r} is not a constant's name, which is printable text")
        kind, index = struct.unpack_from("<BH", data, end + 1)
        constants.append((name, kind, index))
        position = end + 5
    if position != len(data):
        fail(base + position, f"{len(data) - position} bytes follow the last of {count} function constants")
    return constants


def _text(tag: bytes) -> str:
    return tag.decode("ascii")
