"""What the host is, for device descriptions in evidence."""

from __future__ import annotations

import functools
import platform
import subprocess
import sys
from pathlib import Path

from isometal.backends.base import host_os


def _cpu_name() -> str:
    """The processor's marketing name, or the machine's architecture where nothing tells it."""
    try:
        if sys.platform == "darwin":
            command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
        if sys.platform == "linux":
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except (OSError, subprocess.SubprocessError):
        pass
    return platform.processor() or platform.machine()


@functools.cache
def host_cpu() -> dict[str, str]:
    """``kind``, ``name``, ``family`` (the instruction set) and ``os`` of the processor that runs Python."""
    return {"kind": "host-cpu", "name": _cpu_name(), "family": platform.machine(), "os": host_os()}
