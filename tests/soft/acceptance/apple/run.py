"""Runs programs with guarded memory, and groups of cases in every mode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from apple.case import Case, Group
from apple.device import MODES, Device, Mode
from apple.judge import Score, Verdict, merge, rounding_score, score
from apple.launch import POISON, NDArray, Program

#: Bytes around every buffer. Their content differs from run to run: a kernel that reads them gives two results.
GUARD = 128
_ALIGNMENT = 64


class GuardError(AssertionError):
    """A kernel wrote outside of its buffers."""


class _Guarded:
    """A buffer of exactly the needed size between two guards."""

    def __init__(self, array: NDArray, fill: int) -> None:
        self.source, self.fill, self.size = array, fill, array.nbytes
        memory = np.full(self.size + 2 * GUARD + _ALIGNMENT, fill, np.uint8)
        start = GUARD + (-(memory.ctypes.data + GUARD)) % _ALIGNMENT
        self._before, self._after = memory[:start], memory[start + self.size :]
        self.data = memory[start : start + self.size]
        self.data[:] = array.view(np.uint8)

    def part(self, array: NDArray) -> NDArray | None:
        """Where `array` lies in the guarded copy; None where it is not a part of the source."""
        offset = array.ctypes.data - self.source.ctypes.data
        inside = offset >= 0 and offset + array.nbytes <= self.size and array.nbytes > 0
        return self.data[offset : offset + array.nbytes].view(array.dtype) if inside else None

    def check(self, kernel: str) -> None:
        for guard, where in ((self._before, "before"), (self._after, "after")):
            if (guard != self.fill).any():
                raise GuardError(f"{kernel} wrote {where} a buffer of {self.size} bytes")


def execute(device: Device, program: Program, mode: Mode = MODES[0], fill: int = 0x7F) -> NDArray:
    """The output of `program`. Guards are filled with the byte `fill`."""
    guarded: list[_Guarded] = []

    def place(array: NDArray) -> NDArray:
        for each in guarded:
            part = each.part(array)
            if part is not None:
                return part
        guarded.append(_Guarded(array, fill))
        return guarded[-1].data.view(array.dtype)

    for array in program.written:
        place(array).view(np.uint8)[:] = POISON
    for launch in program.launches:
        buffers = {i: b if isinstance(b, bytes) else place(b) for i, b in launch.buffers.items()}
        device.run(launch, buffers, mode)
        for each in guarded:
            each.check(launch.kernel)
    return place(program.output).copy() if program.output.size else program.output


def run_case(device: Device, case: Case, modes: Sequence[Mode] = MODES) -> NDArray:
    """The result, which must be the same bits in all modes."""
    reference = execute(device, case.program, modes[0])
    for i, mode in enumerate(modes[1:]):
        again = execute(device, case.program, mode, fill=0x00 if i % 2 == 0 else 0xC1)
        if again.tobytes() != reference.tobytes():
            differs = int((again.view(np.uint8) != reference.view(np.uint8)).argmax()) // reference.itemsize
            raise AssertionError(
                f"{case.name}: element {differs} is {again[differs]} ({mode}), {reference[differs]} ({modes[0]})"
            )
    return reference


def run_group(device: Device, group: Group, modes: Sequence[Mode] = MODES) -> Verdict:
    ours, peers, rounding = [], [], []
    plain: list[list[Score]] = []
    cases = group.cases()
    for case in cases:
        truth = np.asarray(case.truth).reshape(-1)

        def scored(result: NDArray, case: Case = case, truth: NDArray = truth) -> Score:
            return score(result, truth, group.scored, case.magnitude, case.name)

        ours.append(scored(run_case(device, case, modes)))
        rounding.append(rounding_score(truth, group.scored, case.magnitude))
        if case.peer is not None:
            peers.append(scored(case.peer()))
        plain.append([scored(each()) for each in case.plain])
    return Verdict(
        group.family,
        group.kernel,
        group.dtype,
        len(cases),
        merge(ours),
        merge(peers) if peers else None,
        merge(rounding),
        max((merge(each) for each in zip(*plain, strict=True)), key=lambda total: total.rms_ulp, default=None),
    )
