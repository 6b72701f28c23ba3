"""What the software Metal device is, in words: never to be taken for an Apple GPU."""

from __future__ import annotations

import functools
import importlib.util
import platform
from dataclasses import dataclass
from pathlib import Path

from isometal.soft.core import core

__all__ = ["Device", "device", "missing"]


@dataclass(frozen=True, repr=False)
class Device:
    """The software Metal device of this process.

    Attributes:
        name: says that it is software, and on what it runs.
        cpu: the processor.
        threads: OS threads that a dispatch uses unless told otherwise.
        compiler: llvmlite and the LLVM in it; says so where it is not installed.
    """

    name: str
    cpu: str
    threads: int
    compiler: str

    #: As evidence calls it.
    kind = "software"

    def __repr__(self) -> str:
        return f"<{self.name}, {self.threads} threads>"


def missing() -> str | None:
    """What keeps the device from compiling kernels here, with the remedy; None where nothing is missing."""
    absent = [package for package in ("llvmlite", "ziglang") if importlib.util.find_spec(package) is None]
    if not absent:
        return None
    return f"the software Metal device needs {' and '.join(absent)}; pip install 'isometal[soft]'."


def device() -> Device:
    """The device. Raises SoftDeviceError where ISOMETAL_SOFT_THREADS is no number of threads."""
    cpu = _cpu()
    return Device(f"isometal software Metal device (CPU {cpu})", cpu, core().soft_default_threads(), _compiler())


@functools.cache
def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _compiler() -> str:
    try:
        import llvmlite
        import llvmlite.binding
    except ImportError:
        return "llvmlite is not installed: pip install 'isometal[soft]'"
    version = ".".join(map(str, llvmlite.binding.llvm_version_info))
    return f"llvmlite {llvmlite.__version__}, LLVM {version}"
