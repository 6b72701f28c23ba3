"""The Metal backend on this machine's device, with kernel variants that a test may force."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from kernel_runs import recorder

pytest.importorskip("llvmlite", reason="the software device compiles kernels with llvmlite, which is not installed")

if TYPE_CHECKING:
    from isometal.backends.metal import MetalBackend


@pytest.fixture(scope="session")
def metal() -> MetalBackend:
    from isometal.backends.metal import MetalBackend

    return MetalBackend()


@pytest.fixture
def force(metal: MetalBackend) -> Iterator[Callable[[str, str], None]]:
    """``force(family, variant)``, undone when the test ends."""
    families = set()

    def force(family: str, variant: str) -> None:
        families.add(family)
        metal._metal.force(family, variant)

    yield force
    for family in families:
        metal._metal.force(family, "")


_recorder = recorder()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, pytest.TestReport]:
    report: pytest.TestReport = yield
    metal = getattr(item, "funcargs", {}).get("metal")
    if _recorder is not None and report.when == "call" and metal is not None:
        _recorder.test_ended(metal, report.nodeid, report.passed)
    return report


def pytest_sessionfinish() -> None:
    if _recorder is not None:
        _recorder.write()
