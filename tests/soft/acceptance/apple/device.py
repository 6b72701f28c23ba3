"""Runs launches on isometal.soft: one library, kernels kept by name and constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from apple.launch import Launch, NDArray


@dataclass(frozen=True)
class Mode:
    """How the executor orders work: in natural order or shuffled by a seed, on how many OS threads."""

    seed: int | None = None
    threads: int = 1

    def __str__(self) -> str:
        order = "fast" if self.seed is None else f"shuffled, seed {self.seed}"
        return f"{order}, {self.threads} threads"


#: The first is the reference that the others must match bit for bit.
MODES = (Mode(), Mode(threads=2), Mode(seed=1), Mode(seed=2), Mode(seed=3, threads=2))


class Device(Protocol):
    def run(self, launch: Launch, buffers: Mapping[int, NDArray | bytes], mode: Mode) -> None:
        """Runs `launch` on `buffers`, which stand in for its own."""


class SoftDevice:
    """The software device, on the kernels of a metallib."""

    def __init__(self, metallib: Path) -> None:
        from isometal.soft import Library

        self._library = Library.from_metallib(metallib)
        self._kernels: dict[tuple[Any, ...], Any] = {}

    def run(self, launch: Launch, buffers: Mapping[int, NDArray | bytes], mode: Mode) -> None:
        key = (launch.kernel, *sorted(launch.constants.items()))
        if key not in self._kernels:
            self._kernels[key] = self._library.kernel(launch.kernel, constants=dict(launch.constants))
        self._kernels[key](
            {index: bound(value) for index, value in buffers.items()},
            grid=launch.grid,
            threadgroup=launch.threadgroup,
            dispatch=launch.dispatch,
            mode="fast" if mode.seed is None else "shuffled",
            seed=mode.seed or 0,
            threads=mode.threads,
        )


def bound(value: NDArray | bytes) -> object:
    """uint8 stands for bool too: it is bound as bytes without a type."""
    return value if isinstance(value, bytes) or value.dtype != np.uint8 else memoryview(value)
