"""isometal._core.SoftKernel and soft_dispatch: memory in place, errors by class, signals and other threads heard.

The kernels are tables written with ctypes, by csrc/soft/kernel_abi.h; their regions are Python functions or, where the
GIL must not matter, functions of the C library.
"""

from __future__ import annotations

import ctypes as c
import gc
import os
import signal
import sys
import threading
import time
import weakref
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from isometal import _core
from isometal.soft.errors import HangError, SoftDeviceError, ValidationError
from isometal.soft.reflection import Argument, KernelReflection
from isometal.soft.reflection import Site as ReflectedSite

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="Apple platforms have the real device")

START, THREADGROUP = 0, 3
SEVERAL, FINISHED = 0xFFFE, 0xFFFF


class Threadgroup(c.Structure):
    _fields_: ClassVar = [
        ("buffers", c.POINTER(c.c_void_p)),
        ("threadgroup_arguments", c.POINTER(c.c_void_p)),
        ("threadgroup_memory", c.c_void_p),
        ("observer", c.c_void_p),
        *((name, c.c_uint32 * 4) for name in ("position", "size", "dispatch_size", "threads", "threadgroups")),
        ("simdgroups", c.c_uint32),
        ("dispatch_simdgroups", c.c_uint32),
    ]


class Span(c.Structure):
    _fields_: ClassVar = [(name, c.c_uint32) for name in ("thread", "count", "x", "y", "z")]


REGION = c.CFUNCTYPE(None, c.POINTER(Threadgroup), c.POINTER(Span), c.c_void_p, c.POINTER(c.c_uint16))


class Site(c.Structure):
    _fields_: ClassVar = [
        ("run", c.c_void_p),
        ("operation", c.c_void_p),
        ("kind", c.c_uint16),
        ("successor", c.c_uint16),
        ("memory_flags", c.c_uint32),
    ]


class Kernel(c.Structure):
    _fields_: ClassVar = [
        ("version", c.c_uint32),
        ("site_count", c.c_uint32),
        ("frame_bytes", c.c_uint64),
        ("threadgroup_bytes", c.c_uint64),
        ("flags", c.c_uint32),
        ("reserved", c.c_uint32),
        ("sites", c.POINTER(Site)),
    ]


class Code:
    """Owns the tables and the functions of a kernel."""

    def __init__(self, *sites: tuple[Any, int, int]) -> None:
        self.regions = [REGION(run) if callable(run) else run for run, _, _ in sites]
        addresses = [c.cast(region, c.c_void_p).value for region in self.regions]
        rows = [Site(at, None, kind, successor, 0) for at, (_, kind, successor) in zip(addresses, sites, strict=True)]
        self.sites = (Site * len(sites))(*rows)
        self.kernel = Kernel(1, len(sites), 0, 0, 0, 0, self.sites)

    def load(self, name: str = "k", sites: tuple[str, ...] = (), **facts: Any) -> _core.SoftKernel:
        about = KernelReflection(name, tuple(ARGUMENTS), sites=tuple(ReflectedSite(0, text) for text in sites))
        return _core.SoftKernel(c.addressof(self.kernel), replace(about, **facts), self)


#: Of `add`: out is written, values are read. What other kernels here bind, nobody looks at.
ARGUMENTS = [
    Argument("out", "float", "buffer", access="read_write", index=0, alignment=4, required_bytes=4, used=False),
    Argument("values", "float", "buffer", index=2, alignment=4, required_bytes=4, used=False),
]
USED = tuple(replace(argument, used=True) for argument in ARGUMENTS)


def c_function(name: str) -> Any:
    """A function of the C library that takes no arguments, and so may stand for a region."""
    return c.cast(getattr(c.CDLL(None), name), c.c_void_p)


def add(threadgroup: Any, span: Any, frame: Any, following: Any) -> None:
    """out[i] += in[i], for the thread at x = i."""
    group, row = threadgroup[0], span[0]
    first = group.position[0] * group.dispatch_size[0] + row.x
    out = (c.c_float * (first + row.count)).from_address(group.buffers[0])
    values = (c.c_float * (first + row.count)).from_address(group.buffers[2])
    for i in range(first, first + row.count):
        out[i] += values[i]


