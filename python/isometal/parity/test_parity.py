"""Every check of the parity engine as a test; ids read ``test_parity[matmul-float16-mlx-R-...]``."""

from __future__ import annotations

import pytest

from isometal.parity import engine
from isometal.parity.model import Check


def test_parity(parity_check: Check) -> None:
    outcome = engine.execute(parity_check)
    if outcome.status == "not-run":
        pytest.skip(outcome.message)
    assert outcome.status == "passed", outcome.message
