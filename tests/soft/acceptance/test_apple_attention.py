"""sdpa_vector and sdpa_vector_2pass, as Apple compiled them: no further from float64 than MLX on the CPU.

The same bits in natural order, shuffled by seeds and on two OS threads; nothing written outside of the buffers.
"""

from __future__ import annotations

import pytest
from apple.case import Group
from apple.cases import attention
from apple.device import SoftDevice
from apple.judge import Verdict
from apple.run import run_group
from apple.sample import selected

GROUPS = [*selected(attention.groups(), 4)]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.id)
def test_errors(group: Group, device: SoftDevice, verdicts: list[Verdict]) -> None:
    verdict = run_group(device, group)
    verdicts.append(verdict)
    assert verdict.faults == []