def run(kernel: _core.SoftKernel, *, threads: int = 1, threadgroup: int = 1, **options: Any) -> None:
    arguments: dict[str, Any] = {
        "buffers": [],
        "threadgroup_lengths": [],
        "grid": (1, 1, 1),
        "threadgroup": (threadgroup, 1, 1),
        "grid_is_threads": False,
        "threads": threads,
    }
    _core.soft_dispatch(kernel, **{**arguments, **options})


@pytest.mark.parametrize("mode", ["fast", "shuffled"])
@pytest.mark.parametrize("threads", [1, 3])
def test_buffers_are_used_in_place(mode: str, threads: int) -> None:
    out = np.ones(1000, dtype=np.float32)
    values = np.arange(1000, dtype=np.float32)
    values.flags.writeable = False
    buffers = [(0, out), (1, None), (2, values)]
    kernel = Code((add, START, FINISHED)).load(arguments=USED)
    run(kernel, buffers=buffers, grid=(1000, 1, 1), threadgroup=96, grid_is_threads=True, mode=mode, threads=threads)
    np.testing.assert_array_equal(out, np.arange(1, 1001, dtype=np.float32))


def test_a_kernel_says_what_it_is() -> None:
    kernel = Code((add, START, 1), (add, THREADGROUP, FINISHED)).load("adder")
    assert (kernel.name, kernel.site_count, kernel.threadgroup_bytes) == ("adder", 2, 0)


def part(threadgroup: Any, span: Any, frame: Any, following: Any) -> None:
    for thread in range(span[0].thread, span[0].thread + span[0].count):
        following[thread % 32] = 1 if thread < 40 else 2


@pytest.mark.parametrize("threads", [1, 2])
def test_a_hang_names_kernel_threadgroup_and_sites(threads: int) -> None:
    nothing = c_function("getpid")
    code = Code((part, START, SEVERAL), (nothing, THREADGROUP, FINISHED), (nothing, THREADGROUP, FINISHED))
    kernel = code.load("parted", ("start", "barrier at a.metal:3", "barrier at a.metal:7"))
    with pytest.raises(HangError) as error:
        run(kernel, threadgroup=64, grid=(3, 1, 1), threads=threads)
    assert str(error.value) == (
        "[soft] kernel 'parted' hangs in threadgroup (0, 0, 0): 40 threads wait at site 1 (barrier at a.metal:3), "
        "24 threads wait at site 2 (barrier at a.metal:7); all threads of a threadgroup that have not finished must "
        "reach the same barrier."
    )


BAD_BINDINGS: dict[str, tuple[Any, str]] = {
    "read-only": ((0, bytes(8)), "kernel 'k', buffer 0 (out) of type float: read-only memory, but the kernel writes"),
    "too small": ((2, bytes(3)), "kernel 'k', buffer 2 (values) of type float: 3 bytes; at least 4 are needed."),
    "none": (
        (2, None),
        "kernel 'k': nothing is bound to buffer 2 (values); every argument that it uses needs a value.",
    ),
    "misaligned": ((0, memoryview(bytearray(9))[1:]), "buffer 0 (out) of type float: memory at an address that is no"),
    "strided": ((3, np.zeros((4, 4))[:, 1]), "buffer 3 cannot be used (ndarray is not C-contiguous); pass an object"),
    "no buffer": ((0, 5), "buffer 0 cannot be used (a bytes-like object is required, not 'int'); pass an object with"),
    "no such index": ((31, None), "no binding 31; bindings are 0 to 30"),
}


@pytest.mark.parametrize("name", BAD_BINDINGS)
def test_bindings_that_cannot_be_are_refused(name: str) -> None:
    binding, message = BAD_BINDINGS[name]
    good = [(0, bytearray(8)), (2, bytearray(8))]
    with pytest.raises(ValidationError) as error:
        run(Code((add, START, FINISHED)).load(arguments=USED), buffers=[*good, binding])
    assert message in str(error.value)
    assert str(error.value).startswith("[soft] ")


