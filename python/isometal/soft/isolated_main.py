"""The worker process of isolated.py: reads calls from stdin, answers on stdout, ends with its parent.

Started as a script with -I; its first frame says where modules are imported from.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import struct
import sys
from typing import Any, BinaryIO

_FRAME = struct.Struct("<IQ")
_MEMORY = 4 * 2**30
Answer = tuple[dict[str, Any], bytes]


def _limit() -> None:
    """Neither the memory of the machine nor a core file for each blob that LLVM aborts on."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        if most == resource.RLIM_INFINITY or most > _MEMORY:
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, most))


def _receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    start = stream.read(_FRAME.size)
    if len(start) < _FRAME.size:
        return None
    header_size, body_size = _FRAME.unpack(start)
    header = stream.read(header_size)
    body = stream.read(body_size)
    if len(header) < header_size or len(body) < body_size:
        return None
    return json.loads(header), body


def _answer(header: dict[str, Any], body: bytes) -> Answer:
    try:
        module, function = header.pop("operation").split(":")
        answer: Answer = getattr(importlib.import_module(module), function)(header, body)
        return answer
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error), "details": getattr(error, "details", {})}, b""


def main() -> None:
    # Whatever prints to stdout must not land among the answers.
    stdin, stdout = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    _limit()
    # Ctrl-C is for the parent, which ends this process where it has to.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    start = _receive(stdin)
    if start is None:
        return
    sys.path[:] = start[0]["path"]
    while (request := _receive(stdin)) is not None:
        header, body = _answer(*request)
        text = json.dumps(header).encode()
        stdout.write(_FRAME.pack(len(text), len(body)) + text + body)
        stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
