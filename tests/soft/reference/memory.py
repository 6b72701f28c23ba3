"""Memory of the reference interpreter: segments of bytes, pointers into them, and how values lie in them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from isometal.soft.ir.types import fields, layout, vector


class ReferenceFault(Exception):
    """The kernel does something that has no defined result. A generated kernel must not."""


@dataclass(eq=False)
class Segment:
    """A piece of memory that nothing but pointers to itself can reach. `written` marks the bytes with a value."""

    name: str
    data: bytearray
    space: int
    writable: bool = True
    written: bytearray | None = None

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self.data)} bytes>"


class Pointer(NamedTuple):
    segment: Segment
    offset: int


class Access(NamedTuple):
    """An access to memory that threads share, as a memory observer sees it."""

    thread: int
    writes: bool
    space: int
    segment: str
    offset: int
    size: int


class Codec(NamedTuple):
    """How values of a type lie in memory. `size` is what a load or store touches, padding at the end left out."""

    size: int
    read: Callable[[bytes], Any]
    write: Callable[[Any], bytes]


FLOATS = {"float": np.float32, "half": np.float16, "bfloat": ml_dtypes.bfloat16, "double": np.float64}


@cache
def codec(type_: str) -> Codec:
    """The codec of a type. Pointers cannot be stored: no kernel here does."""
    if type_ in FLOATS:
        dtype = np.dtype(FLOATS[type_])
        return Codec(dtype.itemsize, lambda raw: np.frombuffer(raw, dtype)[0], lambda v: np.asarray(v, dtype).tobytes())
    if type_ == "i1":
        return Codec(1, lambda raw: raw[0] & 1, lambda v: bytes([v]))
    if type_[0] == "i" and type_[1:] in ("8", "16", "32", "64"):
        form = struct.Struct("<" + {8: "B", 16: "H", 32: "I", 64: "Q"}[int(type_[1:])])
        return Codec(form.size, lambda raw: form.unpack(raw)[0], form.pack)
    elements = vector(type_)
    if elements and elements[1] != "i1":
        count, element = elements
        return _sequence([codec(element)] * count, [index * codec(element).size for index in range(count)])
    members = fields(type_)
    if members is not None:
        return _sequence([codec(member) for member in members], field_offsets(type_))
    raise ReferenceFault(f"a value of type {type_} in memory")


def _sequence(parts: list[Codec], offsets: list[int]) -> Codec:
    size = offsets[-1] + parts[-1].size if parts else 0

    def read(raw: bytes) -> tuple[Any, ...]:
        return tuple(part.read(raw[at : at + part.size]) for part, at in zip(parts, offsets, strict=True))

    def write(value: tuple[Any, ...]) -> bytes:
        out = bytearray(size)
        for part, at, item in zip(parts, offsets, value, strict=True):
            out[at : at + part.size] = part.write(item)
        return bytes(out)

    return Codec(size, read, write)


@cache
def field_offsets(type_: str) -> list[int]:
    """Offsets of the fields of a structure, or of the elements of an array."""
    members = fields(type_)
    assert members is not None
    offsets: list[int] = []
    offset = 0
    for member in members:
        size, alignment = layout(member)
        if not type_.startswith("<{"):
            offset = -(-offset // alignment) * alignment
        offsets.append(offset)
        offset += size
    return offsets


@dataclass
class Memory:
    """Checked loads and stores. `log` receives the accesses to device, constant and threadgroup memory."""

    log: list[Access] = field(default_factory=list)

    def load(self, type_: str, pointer: Pointer, thread: int) -> Any:
        form = codec(type_)
        segment = self._check(pointer, form.size, thread, writes=False)
        raw = bytes(segment.data[pointer.offset : pointer.offset + form.size])
        if segment.written is not None and not all(segment.written[pointer.offset : pointer.offset + form.size]):
            raise ReferenceFault(f"a load of uninitialised memory: {segment}, offset {pointer.offset}")
        return form.read(raw)

    def store(self, type_: str, value: Any, pointer: Pointer, thread: int) -> None:
        form = codec(type_)
        segment = self._check(pointer, form.size, thread, writes=True)
        if not segment.writable:
            raise ReferenceFault(f"a store to read-only memory: {segment}")
        if value is None or (isinstance(value, tuple) and None in value):
            raise ReferenceFault(f"a store of an undefined value to {segment}, offset {pointer.offset}")
        segment.data[pointer.offset : pointer.offset + form.size] = form.write(value)
        if segment.written is not None:
            segment.written[pointer.offset : pointer.offset + form.size] = b"\1" * form.size

    def _check(self, pointer: Pointer, size: int, thread: int, *, writes: bool) -> Segment:
        if not isinstance(pointer, Pointer):
            raise ReferenceFault(f"an access through {pointer!r}")
        segment = pointer.segment
        if pointer.offset < 0 or pointer.offset + size > len(segment.data):
            raise ReferenceFault(f"an access of {size} bytes at {pointer.offset} of {segment}")
        if segment.space and not segment.name.startswith("@constant"):
            self.log.append(Access(thread, writes, segment.space, segment.name, pointer.offset, size))
        return segment
