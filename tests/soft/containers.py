"""Builds .metallib containers for tests, valid ones and, field by field, invalid ones."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from isometal.soft.metallib_writer import _field as tagged
from isometal.soft.metallib_writer import _record as record

HEADER_BYTES = 88
MAGIC = b"MTLB"


@dataclass
class Kernel:
    """What a container says of one function; None leaves the field out."""

    name: str
    blob: bytes
    type: int = 2
    hash: bytes | None = None
    version: tuple[int, int, int, int] = (2, 6, 3, 1)
    constants: Iterable[tuple[str, int, int]] = ()
    #: tag -> data: replaces the field, or with None leaves it out.
    fields: Mapping[bytes, bytes | None] = field(default_factory=dict)


def build(kernels: Iterable[Kernel], *, extension: bytes = tagged(b"UUID", bytes(16)) + b"ENDT") -> bytes:
    """A container with these functions."""
    kernels = list(kernels)
    public = private = blobs = entries = b""
    for kernel in kernels:
        constants = list(kernel.constants)
        listed = b"".join(
            name.encode() + b"\0" + struct.pack("<BHB", kind, index, 1) for name, kind, index in constants
        )
        fields: dict[bytes, bytes | None] = {
            b"NAME": kernel.name.encode() + b"\0",
            b"TYPE": bytes([kernel.type]),
            b"HASH": hashlib.sha256(kernel.blob).digest() if kernel.hash is None else kernel.hash,
            b"OFFT": struct.pack("<3Q", len(public), len(private), len(blobs)),
            b"VERS": struct.pack("<4H", *kernel.version),
            b"MDSZ": struct.pack("<Q", len(kernel.blob)),
            **kernel.fields,
        }
        entries += record(*(tagged(tag, data) for tag, data in fields.items() if data is not None))
        cnst = tagged(b"CNST", struct.pack("<H", len(constants)) + listed)
        public += record(cnst) if constants else record()
        private += record()
        blobs += kernel.blob
    listed_bytes = struct.pack("<I", len(kernels)) + entries
    at = HEADER_BYTES + len(listed_bytes) + len(extension)
    size = at + len(public) + len(private) + len(blobs)
    header = struct.pack("<4sHHHBBHHQ", MAGIC, 0x8001, 2, 7, 0, 0x81, 14, 0, size)
    header += struct.pack("<2Q", HEADER_BYTES, len(entries))
    for section in (public, private, blobs):
        header += struct.pack("<2Q", at, len(section))
        at += len(section)
    return header + listed_bytes + extension + public + private + blobs


def small() -> bytes:
    """Three functions whose blobs are no bitcode: what the container reader never looks at."""
    return build(
        [
            Kernel("add", b"\x01" * 40, constants=[("align", 53, 200), ("count", 29, 201)]),
            Kernel("a kernel, with spaces", b"\x02" * 24),
            Kernel("shade", b"\x03" * 8, type=1),
        ]
    )
