"""Real kernels through metal-cpp: device, library, pipeline, command buffers, as a dispatcher on a Mac makes them.

`_core.MetalSession` calls NS:: and MTL:: only (csrc/metal_session.cpp); what it gets here is the software device.
"""

from __future__ import annotations

import mmap
import signal
import struct

import numpy as np
import pytest

import isometal.soft  # registers the compiler
from isometal import _core
from isometal.soft.errors import SoftDeviceError, ValidationError

assert isometal.soft.device  # the import is for its effect

#: Of MTLCommandBufferError.
TIMEOUT, INVALID_RESOURCE = 2, 9

SOURCE = """
#include <metal_stdlib>
using namespace metal;
constant uint power [[function_constant(0)]];
constant bool negative [[function_constant(1)]];

kernel void scale(device float* x [[buffer(0)]], constant float& factor [[buffer(1)]],
                  uint i [[thread_position_in_grid]]) {
  float y = x[i];
  for (uint k = 0; k < power; k++) y *= factor;
  x[i] = negative ? -y : y;
}
kernel void plus_one(device uint* x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] = x[i] * 2 + 1; }
kernel void reverse(device uint* x [[buffer(0)]], threadgroup uint* copy [[threadgroup(0)]],
                    uint i [[thread_position_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
  copy[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  x[i] = copy[n - 1 - i];
}
kernel void spin(device uint* x [[buffer(0)]], constant uint& rounds [[buffer(1)]]) {
  uint y = x[0];
  for (uint k = 0; k < rounds; k++) { y ^= y << 13; y ^= y >> 17; y ^= y << 5; }
  x[0] = y;
}
kernel void hang(device float* x [[buffer(0)]], uint i [[thread_position_in_threadgroup]]) {
  if (i < 40) threadgroup_barrier(mem_flags::mem_threadgroup); else threadgroup_barrier(mem_flags::mem_device);
  x[i] = 1;
}
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOMETAL_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def session():
    return _core.MetalSession()


@pytest.fixture
def from_source(session):
    """make(function, constants) -> pipeline, of SOURCE."""
    library = session.compile_library(SOURCE)

    def make(function: str, constants: dict[int, tuple[str, bytes]] | None = None) -> int:
        return session.make_pipeline(library, function, constants or {})

    return make


def pages(values: np.ndarray) -> np.ndarray:
    """The values at the start of memory that Metal takes without a copy: whole pages."""
    page = _core.MetalSession.page_bytes
    memory = np.frombuffer(mmap.mmap(-1, -(-values.nbytes // page) * page), values.dtype)
    memory[: values.size] = values.ravel()
    return memory


def launch(pipeline, buffers, grid, threadgroup, *, inline=(), lengths=(), threads=True):
    """A launch over a row of threads: buffers by index, bytes by index, lengths of threadgroup memory by index."""
    bound = [(index, memory, 0) for index, memory in enumerate(buffers)]
    return (pipeline, bound, list(inline), list(lengths), (grid, 1, 1), (threadgroup, 1, 1), threads)


def run(session, *launches):
    return session.wait(session.submit(list(launches)))


def completed(session, *launches):
    status, code, text, seconds = run(session, *launches)
    assert (status, code, text) == ("completed", 0, "")
    assert seconds >= 0


def test_the_device_is_software(session):
    assert session.device_name.startswith("isometal software Metal device (CPU ")


@pytest.fixture
def apple(session, mlx_metal_wheel):
    return session.load_library((mlx_metal_wheel / "mlx" / "lib" / "mlx.metallib").read_bytes())


def test_apples_add(session, apple):
    names = session.function_names(apple)
    assert len(names) > 10_000
    assert {"vv_Addfloat32", "rmsfloat32"} <= set(names)
    n = 3000
    a, b = (pages(x) for x in np.random.default_rng(0).standard_normal((2, n)).astype(np.float32))
    out = pages(np.zeros(n, np.float32))
    add = session.make_pipeline(apple, "vv_Addfloat32", {})
    assert session.max_threads(add) == 1024
    completed(session, launch(add, [a, b, out], n, 256, inline=[(3, struct.pack("<I", n))]))
    assert (out[:n] == a[:n] + b[:n]).all()
    assert (out[n:] == 0).all()


def test_apples_rms_norm_needs_its_function_constant_and_barriers(session, apple):
    rows, width, eps = 5, 1000, 1e-5
    x = np.random.default_rng(1).standard_normal((rows, width)).astype(np.float32)
    w = np.random.default_rng(2).standard_normal(width).astype(np.float32)
    out = pages(np.zeros((rows, width), np.float32))
    norm = session.make_pipeline(apple, "rmsfloat32", {20: ("bool", b"\1")})
    threads = -(-width // 4 // 32) * 32  # each thread has four elements
    inline = [(3, struct.pack("<f", eps)), (4, struct.pack("<I", width)), (5, struct.pack("<I", 1))]
    completed(session, launch(norm, [pages(x), pages(w), out], rows, threads, inline=inline, threads=False))
    exact = x.astype(float)
    expected = exact / np.sqrt((exact**2).mean(axis=1, keepdims=True) + eps) * w
    assert np.abs(out[: x.size].reshape(x.shape) - expected).max() < 5e-6


@pytest.mark.parametrize(("power", "negative"), [(0, False), (1, True), (3, False)])
def test_source_with_function_constants_and_bytes(session, from_source, power, negative):
    constants = {0: ("uint", struct.pack("<I", power)), 1: ("bool", bytes([negative]))}
    x = pages(np.arange(100, dtype=np.float32))
    completed(session, launch(from_source("scale", constants), [x], 100, 32, inline=[(1, struct.pack("<f", 2.5))]))
    expected = np.arange(100, dtype=np.float32) * np.float32(2.5**power)
    assert (x[:100] == (-expected if negative else expected)).all()
    assert (x[100:] == 0).all()


def test_threadgroup_memory_by_length(session, from_source):
    x = pages(np.arange(100, dtype=np.uint32))
    completed(session, launch(from_source("reverse"), [x], 1, 100, lengths=[(0, 400)], threads=False))
    assert x[:100].tolist() == list(range(99, -1, -1))


def test_a_buffer_is_bound_at_its_offset(session, from_source):
    x = pages(np.zeros(100, np.uint32))
    completed(session, (from_source("plus_one"), [(0, x, 40)], [], [], (5, 1, 1), (5, 1, 1), True))
    assert x[:16].tolist() == [0] * 10 + [1] * 5 + [0]


def test_command_buffers_in_flight_run_in_the_order_of_submission(session, from_source):
    plus_one = from_source("plus_one")
    x = pages(np.zeros(64, np.uint32))
    one = launch(plus_one, [x], 64, 64)
    tickets = [session.submit([one, one]) for _ in range(10)]
    assert {session.wait(ticket)[:3] for ticket in reversed(tickets)} == {("completed", 0, "")}
    # 0 -> 1 -> 3 -> 7 ...: twenty times.
    assert (x[:64] == 2**20 - 1).all()


def test_a_failed_command_buffer_leaves_the_queue_working(session, from_source):
    plus_one = from_source("plus_one")
    x = pages(np.zeros(8, np.uint32))
    good = launch(plus_one, [x], 8, 8)
    bad = launch(plus_one, [], 8, 8)
    first, second, third = (session.submit([item]) for item in (good, bad, good))
    assert session.wait(third)[0] == "completed"
    assert session.wait(second)[0] == "error"
    assert session.wait(first)[0] == "completed"
    assert (x[:8] == 3).all()


def bound(pipeline, *, buffers=None, inline=(), lengths=(), threadgroup=(8, 1, 1), grid=(8, 1, 1)):
    return (pipeline, buffers or [], list(inline), list(lengths), grid, threadgroup, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"buffers": "none"}, "dispatchThreads: kernel 'plus_one': nothing is bound to buffer 0 (x); every argument"),
        ({"index": 31}, "index is 31; indices end at 30"),
        ({"offset": 1 << 20}, "offset 1048576 at index 0 is not inside buffer"),
        ({"offset": 2}, "buffer 0 (x) of type uint: bound at offset 2; a multiple of 4 is needed."),
        ({"inline": [(1, b"")]}, "length at index 1 is 0; it must be from 1 to 4096"),
        ({"inline": [(1, bytes(4097))]}, "length at index 1 is 4097; it must be from 1 to 4096"),
        ({"inline": [(0, bytes(64))]}, "read-only memory of setBytes, but the kernel writes to it"),
        ({"lengths": [(0, 32784)]}, "threadgroup 0: 32784 bytes; a threadgroup has at most 32768."),
        ({"lengths": [(0, 17)]}, "threadgroup 0: 17 bytes; a multiple of 16 is needed."),
        ({"threadgroup": (1025, 1, 1)}, "a threadgroup of 1025x1x1 threads; at most 1024 in all are possible."),
        ({"threadgroup": (8, 0, 1)}, "a threadgroup of 8x0x1 threads; no size may be 0."),
        ({"grid": (0, 1, 1)}, "a grid of 0x1x1; sizes from 1 to 2^32 - 1 are possible."),
    ],
)
def test_broken_rules_are_the_command_buffers_error(session, from_source, change, message, capfd):
    change = dict(change)
    x = pages(np.full(8, 7, np.uint32))
    buffers = [] if change.pop("buffers", None) else [(change.pop("index", 0), x, change.pop("offset", 0))]
    status, code, text, _ = run(session, bound(from_source("plus_one"), buffers=buffers, **change))
    assert (status, code) == ("error", INVALID_RESOURCE)
    assert message in text
    assert text.startswith("[soft] compute encoder: ")
    assert message in capfd.readouterr().err  # nothing goes wrong in silence
    assert (x[:8] == 7).all()


def test_rules_are_the_same_for_encoders_and_for_kernels_in_python(session, from_source, capfd):
    """One home, csrc/soft/dispatch_rules.cpp: the same words whichever way a dispatch comes."""
    reverse = isometal.soft.Library.from_source(SOURCE).kernel("reverse")
    x = pages(np.zeros(8, np.uint32))
    wrong = [
        ({0: x}, 8, 8),
        ({"threadgroup 0": 32}, 8, 8),
        ({}, 8, 8),
        ({0: x, "threadgroup 0": 32}, 0, 8),
        ({0: x, "threadgroup 0": 32}, 8, 1025),
        ({0: x, "threadgroup 0": 32768}, 8, 0),
    ]
    for values, grid, threadgroup in wrong:
        with pytest.raises(ValidationError) as caught:
            reverse(values, grid=grid, threadgroup=threadgroup)
        lengths = [(0, values["threadgroup 0"])] if "threadgroup 0" in values else []
        memory = [x] if 0 in values else []
        _, _, text, _ = run(session, launch(from_source("reverse"), memory, grid, threadgroup, lengths=lengths))
        assert text == str(caught.value).replace("[soft] ", "[soft] compute encoder: dispatchThreads: ")
    capfd.readouterr()


def test_a_hang_is_the_command_buffers_error(session, from_source, capfd):
    x = pages(np.zeros(64, np.float32))
    status, code, text, _ = run(session, launch(from_source("hang"), [x], 64, 64))
    assert (status, code) == ("error", TIMEOUT)
    assert "hang" in text
    assert "barrier" in text
    assert "barrier" in capfd.readouterr().err
    y = pages(np.zeros(8, np.uint32))
    completed(session, launch(from_source("plus_one"), [y], 8, 8))
    assert (y[:8] == 1).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.load_library(b"nonsense"), "data: at byte 0x8: the file ends within the header"),
        (lambda s: s.compile_library("kernel void k() { int y = x; }"), "use of undeclared identifier 'x'"),
        (lambda s: s.make_pipeline(s.compile_library(SOURCE), "none", {}), "the library has no function 'none'"),
        (lambda s: s.make_pipeline(s.compile_library(SOURCE), "scale", {}), "its constant 'power' .* has no value"),
        (
            lambda s: s.make_pipeline(s.compile_library(SOURCE), "scale", {0: ("float", bytes(4))}),
            "is set as float; it is declared as uint",
        ),
        (
            lambda s: s.make_pipeline(s.compile_library(SOURCE), "scale", {0: ("uint", b"1")}),
            "function constant 0 is a 'uint' of 1 bytes; a scalar type of MSL",
        ),
        (lambda s: s.make_pipeline(0, "scale", {}), "no library 0; there are 0"),
        (lambda s: s.submit([launch(0, [], 1, 1)]), "no pipeline 0; there are 0"),
        (lambda s: s.wait(1), "no command buffer has the ticket 1"),
    ],
)
def test_what_metal_refuses_is_raised(session, call, message):
    with pytest.raises(SoftDeviceError, match=message):
        call(session)


def test_memory_that_is_no_whole_page_is_refused(session, from_source, capfd):
    with pytest.raises(SoftDeviceError, match="buffer 0 of 4 bytes cannot be used in place; it must begin at a page"):
        session.submit([launch(from_source("plus_one"), [bytearray(4)], 1, 1)])
    assert "multiples of the page size" in capfd.readouterr().err
    with pytest.raises(BufferError):
        session.submit([launch(from_source("plus_one"), [bytes(4)], 1, 1)])
    with pytest.raises(TypeError, match="a launch is a tuple"):
        session.submit([(1, 2)])


def test_memory_in_flight_is_kept_until_it_is_waited_for(session, from_source):
    page = _core.MetalSession.page_bytes
    memory = mmap.mmap(-1, page)
    ticket = session.submit([launch(from_source("plus_one"), [memory], 8, 8)])
    with pytest.raises(BufferError):
        memory.close()
    session.wait(ticket)
    assert struct.unpack("<8I", memory[:32]) == (1,) * 8
    memory.close()


def test_a_session_that_goes_waits_for_what_is_in_flight(from_source, session):
    memory = mmap.mmap(-1, _core.MetalSession.page_bytes)
    other = _core.MetalSession()
    pipeline = other.make_pipeline(other.compile_library(SOURCE), "plus_one", {})
    for _ in range(5):
        other.submit([launch(pipeline, [memory], 8, 8)])
    del other
    assert struct.unpack("<8I", memory[:32]) == (31,) * 8
    memory.close()


def test_a_signal_ends_a_wait_but_not_what_is_waited_for(session, from_source):
    """About a second of work, which no compiler shortens, and an alarm after a tenth of one."""
    x = pages(np.ones(1, np.uint32))
    ticket = session.submit([launch(from_source("spin"), [x], 1, 1, inline=[(1, struct.pack("<I", 4 * 10**8))])])
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            session.wait(ticket)
        assert x[0] == 1, "the kernel was done before the signal came"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    status, code, text, seconds = session.wait(ticket)
    assert (status, code, text) == ("completed", 0, "")
    assert seconds > 0.1
    assert x[0] != 1
    with pytest.raises(SoftDeviceError, match="no command buffer has the ticket"):
        session.wait(ticket)
