"""The compile cache: what a kernel became, kept in the user's own cache directory.

An entry is a file named by its key, a SHA-256 over everything that its contents depend on, so entries are never stale,
only unused. It is written whole or not at all and checked in full when read: a process that was killed, a full disk or
a damaged file costs a compilation, never a wrong kernel. Processes may share the directory without locks. When it
outgrows its limit, the entries that were not used for longest go.

Since code is loaded from here, the directory must belong to the user and be writable by nobody else.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
import struct
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isometal.files import private_directory, write_atomic
from isometal.soft.errors import SoftDeviceError

__all__ = ["DIRECTORY_VARIABLE", "LIMIT_VARIABLE", "Cache", "CacheInfo", "Entry", "directory", "key_of", "limit"]

DIRECTORY_VARIABLE = "ISOMETAL_CACHE_DIR"
LIMIT_VARIABLE = "ISOMETAL_CACHE_LIMIT"
_DEFAULT_LIMIT = 2**30
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
_LIMIT = re.compile(r"(\d{1,15})([KMG]?)B?", re.IGNORECASE)

#: magic, version of this format, bytes of the JSON part; then SHA-256 of key, JSON and data; then JSON and data.
_HEADER = struct.Struct("<4sII32s")
_MAGIC, _VERSION = b"ISOC", 1
_SUFFIX = ".entry"
_MAX_ENTRY = 2**28
#: After eviction this share of the limit is in use, so that not each write has to evict.
_FILLED = 0.8
_ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True)
class Entry:
    """What was kept: facts that JSON can hold, and bytes."""

    facts: Mapping[str, Any]
    data: bytes


@dataclass(frozen=True)
class CacheInfo:
    """What is in the cache."""

    folder: Path
    entries: int
    size: int
    limit: int


def directory() -> Path:
    """The directory for what can be made again: $ISOMETAL_CACHE_DIR or the platform's place. It may not exist yet."""
    chosen = os.environ.get(DIRECTORY_VARIABLE)
    if chosen:
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_dir("isometal"))


def limit() -> int:
    """Bytes that the cache may take: $ISOMETAL_CACHE_LIMIT, such as 500M or 2G; 1G without it.

    Raises SoftDeviceError where the variable is no size.
    """
    text = os.environ.get(LIMIT_VARIABLE)
    if not text:
        return _DEFAULT_LIMIT
    match = _LIMIT.fullmatch(text.strip())
    if match is None:
        raise SoftDeviceError(f"[soft] {LIMIT_VARIABLE}={text} is no size; give bytes, or a number with K, M or G.")
    return int(match[1]) * _UNITS[match[2].upper()]


def key_of(*parts: str | bytes) -> str:
    """The key of an entry that depends on these parts and on nothing else."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(struct.pack("<Q", len(data)) + data)
    return digest.hexdigest()


class Cache:
    """The entries in one directory. Safe to use from several threads, and from several processes at once."""

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        """Opens the cache in `folder`, or in `kernels` of `directory()`; makes the directory where it is missing.

        Raises SoftDeviceError where somebody else owns it or can write to it. Where it cannot be made at all (a
        read-only home), nothing is kept, and a warning says so.
        """
        self.folder = directory() / "kernels" if folder is None else Path(folder)
        self._lock = threading.Lock()
        self._size: int | None = None
        self._writable = True
        try:
            private_directory(self.folder)
        except OSError as error:
            if error.errno == errno.EPERM:
                raise SoftDeviceError(
                    f"[soft] the compile cache {error.filename} {error.strerror}, or set {DIRECTORY_VARIABLE}."
                ) from error
            self._give_up(error)

    def get(self, key: str) -> Entry | None:
        """The entry, or None where there is none or it is damaged."""
        path = self._path(key)
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or not _HEADER.size <= status.st_size <= _MAX_ENTRY:
                return None
            entry = _unpack(key, file.read(_MAX_ENTRY))
            if entry is not None:
                # The time of last use, for eviction; a read-only file system has no say in that.
                with contextlib.suppress(OSError):
                    os.utime(path)
            return entry

    def put(self, key: str, entry: Entry) -> None:
        """Keep an entry. A directory that cannot be written to is a warning, once."""
        data = _pack(key, entry)
        if not self._writable or len(data) > _MAX_ENTRY:
            return
        most = limit()
        with self._lock:
            try:
                if self._size is None:
                    self._size = sum(size for _, _, size in self._files())
                write_atomic(self._path(key), data, mode=0o600, durable=False)
                self._size += len(data)
                if self._size > most:
                    self._evict(most)
            except OSError as error:
                self._give_up(error)

    def info(self) -> CacheInfo:
        """How much is in the cache."""
        sizes = [size for _, _, size in self._files()]
        return CacheInfo(self.folder, len(sizes), sum(sizes), limit())

    def clear(self) -> int:
        """Removes all entries; returns how many. Raises OSError where one cannot be removed."""
        removed = 0
        with self._lock:
            for path, _, _ in self._files():
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                    removed += 1
            self._size = None
        return removed

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _files(self) -> Iterator[tuple[Path, float, int]]:
        """Path, time of last use and size of each entry. What interrupted writes left behind is removed."""
        try:
            listed = os.scandir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        with listed:
            for item in listed:
                with contextlib.suppress(FileNotFoundError):
                    status = item.stat(follow_symlinks=False)
                    if item.name.endswith(_SUFFIX):
                        yield Path(item.path), status.st_mtime, status.st_size
                    elif item.name.endswith(".tmp") and time.time() - status.st_mtime > _ABANDONED_SECONDS:
                        Path(item.path).unlink()

    def _evict(self, most: int) -> None:
        """Other processes write too, so what is there is counted again."""
        files = sorted(self._files(), key=lambda file: file[1])
        size = sum(size for _, _, size in files)
        if size > most:
            for path, _, bytes_ in files:
                if size <= most * _FILLED:
                    break
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                size -= bytes_
        self._size = size

    def _give_up(self, error: OSError) -> None:
        self._writable = False
        warnings.warn(
            f"[soft] compiled kernels are not kept: {self.folder}: {error.strerror or error}; "
            f"set {DIRECTORY_VARIABLE} to a directory that can be written to.",
            RuntimeWarning,
            stacklevel=3,
        )


def _pack(key: str, entry: Entry) -> bytes:
    facts = json.dumps(entry.facts, separators=(",", ":")).encode()
    return _HEADER.pack(_MAGIC, _VERSION, len(facts), _digest(key, len(facts), facts, entry.data)) + facts + entry.data


def _unpack(key: str, raw: bytes) -> Entry | None:
    """What `_pack` made for this key, or None for anything else."""
    magic, version, size, digest = _HEADER.unpack_from(raw)
    body = memoryview(raw)[_HEADER.size :]
    if (magic, version) != (_MAGIC, _VERSION) or size > len(body):
        return None
    facts, data = bytes(body[:size]), bytes(body[size:])
    return Entry(json.loads(facts), data) if _digest(key, size, facts, data) == digest else None


def _digest(key: str, size: int, facts: bytes, data: bytes) -> bytes:
    return hashlib.sha256(b"%s %d " % (key.encode(), size) + facts + data).digest()
