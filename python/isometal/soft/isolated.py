"""Calls into LLVM in processes of their own, so that what LLVM cannot cope with costs an error and nothing else.

LLVM trusts its input: of damaged bitcode, about one blob in twelve makes it abort, and a hostile blob may carry a valid
hash. So bitcode is read, lowered and compiled in worker processes with bounded time and memory. What comes back is
plain data: text, or an object file that LLVM made. Workers start when first needed, serve one call at a time, as many
of them as the machine has cores, and end with this process.

The border is a pair of pipes with frames of a JSON header and a body of bytes; isolated_main.py is the other side.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import selectors
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isometal.soft.errors import SoftDeviceError

__all__ = ["FRAME", "WorkerCrash", "WorkerError", "call"]

#: Lengths of header and body.
FRAME = struct.Struct("<IQ")
_MAIN = Path(__file__).with_name("isolated_main.py")
_MAX_HEADER, _MAX_BODY = 2**28, 2**30
_STDERR_SHOWN = 300
#: A worker is replaced after so many calls: LLVM keeps some 0.2 MB of each kernel, and grew to 1.9 GB over 10,000.
_CALLS_PER_WORKER = 500


class WorkerCrash(SoftDeviceError):
    """The worker ended, or had to be ended, before it answered. The text says how."""


class WorkerError(SoftDeviceError):
    """The call raised in the worker. `kind` is the name of the exception's type, the text is its own."""

    def __init__(self, kind: str, message: str, details: Mapping[str, Any]) -> None:
        self.kind = kind
        self.details = details
        super().__init__(message)


def call(operation: str, header: Mapping[str, Any], body: bytes, *, seconds: float) -> tuple[dict[str, Any], bytes]:
    """Call a function in a worker, with a header that JSON can hold and a body; returns those of the answer.

    Args:
        operation: `module:function`, for example ``isometal.soft.bitcode:parse``. It takes and returns (header, body).
        header: must not have the key `operation`.
        body: any bytes.
        seconds: when to give up.

    Raises WorkerError where the operation raised, WorkerCrash where the worker died or took longer than `seconds`.
    """
    pool = _pool()
    worker = pool.get()
    try:
        if worker is None:
            worker = _Worker()
        return worker.call(operation, header, body, seconds)
    finally:
        if worker is not None and worker.calls >= _CALLS_PER_WORKER:
            worker.close()
        pool.put(worker if worker is not None and worker.alive else None)


class _Worker:
    """One process, and the pipes to it."""

    def __init__(self) -> None:
        if not sys.executable:
            raise WorkerCrash("[soft] Python does not know its own program (sys.executable), which compiles kernels.")
        # A file, not a pipe: nobody reads it while the worker runs.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            # -I: nothing of the directory or the environment decides which modules are imported; see `path` below.
            [sys.executable, "-I", os.fspath(_MAIN)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            bufsize=0,
        )
        self.alive = True
        self.calls = 0
        self._send({"path": [os.path.abspath(entry) for entry in sys.path]}, b"")  # noqa: PTH100

    def call(
        self, operation: str, header: Mapping[str, Any], body: bytes, seconds: float
    ) -> tuple[dict[str, Any], bytes]:
        deadline = time.monotonic() + seconds
        self.calls += 1
        try:
            self._send({**header, "operation": operation}, body)
            lengths = FRAME.unpack(self._receive(FRAME.size, deadline))
            if lengths[0] > _MAX_HEADER or lengths[1] > _MAX_BODY:
                raise EOFError
            answer = json.loads(self._receive(lengths[0], deadline))
            data = self._receive(lengths[1], deadline)
        except TimeoutError:
            self.close()
            raise WorkerCrash(f"gave no answer within {seconds:g} s") from None
        except (EOFError, BrokenPipeError, ValueError):
            raise WorkerCrash(self._obituary()) from None
        except BaseException:
            # Interrupted: the answer to this call must not become that to the next.
            self.close()
            raise
        if "error" in answer:
            raise WorkerError(answer["error"], answer["message"], answer["details"])
        return answer, data

    def close(self) -> None:
        """Ends the process at once. It holds nothing that could be lost."""
        self.alive = False
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._process.kill()
        self._process.wait()

    def _send(self, header: Mapping[str, Any], body: bytes) -> None:
        text = json.dumps(header).encode()
        pipe = self._process.stdin
        assert pipe is not None
        for part in (FRAME.pack(len(text), len(body)), text, body):
            view = memoryview(part)
            while view:
                view = view[pipe.write(view) :]

    def _receive(self, size: int, deadline: float) -> bytes:
        pipe = self._process.stdout
        assert pipe is not None
        parts: list[bytes] = []
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while size:
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    raise TimeoutError
                part = os.read(pipe.fileno(), min(size, 2**20))
                if not part:
                    raise EOFError
                parts.append(part)
                size -= len(part)
        return b"".join(parts)

    def _obituary(self) -> str:
        """How it died, with what LLVM said last."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self._process.poll()
        self._stderr.seek(0)
        said = " ".join(self._stderr.read(2**16).decode(errors="replace").split())
        self.close()
        if code is None:
            return "answered with what is no answer"
        try:
            how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        except ValueError:
            how = f"died of signal {-code}"
        return f"{how}: {said[:_STDERR_SHOWN]}" if said else how


class _Pool:
    """As many slots as workers may run at once; an empty slot is a worker that has not been started."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._slots: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(os.cpu_count() or 1):
            self._slots.put(None)

    def get(self) -> _Worker | None:
        return self._slots.get()

    def put(self, worker: _Worker | None) -> None:
        self._slots.put(worker)

    def close(self) -> None:
        if self.owner != os.getpid():
            return
        with contextlib.suppress(queue.Empty):
            while True:
                worker = self._slots.get_nowait()
                if worker is not None:
                    worker.close()


_current: _Pool | None = None
_creation = threading.Lock()


def _pool() -> _Pool:
    """The workers of this process: a forked child leaves those of its parent alone."""
    global _current
    with _creation:
        if _current is None or _current.owner != os.getpid():
            _current = _Pool()
            atexit.register(_current.close)
        return _current


def _after_fork() -> None:
    """In a forked child: another thread of the parent may have held the lock, which nobody here would give back."""
    global _creation
    _creation = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
