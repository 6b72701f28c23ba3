"""The parts of the bundle that `isometal qualify` writes, and how they become one file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from isometal import devices, status
from isometal.optable import OPS
from isometal.parity import baseline, bench, timing
from isometal.parity.cases import bench_cases
from isometal.parity.gate import GATED, Decision

#: Written by parity: JSON, Markdown and picture.
FROM_PARITY = ("evidence.json", "matrix.md", "matrix.svg")
_ABOUT = {
    "evidence.json": "what ran, where, with which kernels, and what came of it; `isometal gate --evidence` reads it",
    "matrix.md": "the parity matrix, and errors in units of MLX's",
    "matrix.svg": "the same as a picture",
    "bench.json": "time of every op in units of plain MLX's and NumPy's in the same run; raw times",
    "bench.txt": "the same as a table",
    "status.json": "`isometal status --json`: versions, hashes of what is installed; without paths",
    "devices.json": "`isometal devices --json`",
    "decision.json": "what the gate made of it",
}


def anonymous(data: bytes) -> bytes:
    """The same without the user's home directory, which names the user."""
    home = json.dumps(str(Path.home()))[1:-1]
    return data if len(home) < 2 else data.replace(home.encode(), b"~")


def bench_parts(groups: Sequence[tuple[str, str, str]], *, quiet: bool) -> dict[str, bytes]:
    """Every group on the metal backend against plain MLX, plain NumPy and a ceiling, in turns."""
    ceilings = timing.machine_ceilings()
    rows: list[bench.Row] = []
    wrong: dict[str, str] = {}
    last = None
    for op, dtype, size in groups:
        if op != last and not quiet:
            print(f"bench against MLX: {OPS[op].label}", flush=True)
        last = op
        name = f"{op}-{dtype}-{size}"
        try:
            measured = bench.measure(bench_cases(op, dtype)[size], size, (GATED,), bench.GROUP_BUDGET)
            metrics = bench.verify(measured)[GATED]
        except Exception as error:  # one op that fails must not cost the others their figures
            wrong[name] = f"{type(error).__name__}: {error}"
            continue
        # The speed of a wrong answer is no figure.
        if metrics.passed:
            rows += measured.rows
        else:
            wrong[name] = f"{metrics.bound_ratio:.3g} times the bound at {metrics.worst_index}"
    lines = [*baseline.table(rows), *(f"wrong: {name}: {why}" for name, why in wrong.items())]
    report = baseline.report(rows, ceilings=ceilings, wrong=wrong)
    return {"bench.json": anonymous(report), "bench.txt": anonymous(("\n".join(lines) + "\n").encode())}


def machine_parts() -> dict[str, bytes]:
    """`isometal status` and `isometal devices` as JSON, without the paths in the former."""
    facts = status.collect()
    del facts["package"], facts["qualification"]
    return {
        "status.json": anonymous((json.dumps(facts, indent=2, default=str) + "\n").encode()),
        "devices.json": anonymous(devices.as_json(devices.collect()).encode()),
    }


def readme(device: Mapping[str, str], decision: Decision, rehearsal: bool, parts: Mapping[str, bytes]) -> bytes:
    """What the bundle is, for whoever opens it."""
    what = "REHEARSAL, which qualifies nothing. Metal ran on" if rehearsal else "Evidence of `isometal qualify` on"
    verdict = "qualified" if decision.qualified else f"not qualified: {', '.join(_codes(decision))}"
    lines = [
        f"{what} {device.get('name')} (kind {device.get('kind')}), {device.get('os')}.",
        f"The gate's decision: {verdict}.",
        "",
        *(f"{name:<14} {_ABOUT[name]}" for name in parts),
        "",
        "About the machine it says GPU, processor, memory, operating system and versions of Python and packages.",
        "User name, host name and paths are left out.",
    ]
    return ("\n".join(lines) + "\n").encode()


def _codes(decision: Decision) -> list[str]:
    return list(dict.fromkeys(reason.code for reason in decision.reasons))


def pack(parts: Mapping[str, bytes]) -> bytes:
    """One zip; the same parts give the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
