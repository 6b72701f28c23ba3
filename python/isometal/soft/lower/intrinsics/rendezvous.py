"""`rendezvous`: the functions for which the lanes of a simdgroup, or all threads of a threadgroup, come together."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

from isometal.soft.lower.intrinsics import multiply, reductions, shuffles, votes
from isometal.soft.lower.intrinsics.columns import Columns, operation_text
from isometal.soft.lower.intrinsics.features import MODERN, Features

Kind = Literal["simdgroup", "threadgroup"]


@dataclass(frozen=True, slots=True)
class Rendezvous:
    """A function that lanes execute together.

    Attributes:
        kind: who waits for each other.
        memory_flags: index of the parameter that holds the memory flags of a barrier; None for what is no barrier.
        text: ``define internal void @"op.NAME"(ptr %out, ptr %a0, ..., i32 %mask)``, NAME with `air.`: from columns of
            arguments to the column of results, written for lanes in the mask. Empty for barriers.
        needs: declarations of what it calls.
        helpers: functions that it calls; a module has each once.
    """

    kind: Kind
    memory_flags: int | None = None
    text: str = ""
    needs: frozenset[str] = frozenset()
    helpers: frozenset[str] = frozenset()


_BARRIERS = {
    "wg.barrier": Rendezvous("threadgroup", memory_flags=0),
    "simdgroup.barrier": Rendezvous("simdgroup", memory_flags=0),
}


@functools.lru_cache(maxsize=1024)
def rendezvous(name: str, features: Features = MODERN) -> Rendezvous | None:
    """The rendezvous of that name, as in `air.simd_sum.f32`; None for other intrinsics and unknown ones.

    Args:
        name: of the intrinsic.
        features: of the target; by default those of x86-64-v3.
    """
    if not name.startswith("air."):
        return None
    short = name.removeprefix("air.")
    if short in _BARRIERS:
        return _BARRIERS[short]
    columns = Columns(features)
    if multiply.matches(short):
        return _finish(name, 3, columns, multiply.write(short, columns))
    for family in (votes, shuffles):
        count = family.parameters(short)
        if count is not None and family.write(short, columns):
            return _finish(name, count, columns)
    return _finish(name, 1, columns) if reductions.write(short, columns) else None


def _finish(name: str, parameters: int, columns: Columns, helpers: frozenset[str] = frozenset()) -> Rendezvous:
    text = operation_text(name, parameters, columns.builder)
    return Rendezvous("simdgroup", None, text, frozenset(columns.builder.needs), helpers)
