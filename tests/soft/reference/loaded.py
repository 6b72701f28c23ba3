"""Kernels written or generated here, ready for the device."""

from __future__ import annotations

from isometal import _core
from isometal.soft.lower import Lowered
from isometal.soft.native import NativeKernel
from isometal.soft.reflection import KernelReflection, Site

__all__ = ["soft_kernel"]


def soft_kernel(code: NativeKernel, lowered: Lowered, name: str) -> _core.SoftKernel:
    """The kernel. It declares no arguments, so that a dispatch may bind what it likes."""
    sites = tuple(Site(site.kind, site.text) for site in lowered.sites)
    return _core.SoftKernel(code.address, KernelReflection(name, (), sites=sites), code)
