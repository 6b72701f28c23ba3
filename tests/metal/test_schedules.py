"""The same inputs give the same bits: run twice, and in whatever order the software device runs threads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from schedule_cases import CASES, VARIANTS, accepted

from isometal.optable import OPS

#: As the environment names them: threads in order, as lanes where they can be; and in an order drawn from a seed.
SCHEDULES = ({"ISOMETAL_SOFT_MODE": "fast"}, {"ISOMETAL_SOFT_MODE": "shuffled", "ISOMETAL_SOFT_SEED": "7"})


@pytest.fixture(scope="module")
def digests() -> list[dict[str, list[str]]]:
    """What schedule_cases.py prints under each schedule, by op."""
    script = str(Path(__file__).with_name("schedule_cases.py"))
    printed = []
    # One after the other: the second finds all kernels compiled.
    for schedule in SCHEDULES:
        ran = subprocess.run(
            [sys.executable, script],
            env=os.environ | schedule,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        lines: dict[str, list[str]] = defaultdict(list)
        for line in ran.stdout.splitlines():
            lines[line.partition(" ")[0]].append(line)
        printed.append(lines)
    return printed


def test_every_op_has_cases() -> None:
    assert set(CASES) == set(OPS)


@pytest.mark.parametrize("op", OPS)
def test_every_schedule_gives_the_same_bits(digests: list[dict[str, list[str]]], op: str) -> None:
    fast, shuffled = (lines[op] for lines in digests)
    done = {tuple(line.split()[1:3]) for line in fast}
    variants = [variant.replace(" ", "_") or "-" for _, variant in VARIANTS[OPS[op].family]]
    assert done == {(dtype, variant) for dtype in accepted(op) for variant in variants}
    assert shuffled == fast
