"""What `isometal status` and `isometal ops` print."""

from __future__ import annotations

import importlib
import json
import platform
from pathlib import Path
from typing import Any

from isometal import optable, provenance, qualification, selection
from isometal._version import __version__
from isometal.errors import BackendError
from isometal.optable import BACKENDS, KINDS, OPS


def collect() -> dict[str, Any]:
    """What `isometal status` says, as JSON data. Raises ValueError where the environment names no backend."""
    default = selection.default()
    found, why = qualification.inspect()
    return {
        "version": __version__,
        "package": str(Path(__file__).resolve().parent),
        "default": {"backend": default.name, "reason": default.reason},
        "backends": {name: _backend(name) for name in BACKENDS},
        "versions": _versions(),
        "platform": platform.platform(),
        "op_table": optable.table_hash(),
        "kernels": provenance.kernel_hashes(),
        "goldens": provenance.goldens_hash(),
        "qualification": {"path": str(qualification.path()), "holds": found is not None, "found": why},
        "native": _native(),
    }


def _backend(name: str) -> dict[str, Any]:
    try:
        return {"available": True, "reason": None, "device": dict(selection.get(name).device())}
    except BackendError as error:
        return {"available": False, "reason": str(error), "device": None}


def _versions() -> dict[str, str | None]:
    from isometal.parity.builder import versions

    return versions()


def _native() -> dict[str, Any] | None:
    try:
        core = importlib.import_module("isometal._core")
    except ImportError:
        return None
    return dict(core.build_info())


def as_json() -> str:
    return json.dumps(collect(), indent=2, default=str) + "\n"


def as_text() -> str:
    """The same for people, one fact a line."""
    facts = collect()
    versions = ", ".join(f"{name} {version or '(not installed)'}" for name, version in facts["versions"].items())
    kernels, goldens, native = facts["kernels"], facts["goldens"], facts["native"]
    record = facts["qualification"]
    lines = [
        f"isometal {facts['version']}  ({facts['package']})",
        f"default backend  {facts['default']['backend']}: {facts['default']['reason']}",
        *(f"{name:<16} {_device(backend)}" for name, backend in facts["backends"].items()),
        f"qualification    {record['found']}",
        f"                 {record['path']}",
        f"kernels          {f'{len(kernels)} sources' if kernels else 'none installed'}",
        f"goldens          {f'manifest {goldens[:12]}' if goldens else 'none installed'}",
        f"native module    {_pairs(native) if native else 'not built'}",
        f"versions         {versions}",
        f"platform         {facts['platform']}",
    ]
    return "\n".join(lines) + "\n"


def _device(backend: dict[str, Any]) -> str:
    if not backend["available"]:
        return f"not available: {' '.join(backend['reason'].split())}"
    device = backend["device"]
    return f"{device.get('kind', '?')}: {device.get('name', '?')}, {device.get('family', '?')}, {device.get('os', '?')}"


def _pairs(facts: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in facts.items() if value not in (None, ""))


# -- ops ----------------------------------------------------------------------------------------------------------


def ops_json() -> str:
    return json.dumps([optable.asdict_row(op) for op in OPS.values()], indent=2) + "\n"


def ops_markdown() -> str:
    lines = [
        "| Op Category | Operation | Function | Required Tests | Default Gate |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {op.category} | {op.label} | `{op.name}{op.signature}` | {op.required_tests} | {op.gate} |"
        for op in OPS.values()
    ]
    return "\n".join(lines) + "\n"


def ops_text() -> str:
    category = max(len(op.category) for op in OPS.values())
    owes = max(len(op.required_tests) for op in OPS.values())
    lines = []
    previous = None
    for op in OPS.values():
        group = op.category if op.category != previous else ""
        gate = "required" if op.required else "optional"
        lines.append(f"{group:<{category}}  {gate}  {op.required_tests:<{owes}}  {op.name}{op.signature}")
        previous = op.category
    legend = [f"{kind}  {text}" for kind, text in KINDS.items()]
    return "\n".join([*lines, "", *legend]) + "\n"
