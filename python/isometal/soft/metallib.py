"""Reads .metallib containers: which functions they hold, and the bitcode of each.

A container says how large it is, and a header points to four sections: the list of functions, their public and private
metadata, and the bitcode. Every offset, size and count is checked before it is used, every error names the byte and
the reason, and bitcode is handed out only if its SHA-256 is the one that the list promises. Whether a blob with the
right hash is sane bitcode is for `bitcode.disassemble` to find out.

Only the list is read when a file is opened (3 MB of the 147 MB that MLX ships); blobs are read when asked for.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType, TracebackType
from typing import NamedTuple, NoReturn

from isometal.soft.errors import MetallibError
from isometal.soft.metallib_records import (
    SMALLEST_RECORD,
    Record,
    function_fields,
    read_constants,
    read_fields,
    read_record,
)

__all__ = ["METALLIB_MAGICS", "FunctionEntry", "Metallib", "PublicConstant"]

_HEADER = struct.Struct("<4sHHHBBHHQ8Q")
_MAGIC = b"MTLB"
_FAT_MAGIC = b"\xcb\xfe\xba\xbe"
#: What a file of this format begins with, those for several architectures among them.
METALLIB_MAGICS = (_MAGIC, _FAT_MAGIC)
_EXECUTABLE = 0
_LIBRARY_TYPES = {1: "a Core Image library", 2: "a dynamic library", 3: "a symbol companion"}
_PLATFORMS = {0x81: "macOS", 0x82: "iOS", 0x83: "tvOS", 0x84: "watchOS", 0x85: "bridgeOS", 0x86: "Mac Catalyst"}
_FUNCTION_TYPES = {
    0: "vertex",
    1: "fragment",
    2: "kernel",
    3: "unqualified",
    4: "visible",
    5: "extern",
    6: "intersection",
}
_SECTIONS = ("function list", "public metadata", "private metadata", "bitcode")
_AIR_MAJOR = 2
#: What a list or one function's bitcode may hold. MLX's list has 3 MB, its largest blob less than 1 MB.
_MAX_BYTES = 2**28


class FunctionEntry(NamedTuple):
    """A function of a library, as the container's list describes it."""

    name: str
    #: `kernel`, `vertex`, `fragment`, `visible`, `intersection`, ...
    type: str
    #: SHA-256 of the bitcode.
    hash: bytes
    #: Where in the file the bitcode is, and how many bytes.
    offset: int
    size: int
    #: Where in the file the public metadata of the function is.
    public: int
    air_version: tuple[int, int]
    language_version: tuple[int, int]


@dataclass(frozen=True)
class PublicConstant:
    """A function constant, as the public metadata of a function lists it."""

    name: str
    #: Number of the type in Metal's MTLDataType, for example 53 for bool.
    data_type: int
    index: int


class _Section(NamedTuple):
    name: str
    offset: int
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size


