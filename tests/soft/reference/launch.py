"""Dispatches a kernel on the reference interpreter: what each thread gets for each of the kernel's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from isometal.soft.ir.types import vector
from reference.interpreter import Program
from reference.memory import Access, Pointer, ReferenceFault, Segment
from reference.threadgroup import run_threadgroup

Size = tuple[int, int, int]


@dataclass(frozen=True)
class Grid:
    """A grid of threads; threadgroups at its edges are smaller where it is no multiple of their size."""

    threads: Size
    threadgroup: Size

    @property
    def threadgroups(self) -> Size:
        x, y, z = (-(-n // m) for n, m in zip(self.threads, self.threadgroup, strict=True))
        return x, y, z

    def size_of(self, position: Size) -> Size:
        x, y, z = (min(m, n - p * m) for n, m, p in zip(self.threads, self.threadgroup, position, strict=True))
        return x, y, z


@dataclass
class Result:
    """What a dispatch did: the accesses to shared memory, by position of the threadgroup."""

    accesses: dict[Size, list[Access]] = field(default_factory=dict)


def launch(
    air: str,
    kernel: str,
    buffers: Mapping[int, bytearray],
    grid: Grid,
    *,
    read_only: frozenset[int] = frozenset(),
    constants: Mapping[int, Any] | None = None,
    threadgroup_lengths: Mapping[int, int] | None = None,
    stack: bool = False,
) -> Result:
    """Runs the kernel over the grid; `buffers` are changed in place. Raises ReferenceFault for undefined behaviour."""
    program = Program(air, dict(constants or {}))
    parameters = _parameters(program, kernel)
    result = Result()
    bound = {
        index: Segment(f"buffer {index}", data, 1, writable=index not in read_only) for index, data in buffers.items()
    }
    nx, ny, nz = grid.threadgroups
    with np.errstate(all="ignore"):
        for z, y, x in product(range(nz), range(ny), range(nx)):
            position = (x, y, z)
            program.memory.log.clear()
            ambient = {
                name: Pointer(Segment(name, bytearray(size), 3, written=bytearray(size)), 0)
                for name, size in program.threadgroup_variables.items()
            }
            lengths = threadgroup_lengths or {}
            shared = {
                index: Segment(f"threadgroup {index}", bytearray(n), 3, written=bytearray(n))
                for index, n in lengths.items()
            }
            size = grid.size_of(position)
            threads = []
            for number, (lz, ly, lx) in enumerate(product(range(size[2]), range(size[1]), range(size[0]))):
                values = _builtins(grid, position, (lx, ly, lz), number)
                arguments = [_argument(p, bound, shared, values) for p in parameters]
                threads.append(program.run(f"@{kernel}", arguments, number, ambient, stepwise=stack))
            run_threadgroup(program, threads, stack=stack)
            result.accesses[position] = list(program.memory.log)
    return result


@dataclass(frozen=True)
class _Parameter:
    type: str
    kind: str
    index: int
    space: int


def _parameters(program: Program, kernel: str) -> list[_Parameter]:
    module = program.module
    for entry in module.metadata_operands("!air.kernel"):
        node = module.metadata_operands(entry[0])
        if node[0][-1] != f"@{kernel}":
            continue
        found: list[_Parameter] = []
        for parameter, argument in zip(
            module.functions[f"@{kernel}"].parameters, module.metadata_operands(node[2][0]), strict=True
        ):
            words = [part[-1].strip('"') for part in module.metadata_operands(argument[0])]
            if words[1] == "air.buffer":
                index = int(words[words.index("air.location_index") + 1])
                space = int(words[words.index("air.address_space") + 1])
                found.append(_Parameter(parameter.type, "buffer", index, space))
            else:
                found.append(_Parameter(parameter.type, words[1].removeprefix("air."), 0, 0))
        return found
    raise ReferenceFault(f"no kernel {kernel}")


def _builtins(grid: Grid, position: Size, local: Size, number: int) -> dict[str, tuple[int, ...]]:
    size = grid.size_of(position)

    def simdgroups(of: Size) -> tuple[int]:
        return (-(-of[0] * of[1] * of[2] // 32),)

    return {
        "thread_position_in_grid": tuple(
            p * m + at for p, m, at in zip(position, grid.threadgroup, local, strict=True)
        ),
        "thread_position_in_threadgroup": local,
        "threadgroup_position_in_grid": position,
        "threads_per_threadgroup": size,
        "dispatch_threads_per_threadgroup": grid.threadgroup,
        "threads_per_grid": grid.threads,
        "threadgroups_per_grid": grid.threadgroups,
        "thread_index_in_threadgroup": (number,),
        "thread_index_in_simdgroup": (number % 32,),
        "simdgroup_index_in_threadgroup": (number // 32,),
        "thread_index_in_quadgroup": (number % 4,),
        "quadgroup_index_in_threadgroup": (number // 4,),
        "simdgroups_per_threadgroup": simdgroups(size),
        "dispatch_simdgroups_per_threadgroup": simdgroups(grid.threadgroup),
        "threads_per_simdgroup": (32,),
        "thread_execution_width": (32,),
    }


def _argument(
    parameter: _Parameter,
    buffers: Mapping[int, Segment],
    shared: Mapping[int, Segment],
    values: dict[str, tuple[int, ...]],
) -> Any:
    if parameter.kind == "buffer":
        if parameter.space == 3:
            return Pointer(shared[parameter.index], 0)
        segment = buffers[parameter.index]
        segment.space = parameter.space
        return Pointer(segment, 0)
    value = values[parameter.kind]
    elements = vector(parameter.type)
    bits = int((elements[1] if elements else parameter.type)[1:])
    narrow = tuple(v & ((1 << bits) - 1) for v in value)
    return narrow[: elements[0]] if elements else narrow[0]
