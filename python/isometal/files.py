"""Files written whole or not at all, and directories that are the user's alone."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path


def write_atomic(path: str | os.PathLike[str], data: bytes, *, mode: int = 0o666, durable: bool = True) -> None:
    """Put ``data`` at ``path``: a temporary file in the same directory, then a rename.

    A reader, a crash or a Ctrl-C at any moment finds the old file or the new one, never a part. A symbolic link is
    followed, so that it survives; a pipe or a terminal (``/dev/stdout``) cannot be renamed onto and is written
    directly. ``mode`` is narrowed by the umask. Without ``durable``, a power failure may leave a damaged file, which
    is for readers that check what they read. Raises OSError.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        target.write_bytes(data)
        return
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, target)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def private_directory(path: str | os.PathLike[str]) -> Path:
    """The directory at ``path``, made where missing: the user's own, and writable by nobody else.

    What is kept in it is believed later, code among it. Raises OSError; PermissionError where somebody else owns it or
    can write to it.
    """
    folder = Path(path)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Of a link, both it and what it leads to must be the user's.
    for status in (folder.lstat(), folder.stat()):
        if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "belongs to another user; it must be your own", os.fspath(folder))
    if folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(errno.EPERM, "can be written by others; chmod go-w it", os.fspath(folder))
    return folder