class Metallib:
    """An open .metallib container. Safe to use from several threads; close it, or use it as a context manager.

    Attributes:
        source: the path, or what else the caller named, for messages.
        functions: name -> FunctionEntry, in the order of the file.
        target: system and version that it was built for, for example ``macOS 14.0``.
        size: bytes in all.
    """

    def __init__(self, data: bytes | bytearray | memoryview, source: str = "metallib") -> None:
        """Reads a container in memory. Raises MetallibError where it is damaged."""
        self._file: int | None = None
        self._data = bytes(data)
        self._start(source, len(self._data))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Metallib:
        """Opens a file. Raises OSError, and MetallibError where it is damaged."""
        library = cls.__new__(cls)
        library._data = b""
        # O_NONBLOCK: a pipe must be refused, not waited for.
        library._file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            status = os.fstat(library._file)
            if not stat.S_ISREG(status.st_mode):
                raise MetallibError(0, "is not a regular file", os.fspath(path))
            library._start(os.fspath(path), status.st_size)
        except BaseException:
            library.close()
            raise
        return library

    def close(self) -> None:
        """Closes the file. What was read stays valid; bitcode() raises ValueError from now on."""
        file, self._file = self._file, -1
        self._data = b""
        if file is not None and file >= 0:
            os.close(file)

    def __enter__(self) -> Metallib:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.close()

    def __repr__(self) -> str:
        return f"<Metallib {self.source}: {len(self.functions)} functions for {self.target}>"

    def bitcode(self, name: str) -> bytes:
        """The bitcode of a function, its hash verified.

        Raises KeyError where there is no such function, MetallibError where the bytes are not those that were hashed.
        """
        entry = self.functions[name]
        blob = self._read(entry.offset, entry.size, f"bitcode of {name!r}")
        if hashlib.sha256(blob).digest() != entry.hash:
            self._fail(entry.offset, f"the bitcode of {name!r} does not have the SHA-256 that the list gives for it")
        return blob

    def constants(self, name: str) -> tuple[PublicConstant, ...]:
        """The function constants of a function, without a look at its bitcode. Raises KeyError, MetallibError."""
        offset = self.functions[name].public
        record = self._record(self._public, offset)
        found = record.fields.get(b"CNST")
        if found is None:
            return ()
        at, data = found
        return tuple(PublicConstant(*constant) for constant in read_constants(data, at, self._fail))

    def verify(self) -> Iterator[FunctionEntry]:
        """Checks hash and public metadata of one function after the other, yielding each. Raises MetallibError."""
        for name, entry in self.functions.items():
            self.bitcode(name)
            self.constants(name)
            yield entry

    # -- reading ------------------------------------------------------------------------------------------------------

    def _start(self, source: str, size: int) -> None:
        self.source = source
        self.size = size
        self.target = "?"
        self.functions: Mapping[str, FunctionEntry] = MappingProxyType({})
        self._lock = threading.Lock()
        listed, self._public, self._private, self._bitcode = self._header()
        self.functions = MappingProxyType(self._functions(listed))

    def _fail(self, offset: int, reason: str) -> NoReturn:
        raise MetallibError(offset, reason, self.source)

    def _read(self, offset: int, size: int, what: str) -> bytes:
        """`size` bytes at `offset`, which was checked to be inside of the file when it was opened."""
        if size > _MAX_BYTES:
            self._fail(offset, f"{what} has {size} bytes, more than the {_MAX_BYTES} that this reader takes")
        if self._file is None:
            return self._data[offset : offset + size]
        with self._lock:
            if self._file < 0:
                raise ValueError(f"{self.source} is closed")
            data = os.pread(self._file, size, offset)
            while 0 < len(data) < size:
                more = os.pread(self._file, size - len(data), offset + len(data))
                if not more:
                    break
                data += more
        if len(data) != size:
            self._fail(offset + len(data), f"the file ends within {what}; it was cut short while open")
        return data

    def _header(self) -> tuple[_Section, ...]:
        if self.size < _HEADER.size:
            self._fail(self.size, f"the file ends within the header, which has {_HEADER.size} bytes")
        fields = _HEADER.unpack(self._read(0, _HEADER.size, "header"))
        magic, _, _, _, kind, system, major, minor, size, *numbers = fields
        if magic == _FAT_MAGIC:
            self._fail(0, "a container for several architectures; extract the one for your GPU with lipo first")
        if magic != _MAGIC:
            self._fail(0, f"starts with {magic!r}; a metallib starts with {_MAGIC!r}")
        if kind != _EXECUTABLE:
            self._fail(10, f"is {_LIBRARY_TYPES.get(kind, f'of unknown type {kind}')}, not an executable library")
        if size != self.size:
            self._fail(16, f"gives its own size as {size} bytes, but has {self.size}")
        self.target = f"{_PLATFORMS.get(system, f'system {system:#x}')} {major}.{minor}"
        sections = [_Section(name, *numbers[2 * i : 2 * i + 2]) for i, name in enumerate(_SECTIONS)]
        # The size of the list leaves out its own first field, the count.
        listed = sections[0] = sections[0]._replace(size=sections[0].size + 4)
        for index, section in enumerate(sections):
            at = 24 + 16 * index
            if section.offset < _HEADER.size:
                self._fail(at, f"the {section.name} begins at {section.offset:#x}, within the header")
            if section.end > self.size:
                self._fail(at, f"the {section.name}, {section.offset:#x} to {section.end:#x}, leaves the file")
        ordered = sorted((section for section in sections if section.size), key=lambda section: section.offset)
        for before, after in pairwise(ordered):
            if before.end > after.offset:
                at = 24 + 16 * sections.index(after)
                self._fail(at, f"the {after.name} at {after.offset:#x} overlaps the {before.name}")
        follows = min((section.offset for section in ordered if section.offset >= listed.end), default=self.size)
        if follows > listed.end:
            # What follows the list is in no section: identifier of the build, where reflection is, ...
            tail = self._read(listed.end, follows - listed.end, "the header's extension")
            read_fields(tail, listed.end, self._fail, "the header's extension")
        return tuple(sections)

    def _functions(self, section: _Section) -> dict[str, FunctionEntry]:
        data = self._read(section.offset, section.size, "function list")
        (count,) = struct.unpack_from("<I", data)
        if count * SMALLEST_RECORD > len(data) - 4:
            self._fail(section.offset, f"promises {count} functions, more than {len(data) - 4} bytes can list")
        functions: dict[str, FunctionEntry] = {}
        position = 4
        for _ in range(count):
            record = read_record(data, position, section.offset, self._fail)
            entry = self._entry(record)
            if entry.name in functions:
                self._fail(record.offset, f"lists {entry.name!r} a second time")
            functions[entry.name] = entry
            position = record.end - section.offset
        if position != len(data):
            self._fail(section.offset + position, f"{len(data) - position} bytes follow the last of {count} functions")
        self._check_overlaps(functions)
        return functions

    def _entry(self, record: Record) -> FunctionEntry:
        fields = function_fields(record, self._fail)
        at, raw = fields[b"NAME"]
        try:
            name = raw[:-1].decode()
        except UnicodeDecodeError:
            name = ""
        # Names go to terminals and into error messages: nothing that steers them.
        if raw[-1:] != b"\0" or not name.isprintable() or not name:
            self._fail(at, f"{raw[:60]!r} is not a function's name, which is printable text that ends in one NUL")
        kind = fields[b"TYPE"][1][0]
        at, data = fields[b"VERS"]
        air_major, air_minor, major, minor = struct.unpack("<4H", data)
        if air_major != _AIR_MAJOR:
            self._fail(at, f"{name!r} is AIR {air_major}.{air_minor}; this reader knows AIR {_AIR_MAJOR}")
        (size,) = struct.unpack("<Q", fields[b"MDSZ"][1])
        at, data = fields[b"OFFT"]
        public, private, blob = struct.unpack("<3Q", data)
        for offset, section in ((public, self._public), (private, self._private)):
            if offset > section.size - SMALLEST_RECORD:
                self._fail(at, f"the {section.name} of {name!r} at {offset:#x} leaves its section")
        if blob > self._bitcode.size or size > self._bitcode.size - blob:
            self._fail(at, f"the bitcode of {name!r}, {size} bytes at {blob:#x}, leaves its section")
        return FunctionEntry(
            name,
            _FUNCTION_TYPES.get(kind, f"type {kind}"),
            fields[b"HASH"][1],
            self._bitcode.offset + blob,
            size,
            self._public.offset + public,
            (air_major, air_minor),
            (major, minor),
        )

    def _check_overlaps(self, functions: Mapping[str, FunctionEntry]) -> None:
        """Two functions may share a blob, but not a part of one."""
        ordered = sorted(functions.values(), key=lambda entry: (entry.offset, entry.size))
        for before, after in pairwise(ordered):
            same = (before.offset, before.size) == (after.offset, after.size)
            if before.offset + before.size > after.offset and not same:
                self._fail(after.offset, f"the bitcode of {after.name!r} overlaps that of {before.name!r}")

    def _record(self, section: _Section, offset: int) -> Record:
        data = self._read(offset, 4, section.name)
        (size,) = struct.unpack("<I", data)
        if size > section.end - offset:
            self._fail(offset, f"a record of {size} bytes leaves the {section.name}")
        return read_record(self._read(offset, max(size, 4), section.name), 0, offset, self._fail)
