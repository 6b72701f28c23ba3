"""The Metal devices: which kinds there are, which one this process uses, and what `isometal devices` prints.

On Apple silicon a build holds Apple's GPU, or in a virtual machine the paravirtual device, which says itself that it is
one; elsewhere the software device, which runs the same kernels on the CPU and is never presented as a GPU.
"""

from __future__ import annotations

import json
import os
from typing import Any

from isometal import _core, kernels
from isometal.errors import BackendError, IsometalError

#: Names the device to use; without it, Apple's GPU where there is one, else the software device.
VARIABLE = "ISOMETAL_DEVICE"
KINDS = ("apple-gpu", "apple-paravirtual", "software")


def requested() -> str | None:
    """The kind that the environment names. Raises BackendError where it names none."""
    wanted = os.environ.get(VARIABLE)
    if wanted is not None and wanted not in KINDS:
        raise BackendError(f"[metal] {VARIABLE}={wanted!r} names no device; choose one of {', '.join(KINDS)}.")
    return wanted


def held_kinds() -> tuple[str, ...]:
    """The kinds of which this build may find one. Only the device tells whether a Mac is virtual."""
    return ("software",) if hasattr(_core, "SoftKernel") else ("apple-gpu", "apple-paravirtual")


def open_device() -> _core.Metal:
    """The device to use. Raises BackendError where this build or machine has none such."""
    wanted = requested()
    start = f"[metal] {f'{VARIABLE}={wanted}: ' if wanted else ''}"
    why_not = _obstacle(wanted or held_kinds()[0])
    if why_not is not None:
        raise BackendError(f"{start}{why_not}")
    device = _core.Metal(kernels.library)
    if wanted not in (None, device.info()["kind"]):
        other = _other(device.info())
        device.shut_down()
        raise BackendError(f"{start}{other}")
    return device


def _other(info: dict[str, Any]) -> str:
    return f"the Metal device of this machine is {info['name']}, of the kind {info['kind']}."


def _obstacle(kind: str) -> str | None:
    """Why this build has no device of that kind, or None where it may have one."""
    platform = _core.build_info()["platform"]
    if not hasattr(_core, "Metal"):
        return f"this build of isometal, for {platform}, has no Metal device; install a wheel for your platform."
    if kind not in held_kinds():
        others = "machines without an Apple GPU" if kind == "software" else "macOS on Apple silicon"
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
    available = [kind for kind in KINDS if devices[kind]["available"] and wanted in (None, kind)]
    return {
        "devices": devices,
        "chosen": next(iter(available), None),
        "reason": f"{VARIABLE}={wanted}" if wanted else "Apple's GPU where there is one, else the software device",
    }


def _describe(kind: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"available": False, "software": kind == "software", "reason": _obstacle(kind)}
    facts |= dict.fromkeys(("name", "family", "memory_bytes", "bfloat", "threads"))
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
    if info["kind"] != kind:
        return facts | {"reason": _other(info)}
    found = {key: info[key] for key in ("name", "family", "memory_bytes", "bfloat")}
    return facts | found | {"available": True, "threads": threads}


def as_json(facts: dict[str, Any]) -> str:
    return json.dumps(facts, indent=2) + "\n"


def as_text(facts: dict[str, Any]) -> str:
    """The same for people."""
    lines = []
    for kind, device in facts["devices"].items():
        start = f"{'*' if kind == facts['chosen'] else ' '} {kind:<17} "
        if not device["available"]:
            lines.append(f"{start}not available: {device['reason']}")
            continue
        lines.append(f"{start}{device['name']}")
        if device["software"]:
            lines.append(f"{'':20}software: kernels run on the CPU, on {device['threads']} threads")
        lines.append(f"{'':20}family {device['family']}, memory {device['memory_bytes'] / 2**30:.1f} GiB")
        if not device["bfloat"]:
            lines.append(f"{'':20}bfloat16 by way of float32: the device has no such type")
    lines.append(f"chosen: {facts['chosen'] or 'none'} ({facts['reason']})")
    return "\n".join(lines) + "\n"