def test_other_wrong_arguments() -> None:
    kernel = Code((add, START, FINISHED)).load()
    with pytest.raises(TypeError, match="a binding is a tuple"):
        run(kernel, buffers=[(0, None, True)])
    with pytest.raises(ValidationError, match=r"no mode 'slow'; modes are 'fast' and 'shuffled'\."):
        run(kernel, mode="slow")
    with pytest.raises(ValidationError, match="kernel 'k': a threadgroup of 2000x1x1 threads; at most 1024"):
        run(kernel, threadgroup=2000)
    with pytest.raises(ValidationError, match="no binding 40"):
        run(kernel, threadgroup_lengths=[(40, 16)])
    with pytest.raises(ValidationError, match="kernel 'k': a grid of 0x1x1; sizes from 1"):
        run(kernel, grid=(0, 1, 1))
    with pytest.raises(
        ValidationError, match="kernel 'k': 0 bytes of its own threadgroup memory and 40000 of arguments"
    ):
        run(kernel, threadgroup_lengths=[(0, 40000)])
    with pytest.raises(ValidationError, match="on 5000 OS threads"):
        run(kernel, threads=5000)
    with pytest.raises(ValidationError, match="has no code: its address is null"):
        _core.SoftKernel(0, KernelReflection("nothing", ()))
    with pytest.raises(SoftDeviceError, match=r"a reflection with the kind 'ray'; possible are buffer, builtin, thr"):
        Code((add, START, FINISHED)).load(arguments=(replace(USED[0], kind="ray"),))


def test_a_refused_dispatch_lets_go_of_its_buffers() -> None:
    memory = bytearray(16)
    kernel = Code((add, START, FINISHED)).load()
    with pytest.raises(ValidationError):
        run(kernel, buffers=[(0, memory), (1, 5)])
    memory.extend(b"x")  # BufferError while somebody looks at it


def test_a_kernel_that_was_never_initialised_is_refused() -> None:
    kernel = _core.SoftKernel.__new__(_core.SoftKernel)
    gc.collect()
    with pytest.warns(RuntimeWarning, match="uninitialized"), pytest.raises(TypeError):
        run(kernel)


def test_a_kernel_and_its_owner_go_together() -> None:
    class Owner(Code):
        loaded: _core.SoftKernel

    owner = Owner((add, START, FINISHED))
    owner.loaded = owner.load()
    gone = weakref.ref(owner)
    kernel = owner.loaded
    del owner
    gc.collect()
    assert gone() is not None
    del kernel
    gc.collect()
    assert gone() is None


def test_a_signal_ends_a_long_dispatch() -> None:
    kernel = Code((c_function("getpid"), START, FINISHED)).load()
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    start = time.monotonic()
    try:
        for threads in (1, 2):
            with pytest.raises(KeyboardInterrupt):
                run(kernel, grid=(2**31, 2**31, 1), threads=threads)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert time.monotonic() - start < 20


def test_other_python_threads_run_meanwhile() -> None:
    kernel = Code((c_function("sched_yield"), START, FINISHED)).load()
    ticks = 0
    stop = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not stop.wait(0.001):
            ticks += 1

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        before = ticks
        run(kernel, grid=(1_000_000, 1, 1))
        during = ticks - before
    finally:
        stop.set()
        thread.join()
    assert during > 3


@pytest.mark.parametrize("setting", ["", "0", "many", "4 "])
def test_a_wrong_number_of_threads_is_an_error(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOMETAL_SOFT_THREADS", setting)
    for use in (_core.soft_default_threads, lambda: run(Code((add, START, FINISHED)).load(), threads=0)):
        with pytest.raises(SoftDeviceError, match=r"ISOMETAL_SOFT_THREADS is '.*'; it must be a number from 1 to 1024"):
            use()


def test_the_number_of_threads_is_the_environments_or_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOMETAL_SOFT_THREADS", "7")
    assert _core.soft_default_threads() == 7
    monkeypatch.delenv("ISOMETAL_SOFT_THREADS")
    assert _core.soft_default_threads() == len(os.sched_getaffinity(0))
