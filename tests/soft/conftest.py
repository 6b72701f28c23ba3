"""Fixtures of the software device's tests."""

from __future__ import annotations

import os
from pathlib import Path

import mlx_wheel
import pytest

#: Set by those who work without a network: what needs Apple's files is then skipped, with that reason.
OFFLINE = "ISOMETAL_OFFLINE"


@pytest.fixture(scope="session")
def mlx_metal_wheel() -> Path:
    """The folder of the unpacked wheel mlx-metal: Apple's metallib and headers.

    A registry out of reach is a failure, since a run without these tests proves little; whoever means to run without
    says so with ISOMETAL_OFFLINE=1.
    """
    try:
        return mlx_wheel.folder()
    except mlx_wheel.Unavailable as error:
        if os.environ.get(OFFLINE):
            pytest.skip(f"{OFFLINE} is set, and mlx-metal {mlx_wheel.VERSION} is not in the cache")
        pytest.fail(f"{error}\nSet {OFFLINE}=1 to skip what needs it.", pytrace=False)
