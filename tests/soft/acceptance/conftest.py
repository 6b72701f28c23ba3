"""The device that the acceptance tests run on, and the table that they leave behind.

ISOMETAL_ACCEPTANCE=deep   every group of cases; without it a sample of the large families, and all of the small ones
ISOMETAL_ACCEPTANCE_REPORT=PATH   writes the table of the session as Markdown, and as JSON beside it
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from apple.device import SoftDevice
from apple.judge import Verdict
from apple.report import write


@pytest.fixture(scope="session")
def device(mlx_metal_wheel: Path) -> SoftDevice:
    pytest.importorskip("llvmlite", reason="the software device compiles kernels with llvmlite, which is not installed")
    pytest.importorskip("mlx.core", reason="MLX is the yardstick, and it is not installed")
    return SoftDevice(mlx_metal_wheel / "mlx" / "lib" / "mlx.metallib")


_VERDICTS = pytest.StashKey[list[Verdict]]()


@pytest.fixture(scope="session")
def verdicts(pytestconfig: pytest.Config) -> list[Verdict]:
    return pytestconfig.stash.setdefault(_VERDICTS, [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = os.environ.get("ISOMETAL_ACCEPTANCE_REPORT")
    found = session.config.stash.get(_VERDICTS, [])
    if path and found:
        write(found, Path(path))
