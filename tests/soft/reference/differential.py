"""Runs a generated kernel on the device and on the reference, and compares what is in the buffers afterwards.

By hand, over many seeds: python tests/soft/reference/differential.py FIRST LAST
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from isometal import _core
from isometal.soft import native
from isometal.soft.lower import lower_kernel
from reference.case import Case
from reference.generator import generate
from reference.launch import launch
from reference.loaded import soft_kernel

#: Buffer of each case that holds float32; the others hold integers.
FLOATS = 1


def expected(case: Case, *, stack: bool = False) -> dict[int, bytearray]:
    """The buffers as the reference leaves them."""
    buffers = case.fresh_buffers()
    launch(
        case.air,
        case.kernel,
        buffers,
        case.grid,
        read_only=case.read_only,
        constants=case.constants,
        threadgroup_lengths=case.threadgroup_lengths,
        stack=stack,
    )
    return buffers


class Compiled:
    """A case's kernel as native code."""

    def __init__(self, case: Case, *, observed: bool = False) -> None:
        self.case = case
        self.lowered = lower_kernel(case.air, case.kernel, case.constants, observed=observed)
        self.native = native.load(native.build(self.lowered.ir))
        self.kernel = soft_kernel(self.native, self.lowered, case.kernel)

    def run(self, mode: str = "fast", seed: int = 0, threads: int = 1) -> dict[int, bytearray]:
        """The buffers as the device leaves them."""
        case = self.case
        buffers = case.fresh_buffers()
        # Metal lends threadgroup memory by 16 bytes.
        lengths = [(index, -(-length // 16) * 16) for index, length in case.threadgroup_lengths.items()]
        _core.soft_dispatch(
            self.kernel,
            list(buffers.items()),
            lengths,
            case.grid.threads,
            case.grid.threadgroup,
            True,
            mode,
            seed,
            threads,
        )
        return buffers


def differences(want: dict[int, bytearray], have: dict[int, bytearray]) -> list[str]:
    """Where two sets of buffers differ, as texts; one NaN is like another."""
    found: list[str] = []
    for index, data in want.items():
        a, b = (
            (np.frombuffer(bytes(d), np.uint32) for d in (data, have[index]))
            if index != 6
            else (np.frombuffer(bytes(d), np.uint16) for d in (data, have[index]))
        )
        same = a == b
        if index == FLOATS:
            same |= np.isnan(a.view(np.float32)) & np.isnan(b.view(np.float32))
        for at in np.flatnonzero(~same)[:3]:
            found.append(f"buffer {index}[{at}]: {a[at]:#x} expected, {b[at]:#x} found")
    return found


def check(case: Case, *, stack: bool = False) -> list[str]:
    """What goes wrong with a case, in words; empty where all agree."""
    want = expected(case)
    problems: list[str] = []
    if stack:
        problems += [
            f"the two rules of the reference differ: {text}" for text in differences(want, expected(case, stack=True))
        ]
    compiled = Compiled(case)
    for mode, seed, threads in (("fast", 0, 1), ("shuffled", 1, 1), ("shuffled", 2, 2)):
        found = differences(want, compiled.run(mode, seed, threads))
        problems += [f"{mode} {seed}: {text}" for text in found]
    return problems


def main(first: int, last: int) -> int:
    failed = 0
    for seed in range(first, last):
        wild = seed % 2 == 0
        case = generate(seed, wild=wild)
        try:
            problems = check(case, stack=not wild)
        except Exception as error:
            problems = [f"{type(error).__name__}: {error}"]
        if problems:
            failed += 1
            print(f"seed {seed}:", *problems[:4], sep="\n    ", flush=True)
    print(f"{last - first} seeds, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), int(sys.argv[2])))
