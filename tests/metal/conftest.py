"""The Metal backend on this machine's device, with kernel variants that a test may force."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

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
