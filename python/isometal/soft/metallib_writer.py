"""Writes .metallib containers, as metallib.py reads them: kernels with their bitcode and function constants."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from isometal.soft.msl_types import data_type_number
from isometal.soft.reflection import FunctionConstant

__all__ = ["KernelCode", "write_metallib"]

_HEADER = struct.Struct("<4sHHHBBHHQ8Q")
#: The system that the list says the kernels are for: macOS 14.0, as the AIR itself does.
_MACOS, _MAJOR, _MINOR = 0x81, 14, 0
_KERNEL = 2
_AIR_VERSION = (2, 6)


@dataclass(frozen=True)
class KernelCode:
    """A kernel of a container."""

    name: str
    bitcode: bytes
    constants: tuple[FunctionConstant, ...]
    language_version: tuple[int, int]


def write_metallib(kernels: Iterable[KernelCode]) -> bytes:
    """The container that holds these kernels, in their order. Raises ValueError for a constant that it cannot list."""
    count = 0
    entries = public = private = code = b""
    for kernel in kernels:
        count += 1
        entries += _record(
            _field(b"NAME", kernel.name.encode() + b"\0"),
            _field(b"TYPE", bytes([_KERNEL])),
            _field(b"HASH", hashlib.sha256(kernel.bitcode).digest()),
            _field(b"OFFT", struct.pack("<3Q", len(public), len(private), len(code))),
            _field(b"VERS", struct.pack("<4H", *_AIR_VERSION, *kernel.language_version)),
            _field(b"MDSZ", struct.pack("<Q", len(kernel.bitcode))),
        )
        public += _record(_constants(kernel.constants)) if kernel.constants else _record()
        private += _record()
        code += kernel.bitcode
    listed = struct.pack("<I", count) + entries
    # What follows the list holds the hash of the whole as its identifier.
    extension = _field(b"UUID", hashlib.sha256(listed + public + code).digest()[:16]) + b"ENDT"
    at = _HEADER.size + len(listed) + len(extension)
    places = [_HEADER.size, len(entries)]
    for section in (public, private, code):
        places += [at, len(section)]
        at += len(section)
    header = _HEADER.pack(b"MTLB", 0x8001, 2, 7, 0, _MACOS, _MAJOR, _MINOR, at, *places)
    return header + listed + extension + public + private + code


def _constants(constants: Iterable[FunctionConstant]) -> bytes:
    listed = [
        constant.name.encode() + b"\0" + struct.pack("<BHB", data_type_number(constant.type_name), constant.index, 1)
        for constant in constants
    ]
    return _field(b"CNST", struct.pack("<H", len(listed)) + b"".join(listed))


def _field(tag: bytes, data: bytes) -> bytes:
    return tag + struct.pack("<H", len(data)) + data


def _record(*fields: bytes) -> bytes:
    body = b"".join(fields) + b"ENDT"
    return struct.pack("<I", 4 + len(body)) + body
