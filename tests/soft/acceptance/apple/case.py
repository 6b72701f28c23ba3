"""A `Case` is one result to make and its answer; a `Group` the cases of one kernel and dtype, a row of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from apple.launch import NDArray, Program


@dataclass(frozen=True)
class Case:
    """Made when its group runs, so that collecting tests costs no arithmetic.

    program    launches and their output
    truth      the answer, float64 for floating results, else exact; its size is that of the output
    peer       MLX's own answer on the CPU, or None where MLX has no such op there
    magnitude  where terms cancel: the sum of their magnitudes, to which rounding errors are in proportion
    plain      results of plain code in the dtype itself, rounded at every step: the second yardstick, see judge.py
    """

    name: str
    program: Program
    truth: NDArray
    peer: Callable[[], NDArray] | None = None
    magnitude: NDArray | None = None
    plain: Sequence[Callable[[], NDArray]] = ()


@dataclass(frozen=True)
class Group:
    """`cases` makes the cases. `dtype` is that of the operands, `result` that of the result where it is another."""

    family: str
    kernel: str
    dtype: str
    cases: Callable[[], list[Case]]
    result: str | None = None

    @property
    def scored(self) -> str:
        return self.result or self.dtype

    @property
    def id(self) -> str:
        return f"{self.kernel}-{self.dtype}"


def generator(*key: object) -> np.random.Generator:
    """Random numbers that depend on the key only: the same in every run, process and order of tests."""
    return np.random.default_rng(list("/".join(map(str, key)).encode()))
