"""Runs native kernels from Python, site by site, through csrc/soft/kernel_abi.h: a second executor, plain and slow.

It is there for what the C++ executor's bindings do not offer, such as a memory observer, and shows that generated code
needs nothing but what the ABI says.
"""

from __future__ import annotations

import ctypes as c
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from isometal.soft.lower import abi
from reference.launch import Grid, Size

_Four = c.c_uint32 * 4


class ThreadgroupStructure(c.Structure):
    _fields_ = (
        ("buffers", c.c_void_p),
        ("threadgroup_arguments", c.c_void_p),
        ("threadgroup_memory", c.c_void_p),
        ("observer", c.c_void_p),
        ("position", _Four),
        ("size", _Four),
        ("dispatch_size", _Four),
        ("grid_threads", _Four),
        ("grid_threadgroups", _Four),
        ("simdgroups", c.c_uint32),
        ("dispatch_simdgroups", c.c_uint32),
    )


class SpanStructure(c.Structure):
    _fields_ = tuple((name, c.c_uint32) for name in ("thread", "count", "x", "y", "z"))


_RUN = c.CFUNCTYPE(None, c.POINTER(ThreadgroupStructure), c.POINTER(SpanStructure), c.c_void_p, c.c_void_p)
_OPERATION = c.CFUNCTYPE(None, c.c_void_p, c.c_uint32)
_ACCESS = c.CFUNCTYPE(c.c_void_p, c.c_void_p, c.c_void_p, c.c_uint64, c.c_uint32, c.c_uint32, c.c_uint32)


class _Site(c.Structure):
    _fields_ = (
        ("run", c.c_void_p),
        ("operation", c.c_void_p),
        ("kind", c.c_uint16),
        ("successor", c.c_uint16),
        ("memory_flags", c.c_uint32),
    )


class _Kernel(c.Structure):
    _fields_ = (
        ("version", c.c_uint32),
        ("site_count", c.c_uint32),
        ("frame_bytes", c.c_uint64),
        ("threadgroup_bytes", c.c_uint64),
        ("flags", c.c_uint32),
        ("reserved", c.c_uint32),
        ("sites", c.POINTER(_Site)),
    )


class _Observer(c.Structure):
    _fields_ = (("self", c.c_void_p), ("load", _ACCESS), ("store", _ACCESS))


@dataclass(frozen=True)
class Report:
    """What an observed kernel said of one access."""

    thread: int
    writes: bool
    space: int
    address: int
    size: int
    access: int


#: Told of each access; what it returns is the address to use.
Watch = Callable[[Report], int]


@dataclass
class Memory:
    """Buffers of a dispatch at addresses that are known, with zeros where nothing is bound."""

    buffers: Mapping[int, bytearray]
    threadgroup_lengths: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._views = {index: (c.c_char * len(data)).from_buffer(data) for index, data in self.buffers.items()}
        self._zeros = c.create_string_buffer(4096)
        self.buffer_addresses = {index: c.addressof(view) for index, view in self._views.items()}
        self.buffer_table = self._table(self.buffer_addresses)
        self._lent = {index: _aligned(length) for index, length in self.threadgroup_lengths.items()}
        self.argument_addresses = {index: address for index, (_, address) in self._lent.items()}
        self.argument_table = self._table(self.argument_addresses)

    def _table(self, addresses: Mapping[int, int]) -> c.Array[c.c_void_p]:
        zeros = c.addressof(self._zeros)
        return (c.c_void_p * abi.ARGUMENTS)(*[addresses.get(index, zeros) for index in range(abi.ARGUMENTS)])


