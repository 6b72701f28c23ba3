"""The frame of a simdgroup: where values stay while their thread waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from isometal.soft.errors import LoweringError
from isometal.soft.ir import Instruction
from isometal.soft.ir.types import layout, read_type
from isometal.soft.lower.abi import COLUMN_ALIGNMENT, LANES


@dataclass(frozen=True, slots=True)
class Column:
    """32 elements of a type in the frame, `offset` bytes from its start."""

    offset: int
    type: str

    @property
    def stored(self) -> str:
        """The type in memory: single bits take a byte."""
        return "i8" if self.type == "i1" else self.type


@dataclass(slots=True)
class Frame:
    """Columns for values that outlive a region, by name, and each lane's own arrays.

    Attributes:
        arrays: offset and bytes per lane of each array, by the name of its alloca.
        size: bytes so far.
    """

    columns: dict[str, Column] = field(default_factory=dict)
    arrays: dict[str, tuple[int, int]] = field(default_factory=dict)
    size: int = 0

    def add_columns(self, values: Mapping[str, tuple[str, set[int]]]) -> None:
        """Make room for values, given as type and the numbers of the sites at which each is kept.

        Values that are never kept at the same site share a column: a region loads all before it stores any.
        """
        taken: dict[int, list[tuple[int, set[int]]]] = {}
        for name, (type_, sites) in values.items():
            size = layout("i8" if type_ == "i1" else type_)[0]
            slots = taken.setdefault(size, [])
            slot = next((slot for slot in slots if slot[1].isdisjoint(sites)), None)
            if slot is None:
                slot = (self._reserve(size), set())
                slots.append(slot)
            slot[1].update(sites)
            self.columns[name] = Column(slot[0], type_)

    def add_array(self, alloca: Instruction) -> None:
        """Make room for an array per lane. Raises LoweringError where its length varies."""
        size, alignment = array_layout(alloca)
        alignment = max(alignment, 16)
        stride = -(-size // alignment) * alignment
        self.arrays[alloca.result] = (self._reserve(stride), stride)

    def _reserve(self, bytes_per_lane: int) -> int:
        offset = self.size
        self.size += -(-bytes_per_lane * LANES // COLUMN_ALIGNMENT) * COLUMN_ALIGNMENT
        return offset


def array_layout(alloca: Instruction) -> tuple[int, int]:
    """Size and alignment of what an alloca reserves. Raises LoweringError where its length varies."""
    tokens = alloca.tokens
    type_, index = read_type(tokens, 1)
    size, alignment = layout(type_)
    rest = tokens[index:]
    if len(rest) > 2 and rest[1] != "align" and rest[1][0] != "!":
        if not rest[2].isdigit():
            raise LoweringError(f"[soft] an array of variable length: {alloca}.")
        size *= int(rest[2])
    if "align" in rest:
        alignment = int(rest[rest.index("align") + 1])
    return size, alignment
