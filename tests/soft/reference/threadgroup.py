"""Runs the threads of a threadgroup by one of two rules for who takes part in what lanes do together.

*Rounds*: the lanes that are at the same call in the same rounds of all loops around it go together, when no other lane
of their simdgroup can still come there in those rounds. *Stack*: lanes go in lockstep; at a branch on which they
differ they part, and meet again at the branch's immediate post-dominator. Where nothing but `if` and whole loops is
used, the two agree; break, continue and return under a condition part a stack's lanes for longer than the source says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reference.collective import LANES, collective, is_threadgroup_barrier
from reference.interpreter import Branch, Meeting, Place, Program, Thread
from reference.loops import post_dominators
from reference.memory import ReferenceFault

Rule = Callable[[Program, "list[Lane]"], None]


@dataclass(eq=False)
class Lane:
    """A thread: what it waits for, and where it is if it goes in lockstep."""

    number: int
    code: Thread
    meeting: Meeting | None = None
    branch: str = ""
    finished: bool = False
    pending: list[Any] = field(default_factory=lambda: [None])

    @property
    def at_barrier(self) -> bool:
        return self.meeting is not None and is_threadgroup_barrier(self.meeting.name)

    def go(self) -> None:
        """On to where it stops next."""
        self.meeting, self.branch = None, ""
        try:
            event = self.code.send(self.pending.pop())
        except StopIteration:
            self.finished = True
            return
        if isinstance(event, Branch):
            self.branch = event.label
            self.pending.append(None)
        else:
            self.meeting = event

    def answer(self, value: Any) -> None:
        self.pending.append(value)


def run_threadgroup(program: Program, threads: list[Thread], *, stack: bool = False) -> None:
    """Runs all threads to their end. Raises ReferenceFault where they cannot get there."""
    lanes = [Lane(number, code) for number, code in enumerate(threads)]
    simdgroups = [lanes[start : start + LANES] for start in range(0, len(lanes), LANES)]
    runners = [_Stack(program, group) if stack else _Rounds(program, group) for group in simdgroups]
    while True:
        for runner in runners:
            runner.run()
        waiting = [lane for lane in lanes if not lane.finished]
        if not waiting:
            return
        sites = {lane.meeting.site if lane.meeting else 0 for lane in waiting}
        if len(sites) != 1 or not all(lane.at_barrier for lane in waiting):
            raise ReferenceFault("threads wait at different barriers")
        for lane in waiting:
            lane.answer(None)


def _meet(lanes: list[Lane]) -> None:
    """Do what these lanes came together for."""
    meetings = {lane.number % LANES: lane.meeting for lane in lanes}
    first = next(iter(meetings.values()))
    assert first is not None
    operation = collective(first.name)
    assert operation is not None
    results = operation({index: list(m.arguments) for index, m in meetings.items() if m is not None})
    for lane in lanes:
        lane.answer(results[lane.number % LANES])


class _Rounds:
    def __init__(self, program: Program, lanes: list[Lane]) -> None:
        self.program = program
        self.lanes = lanes
        for lane in lanes:
            lane.pending[:] = [None]

    def run(self) -> None:
        while True:
            for lane in self.lanes:
                if lane.pending:
                    lane.go()
            groups: dict[tuple[Place, ...], list[Lane]] = {}
            for lane in self.lanes:
                if not lane.finished and lane.meeting is not None:
                    groups.setdefault(lane.meeting.at, []).append(lane)
            for at, members in groups.items():
                if members[0].at_barrier or any(self._may_reach(other, at) for other in groups if other != at):
                    continue
                _meet(members)
                break
            else:
                return

    def _may_reach(self, here: tuple[Place, ...], there: tuple[Place, ...]) -> bool:
        for ours, theirs in zip(here, there, strict=False):
            if ours != theirs:
                nest = self.program.code(ours.function).nest
                return nest.may_reach(ours.label, ours.index, ours.rounds, theirs.label, theirs.index, theirs.rounds)
        raise ReferenceFault("a call within itself")


@dataclass
class _Entry:
    block: str
    lanes: list[Lane]
    until: str


class _Stack:
    """The hardware's classic rule. For kernels of one function."""

    def __init__(self, program: Program, lanes: list[Lane]) -> None:
        (kernel,) = [name for name in program.module.functions if "_GLOBAL__" not in name]
        code = program.code(kernel)
        self.meets_at = post_dominators(code.nest.successors, code.last)
        self.lanes = lanes
        self.stack = [_Entry(code.entry, list(lanes), "")]
        for lane in lanes:
            lane.pending[:] = [None]

    def run(self) -> None:
        while self.stack:
            top = self.stack[-1]
            top.lanes = [lane for lane in top.lanes if not lane.finished]
            if not top.lanes or top.block == top.until:
                self.stack.pop()
            elif not self._block(top):
                return

    def _block(self, top: _Entry) -> bool:
        """Runs a block to its end. False where the lanes wait for the threadgroup."""
        while True:
            for lane in top.lanes:
                lane.go()
            top.lanes = [lane for lane in top.lanes if not lane.finished]
            met = [lane for lane in top.lanes if lane.meeting is not None]
            if not met:
                break
            if len(met) != len(top.lanes):
                raise ReferenceFault("lanes in lockstep at different places")
            if met[0].at_barrier:
                if len(met) != sum(not lane.finished for lane in self.lanes):
                    raise ReferenceFault("a barrier that some lanes do not come to")
                return False
            _meet(met)
        targets: dict[str, list[Lane]] = {}
        for lane in top.lanes:
            targets.setdefault(lane.branch, []).append(lane)
        if len(targets) <= 1:
            top.block = next(iter(targets), top.until)
            return True
        meet = self.meets_at[top.block]
        top.block = meet
        for label, lanes in sorted(targets.items(), reverse=True):
            if label != meet:
                self.stack.append(_Entry(label, lanes, meet))
        return True
