"""The same inputs give the same bits: run twice, in whatever order the software device runs threads, and of bfloat16
without the type bfloat too."""

from __future__ import annotations

from collections import defaultdict

import pytest
from schedule_cases import CASES, VARIANTS, accepted
from scripts import printed

from isometal.optable import OPS

#: As the environment names them: threads in order, as lanes where they can be; and in an order drawn from a seed.
SCHEDULES = ({"ISOMETAL_SOFT_MODE": "fast"}, {"ISOMETAL_SOFT_MODE": "shuffled", "ISOMETAL_SOFT_SEED": "7"})


def results(environment: dict[str, str], *dtypes: str) -> dict[str, list[str]]:
    """What schedule_cases.py prints, by op."""
    lines: dict[str, list[str]] = defaultdict(list)
    for line in printed("schedule_cases.py", environment, *dtypes):
        lines[line.partition(" ")[0]].append(line)
    return lines


@pytest.fixture(scope="module")
def digests() -> list[dict[str, list[str]]]:
    """Under each schedule."""
    # One after the other: the second finds all kernels compiled.
    return [results(schedule) for schedule in SCHEDULES]


@pytest.fixture(scope="module")
def without_bfloat() -> dict[str, list[str]]:
    return results({"ISOMETAL_SOFT_BFLOAT": "none"}, "bfloat16")


def test_every_op_has_cases() -> None:
    assert set(CASES) == set(OPS)


@pytest.mark.parametrize("op", OPS)
def test_every_schedule_gives_the_same_bits(digests: list[dict[str, list[str]]], op: str) -> None:
    fast, shuffled = (lines[op] for lines in digests)
    done = {tuple(line.split()[1:3]) for line in fast}
    variants = [variant.replace(" ", "_") or "-" for _, variant in VARIANTS[OPS[op].family]]
    assert done == {(dtype, variant) for dtype in accepted(op) for variant in variants}
    assert shuffled == fast


@pytest.mark.parametrize("op", OPS)
def test_a_device_without_bfloat_gives_the_same_bits(
    digests: list[dict[str, list[str]]], without_bfloat: dict[str, list[str]], op: str
) -> None:
    native = [line for line in digests[0][op] if line.split()[1] == "bfloat16"]
    assert native
    assert without_bfloat[op] == native
