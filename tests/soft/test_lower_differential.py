"""Random kernels do on the device what they do in the reference interpreter, in every order of execution.

Many more seeds by hand: python tests/soft/reference/differential.py FIRST LAST
"""

from __future__ import annotations

import pytest
from reference.differential import check, differences
from reference.generator import generate

from isometal.soft.lower import lower_kernel


@pytest.mark.parametrize("seed", range(30))
def test_device_and_reference_agree(seed: int) -> None:
    """Even seeds are wild: their groups part where only the rule of the earliest site says who meets whom."""
    wild = seed % 2 == 0
    assert check(generate(seed, wild=wild), stack=not wild) == []


def test_a_difference_is_found() -> None:
    want = {0: bytearray(8), 1: bytearray(b"\x00\x00\xc0\x7f")}
    assert differences(want, {0: bytearray(8), 1: bytearray(b"\x00\x00\xc0\xff")}) == []
    assert differences(want, {0: bytearray(b"\0\0\0\0\1\0\0\0"), 1: want[1]}) == [
        "buffer 0[1]: 0x0 expected, 0x1 found"
    ]


@pytest.mark.parametrize("seed", range(3))
def test_the_same_kernel_gives_the_same_text(seed: int) -> None:
    case = generate(seed, wild=True)
    first, second = (lower_kernel(case.air, case.kernel, case.constants) for _ in range(2))
    assert first.ir == second.ir
    assert first.sites == second.sites
