"""Gathers the cases of one (op, dtype) and names them after what they are about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from isometal.optable import FLOATING
from isometal.parity.model import ArraySpec, Case, Layout, Operand

_NAME = re.compile(r"[a-z0-9][a-z0-9x._+-]*")
#: Layouts that are not plain.
AWKWARD: tuple[Layout, ...] = ("transposed", "reversed", "strided", "offset", "broadcast")
#: Sizes around 32-lane simdgroups and the powers of two that threadgroups and tiles come in.
EDGES = (1, 2, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 257, 1023, 1024, 1025)
DEEP_EDGES = (3, 15, 16, 17, 511, 512, 513, 2047, 2049, 4095, 4096, 4097)


def label(operand: Operand) -> str:
    """``17x33-special-transposed``: shape, then values and layout where they are not the plain ones."""
    if operand is None:
        return "none"
    if not isinstance(operand, ArraySpec):
        return str(operand).lower()
    shape = "x".join(map(str, operand.shape)) or "0d"
    values = () if operand.values == "normal" else (operand.values,)
    layout = () if operand.layout == "contiguous" else (operand.layout,)
    return "-".join((shape, *values, *layout))


class Collector:
    """``add`` makes a case, unless it belongs to the deep profile and that was not asked for."""

    def __init__(self, op: str, dtype: str, seed: int, profile: str) -> None:
        self.op = op
        self.dtype = dtype
        self._seed = seed
        self._deep = profile == "deep"
        self._cases: dict[str, Case] = {}

    @property
    def floating(self) -> bool:
        return self.dtype in FLOATING

    def spec(self, *shape: int, values: str = "normal", layout: Layout = "contiguous", dtype: str = "") -> ArraySpec:
        """An operand of the cell's dtype, or of another one."""
        return ArraySpec(shape, dtype or self.dtype, values, layout)

    def add(
        self, *inputs: Operand, note: str = "", params: Mapping[str, Any] | None = None, deep: bool = False
    ) -> None:
        """A case called ``note``, then its operands. Operands of another dtype than the cell's say so."""
        name = "-".join(part for part in (note, "-x-".join(self._label(operand) for operand in inputs)) if part)
        if not _NAME.fullmatch(name):
            raise ValueError(f"[cases] {name!r} is not a case name; use a-z 0-9 . _ + -")
        if name in self._cases:
            raise ValueError(f"[cases] two cases of {self.op} {self.dtype} are called {name!r}.")
        if deep and not self._deep:
            return
        self._cases[name] = Case(self.op, self.dtype, name, inputs, dict(params or {}), self._seed)

    def _label(self, operand: Operand) -> str:
        foreign = isinstance(operand, ArraySpec) and operand.dtype != self.dtype
        return f"{label(operand)}-{operand.dtype}" if isinstance(operand, ArraySpec) and foreign else label(operand)

    def each(self, sizes: Iterable[int], deep_sizes: Iterable[int] = ()) -> Iterable[tuple[int, bool]]:
        """Sizes with the flag that says whether the size belongs to deep only."""
        yield from ((size, False) for size in sizes)
        yield from ((size, True) for size in deep_sizes)

    def cases(self) -> tuple[Case, ...]:
        return tuple(self._cases.values())
