"""What a bench run means to measure, and what it has found so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from isometal.parity.bench import Row
from isometal.parity.cases.bench import GROUPS

GROUP_IDS = ["-".join(group) for group in GROUPS]


@dataclass(frozen=True)
class Goal:
    """A cost with a goal. Missing the goal fails nothing: the figure is for the reader."""

    what: str
    measured: float
    goal: float
    unit: str

    @property
    def met(self) -> bool:
        return self.measured <= self.goal

    def __str__(self) -> str:
        verdict = "yes" if self.met else "no"
        return f"{self.what}: {self.measured:.2f} {self.unit}, goal {self.goal:g} {self.unit}, met: {verdict}"


@dataclass
class BenchLog:
    """What the tests of one session have measured."""

    rows: list[Row] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    #: From `timing.machine_ceilings`.
    ceilings: Mapping[str, float] = field(default_factory=dict)
    #: Keys of the rows that the collected tests mean to make, and whether that is every group.
    expected: frozenset[str] = frozenset()
    whole: bool = False
