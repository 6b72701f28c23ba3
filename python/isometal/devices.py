"""The Metal devices: which kinds there are, which one this process uses, and what `isometal devices` prints.

A build holds one kind. On Apple silicon that is Apple's GPU, elsewhere the software device, which runs the same kernels
on the CPU and is never presented as a GPU.
"""

from __future__ import annotations

import json
import os
from typing import Any

from isometal import _core, kernels
from isometal.errors import BackendError, IsometalError

#: Names the device to use; without it, Apple's GPU where there is one, else the software device.
VARIABLE = "ISOMETAL_DEVICE"
KINDS = ("apple-gpu", "software")


def requested() -> str | None:
    """The kind that the environment names. Raises BackendError where it names none."""
    wanted = os.environ.get(VARIABLE)
    if wanted is not None and wanted not in KINDS:
        raise BackendError(f"[metal] {VARIABLE}={wanted!r} names no device; choose one of {', '.join(KINDS)}.")
    return wanted


def default_kind() -> str:
    """The kind that this build holds."""
    return "software" if hasattr(_core, "SoftKernel") else "apple-gpu"


def open_device() -> _core.Metal:
    """The device to use. Raises BackendError where this build or machine has none such."""
    wanted = requested()
    kind = wanted or default_kind()
    why_not = _obstacle(kind)
    if why_not is not None:
        raise BackendError(f"[metal] {f'{VARIABLE}={wanted}: ' if wanted else ''}{why_not}")
    return _core.Metal(kernels.library)


def _obstacle(kind: str) -> str | None:
    """Why this build has no device of that kind, or None where it may have one."""
    platform = _core.build_info()["platform"]
    if not hasattr(_core, "Metal"):
        return f"this build of isometal, for {platform}, has no Metal device; install a wheel for your platform."
    if kind != default_kind():
        others = "macOS on Apple silicon" if kind == "apple-gpu" else "machines without an Apple GPU"
        return f"this build of isometal is for {platform}; the device {kind} is in those for {others}."
    if kind == "software":
        # The import is what lets the device compile kernels.
        import isometal.soft

        return isometal.soft.missing()
    return None


# -- `isometal devices` -----------------------------------------------------------------------------------------------


def collect() -> dict[str, Any]:
    """What the command says, as JSON data. Raises BackendError where the environment names no device."""
    wanted = requested()
    devices = {kind: _describe(kind) for kind in KINDS}
    kind = wanted or default_kind()
    return {
        "devices": devices,
        "chosen": kind if devices[kind]["available"] else None,
        "reason": f"{VARIABLE}={wanted}" if wanted else "Apple's GPU where there is one, else the software device",
    }


def _describe(kind: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"available": False, "software": kind == "software", "reason": _obstacle(kind)}
    facts |= dict.fromkeys(("name", "family", "memory_bytes", "threads"))
    if facts["reason"] is not None:
        return facts
    try:
        # A GPU schedules its own threads.
        threads = _core.soft_default_threads() if kind == "software" else None
        device = _core.Metal(kernels.library)
    except IsometalError as error:
        return facts | {"reason": str(error).partition("] ")[2]}
    info = device.info()
    device.shut_down()
    found = {key: info[key] for key in ("name", "family", "memory_bytes")}
    return facts | found | {"available": True, "threads": threads}


def as_json(facts: dict[str, Any]) -> str:
    return json.dumps(facts, indent=2) + "\n"


def as_text(facts: dict[str, Any]) -> str:
    """The same for people."""
    lines = []
    for kind, device in facts["devices"].items():
        start = f"{'*' if kind == facts['chosen'] else ' '} {kind:<10} "
        if not device["available"]:
            lines.append(f"{start}not available: {device['reason']}")
            continue
        lines.append(f"{start}{device['name']}")
        if device["software"]:
            lines.append(f"{'':13}software: kernels run on the CPU, on {device['threads']} threads")
        lines.append(f"{'':13}family {device['family']}, memory {device['memory_bytes'] / 2**30:.1f} GiB")
    lines.append(f"chosen: {facts['chosen'] or 'none'} ({facts['reason']})")
    return "\n".join(lines) + "\n"
