"""A generated kernel with everything that a dispatch of it needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.launch import Grid

SLOTS = 6  # results per thread and output buffer


@dataclass
class Case:
    """A kernel, its grid and its buffers."""

    air: str
    kernel: str
    grid: Grid
    buffers: dict[int, bytearray]
    read_only: frozenset[int]
    constants: dict[int, bool | int | float]
    threadgroup_lengths: dict[int, int]
    seed: int

    def fresh_buffers(self) -> dict[int, bytearray]:
        return {index: bytearray(data) for index, data in self.buffers.items()}


def initial_buffers(seed: int, threads: int) -> dict[int, bytearray]:
    """The buffers of every generated kernel: two of results, then integers, parameters, counters, float32, float16."""
    numbers = np.random.default_rng(seed)
    return {
        0: bytearray(4 * SLOTS * threads),
        1: bytearray(4 * SLOTS * threads),
        2: bytearray(numbers.integers(0, 1 << 32, 64, np.uint32).tobytes()),
        3: bytearray(numbers.integers(0, 50, 8, np.uint32).tobytes()),
        4: bytearray(32),
        5: bytearray(numbers.integers(-40, 40, 64).astype(np.float32).tobytes()),
        6: bytearray((numbers.integers(-40, 40, 64) / 8).astype(np.float16).tobytes()),
    }


READ_ONLY = frozenset([2, 3, 5, 6])
