"""Kernels that are compiled for observation report every load and store, and nothing else."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from reference.case import Case
from reference.differential import Compiled, differences, expected
from reference.generator import generate
from reference.launch import launch
from reference.memory import Access
from reference.native_run import Memory, NativeRun, Report

from isometal.soft.lower import abi


class _Watcher:
    """Translates addresses back to what they are in: buffers, [[threadgroup]] arguments, the kernel's variables."""

    def __init__(self, run: NativeRun, case: Case) -> None:
        self.run = run
        self.pieces = [
            (f"buffer {index}", address, len(case.buffers[index]))
            for index, address in run.memory.buffer_addresses.items()
        ]
        self.pieces += [
            (f"threadgroup {index}", address, case.threadgroup_lengths[index])
            for index, address in run.memory.argument_addresses.items()
        ]
        self.reports: list[Report] = []
        self.seen: Counter[tuple[object, ...]] = Counter()

    def __call__(self, report: Report) -> int:
        self.reports.append(report)
        self.seen[self.place(report)] += 1
        return report.address

    def place(self, report: Report) -> tuple[object, ...]:
        for name, start, size in self.pieces:
            if start <= report.address < start + size:
                return report.thread, report.writes, report.space, name, report.address - start, report.size
        inside = report.address - self.run.threadgroup_memory
        assert 0 <= inside < self.run.kernel.threadgroup_bytes
        return report.thread, report.writes, report.space, "variable", inside, report.size


def _as_reported(access: Access, offsets: dict[str, int]) -> tuple[object, ...]:
    if access.segment in offsets:
        return (
            access.thread,
            access.writes,
            access.space,
            "variable",
            access.offset + offsets[access.segment],
            access.size,
        )
    return tuple(access)


def _observed(case: Case, order: random.Random | None) -> tuple[_Watcher, dict[int, bytearray], Compiled]:
    compiled = Compiled(case, observed=True)
    buffers = case.fresh_buffers()
    run = NativeRun(compiled.native.address, case.grid, Memory(buffers, case.threadgroup_lengths))
    watcher = _Watcher(run, case)
    run.watch = watcher
    run.run(order)
    return watcher, buffers, compiled


@pytest.mark.parametrize("seed", range(6))
def test_observers_see_what_the_reference_does(seed: int) -> None:
    """Loads and stores of all threads: position, size, space, and how often."""
    case = generate(1000 + seed, wild=True)
    reference = launch(
        case.air,
        case.kernel,
        case.fresh_buffers(),
        case.grid,
        read_only=case.read_only,
        constants=case.constants,
        threadgroup_lengths=case.threadgroup_lengths,
    )
    watcher, buffers, _ = _observed(case, random.Random(seed) if seed % 2 else None)
    # Where the kernel's own variables lie is the lowering's business: the largest alignment first, then as declared.
    sizes = {"@shared": 4 * case.grid.threadgroup[0] * case.grid.threadgroup[1] * case.grid.threadgroup[2]}
    offsets = {"@shared": 0, "@cells": sizes["@shared"]}
    wanted = Counter(_as_reported(a, offsets) for accesses in reference.accesses.values() for a in accesses)
    assert watcher.seen == wanted
    assert differences(expected(case), buffers) == []


def test_numbers_of_accesses_lead_to_their_instructions() -> None:
    case = generate(1003)
    watcher, _, compiled = _observed(case, None)
    accesses = compiled.lowered.accesses
    assert [access.number for access in accesses] == list(range(len(accesses)))
    assert watcher.reports
    for report in watcher.reports:
        access = accesses[report.access]
        assert (access.writes, access.space) == (report.writes, report.space)
        assert ("store" in access.text) == report.writes or "atomic" in access.text
    assert compiled.native.address
    assert watcher.run.kernel.flags & abi.OBSERVED


def test_the_address_that_an_observer_returns_is_used() -> None:
    """A checker sends wild accesses elsewhere: here, all stores to buffer 0 go to a spare buffer."""
    case = generate(1005)
    compiled = Compiled(case, observed=True)
    buffers = case.fresh_buffers()
    buffers[9] = bytearray(len(buffers[0]))
    run = NativeRun(compiled.native.address, case.grid, Memory(buffers, case.threadgroup_lengths))
    start, spare = run.memory.buffer_addresses[0], run.memory.buffer_addresses[9]

    def redirect(report: Report) -> int:
        inside = start <= report.address < start + len(buffers[0])
        return report.address - start + spare if inside else report.address

    run.watch = redirect
    run.run()
    assert buffers[0] == case.buffers[0]
    assert differences({0: expected(case)[0]}, {0: buffers[9]}) == []


def test_kernels_that_are_not_observed_report_nothing() -> None:
    case = generate(1001)
    compiled = Compiled(case)
    run = NativeRun(compiled.native.address, case.grid, Memory(case.fresh_buffers(), case.threadgroup_lengths))
    run.watch = lambda report: pytest.fail(f"a report: {report}")
    run.run()
    assert compiled.lowered.accesses == ()
    assert not run.kernel.flags & abi.OBSERVED
