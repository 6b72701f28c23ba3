"""The native part of the software device, where the build has it."""

from __future__ import annotations

from typing import Any

from isometal.soft.errors import SoftDeviceError

__all__ = ["core"]


def core() -> Any:
    """The module isometal._core. Raises SoftDeviceError where it was built without the software device."""
    from isometal import _core

    if not hasattr(_core, "SoftKernel"):
        raise SoftDeviceError(
            "[soft] this build has no software Metal device, which is for machines without an Apple GPU; "
            "reading libraries and their reflection works."
        )
    return _core