def _aligned(size: int) -> tuple[object, int]:
    """Memory of that size, and its address, a multiple of 128."""
    raw = c.create_string_buffer(b"\xff" * (size + 128), size + 128)
    return raw, -(-c.addressof(raw) // 128) * 128


class NativeRun:
    """A dispatch of the kernel at `address`."""

    def __init__(self, address: int, grid: Grid, memory: Memory, watch: Watch | None = None) -> None:
        self.kernel = _Kernel.from_address(address)
        self.sites: Sequence[_Site] = self.kernel.sites[: self.kernel.site_count]
        self.grid = grid
        self.memory = memory
        self.watch = watch
        self.threadgroup_memory = 0
        self.error: BaseException | None = None

    def run(self, order: random.Random | None = None) -> None:
        """Runs all threadgroups; with an `order`, simdgroups and lanes in random order."""
        nx, ny, nz = self.grid.threadgroups
        for z, y, x in product(range(nz), range(ny), range(nx)):
            self.threadgroup((x, y, z), order)

    def threadgroup(self, position: Size, order: random.Random | None = None) -> None:
        size = self.grid.size_of(position)
        threads = size[0] * size[1] * size[2]
        groups = -(-threads // abi.LANES)
        keep, self.threadgroup_memory = _aligned(self.kernel.threadgroup_bytes)
        observer = _Observer(None, _ACCESS(self._access(False)), _ACCESS(self._access(True)))
        dispatch = self.grid.threadgroup
        described = ThreadgroupStructure(
            c.addressof(self.memory.buffer_table),
            c.addressof(self.memory.argument_table),
            self.threadgroup_memory,
            c.addressof(observer),
            _Four(*position),
            _Four(*size),
            _Four(*dispatch),
            _Four(*self.grid.threads),
            _Four(*self.grid.threadgroups),
            groups,
            -(-dispatch[0] * dispatch[1] * dispatch[2] // abi.LANES),
        )
        frames = [_aligned(self.kernel.frame_bytes) for _ in range(groups)]
        next_ = [(c.c_uint16 * abi.LANES)(*[abi.FINISHED] * abi.LANES) for _ in range(groups)]
        for thread in range(threads):
            next_[thread // abi.LANES][thread % abi.LANES] = abi.START
        released = [False] * groups
        while any(site != abi.FINISHED for sites in next_ for site in sites):
            ready = [g for g in range(groups) if self._earliest(next_[g], released[g]) is not None]
            if not ready:
                waiting = {site for sites in next_ for site in sites if site != abi.FINISHED}
                if len(waiting) != 1:
                    raise RuntimeError(f"threads wait at sites {sorted(waiting)}")
                released = [True] * groups
                continue
            group = order.choice(ready) if order else ready[0]
            site = self._earliest(next_[group], released[group])
            assert site is not None
            released[group] = False
            lanes = [lane for lane in range(abi.LANES) if next_[group][lane] == site]
            self._visit(site, lanes, described, size, group, frames[group][1], next_[group], order)
            if self.error is not None:
                raise self.error
        del keep

    def _earliest(self, next_: c.Array[c.c_uint16], released: bool) -> int | None:
        """The site at which a simdgroup goes on, None where it waits or has ended."""
        for site in sorted(set(next_) - {abi.FINISHED}):
            if self.sites[site].kind != abi.THREADGROUP_BARRIER or released:
                return site
        return None

    def _visit(
        self,
        number: int,
        lanes: list[int],
        described: ThreadgroupStructure,
        size: Size,
        group: int,
        frame: int,
        next_: c.Array[c.c_uint16],
        order: random.Random | None,
    ) -> None:
        site = self.sites[number]
        if site.operation:
            _OPERATION(site.operation)(frame, sum(1 << lane for lane in lanes))
        if order:
            order.shuffle(lanes)
        for lane in lanes:
            thread = group * abi.LANES + lane
            x, y, z = thread % size[0], thread // size[0] % size[1], thread // size[0] // size[1]
            span = SpanStructure(thread, 1, x, y, z)
            _RUN(site.run)(c.byref(described), c.byref(span), frame, c.addressof(next_))
            if site.successor != abi.SEVERAL:
                next_[lane] = site.successor

    def _access(self, writes: bool) -> Callable[..., int]:
        def report(_self: int, address: int, size: int, space: int, access: int, thread: int) -> int:
            said = Report(thread, writes, space, address, size, access)
            try:
                return self.watch(said) if self.watch else address
            except BaseException as error:  # native code cannot be unwound: thrown when it has returned
                self.error = self.error or error
                return address

        return report
