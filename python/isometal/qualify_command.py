"""The command `isometal qualify`: parity on this machine's GPU, the bench, the gate, and one bundle to share."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from isometal import bundle, gate_command, provenance, selection
from isometal.errors import BackendError, IsometalError
from isometal.files import write_atomic
from isometal.gate_command import QUALIFIED, REFUSED
from isometal.optable import OPS
from isometal.parity import command as parity
from isometal.parity import gate
from isometal.parity.cases.bench import GROUPS
from isometal.parity.gate import Decision, Reason
from isometal.parity.model import DEFAULT_SEED

Device = Mapping[str, str] | str


@dataclass(frozen=True)
class Options:
    """The command line."""

    output: Path | None = None
    accept: bool = False
    rehearse: bool = False
    as_json: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Scope:
    """What runs. Anything less than the whole is for tests: the gate refuses its evidence."""

    ops: tuple[str, ...] = ()
    groups: tuple[tuple[str, str, str], ...] = tuple(GROUPS)


@dataclass(frozen=True)
class _Result:
    decision: Decision
    rehearsal: bool
    evidence: str | None = None
    recorded: Path | None = None
    written: Path | None = None
    contents: tuple[str, ...] = ()


def run(options: Options, scope: Scope | None = None) -> int:
    """Carry out the command, print what came of it, return the exit code. Raises IsometalError, OSError."""
    if options.accept and options.rehearse:
        raise IsometalError("[qualify] a rehearsal never qualifies; leave out --accept or --rehearse.")
    # Data go to stdout, and then what is meant for people goes to stderr.
    with redirect_stdout(sys.stderr if options.as_json else sys.stdout):
        result = _qualify(options, scope or Scope())
        if isinstance(result, int):
            return result
        print("\n".join(_lines(result, options)))
    if options.as_json:
        print(json.dumps(_answer(result), indent=2))
    return QUALIFIED if result.decision.qualified else REFUSED


def _qualify(options: Options, scope: Scope) -> _Result | int:
    """What came of it, or the exit code where the run did not end."""
    device = gate_command.metal_device()
    obstacles = _obstacles(device)
    if options.rehearse:
        if not obstacles:
            raise IsometalError(
                "[qualify] this machine can qualify, there is nothing to rehearse; leave out --rehearse."
            )
        if isinstance(device, str):
            raise BackendError(f"[qualify] no Metal device to rehearse on: {device}")
    elif obstacles:
        return _Result(Decision(obstacles), rehearsal=False)
    assert not isinstance(device, str)
    target = _target(options, device)
    with tempfile.TemporaryDirectory(prefix="isometal-qualify-") as folder:
        code = parity.run(_parity_options(Path(folder), options, scope), _words(options))
        if code == parity.INTERRUPTED:
            print("No bundle is written.")
            return code
        parts = {name: bundle.anonymous((Path(folder) / name).read_bytes()) for name in bundle.FROM_PARITY}
    evidence = parts["evidence.json"]
    digest = hashlib.sha256(evidence).hexdigest()
    decision, found = gate.decide_document(OPS, evidence, provenance.installed())
    if options.rehearse:
        decision = Decision((Reason("rehearsal", "this was a rehearsal; it never qualifies."), *decision.reasons))
    parts |= bundle.bench_parts(scope.groups, quiet=options.quiet)
    parts |= bundle.machine_parts()
    parts["decision.json"] = _json({**_verdict(decision, options.rehearse), "evidence": digest})
    parts = {"README.txt": bundle.readme(device, decision, options.rehearse, parts), **parts}
    write_atomic(target, bundle.pack(parts))
    recorded = None
    if options.accept and decision.qualified and found is not None:
        decision, recorded = gate_command.accepted(found, digest)
    return _Result(decision, options.rehearse, digest, recorded, target, tuple(parts))


def _obstacles(device: Device) -> tuple[Reason, ...]:
    """Why a run on this machine could not qualify, whatever it proved."""
    reasons = []
    if isinstance(device, str):
        reasons.append(Reason("metal-unavailable", f"Metal cannot run here: {device}"))
    elif device.get("kind") != gate.QUALIFYING_DEVICE:
        reasons.append(Reason("device-kind", _unfit(device)))
    missing = selection.unavailable("mlx")
    if missing is not None:
        reasons.append(Reason("reference-unavailable", f"MLX, which Metal is held against, cannot run here: {missing}"))
    here = provenance.installed()
    if not here.kernels:
        reasons.append(Reason("no-kernels", "no Metal kernels are installed."))
    if here.goldens is None:
        reasons.append(Reason("goldens", "no goldens are installed."))
    return tuple(reasons)


def _unfit(device: Mapping[str, str]) -> str:
    kind, name = device.get("kind", "unknown"), device.get("name", "an unnamed device")
    what = {
        "software": "a software device, which runs the kernels on the CPU",
        "apple-paravirtual": "the paravirtual GPU of a virtual machine (hosted CI runners have it), not the GPU itself",
    }.get(kind, f"of the kind {kind}")
    return f"the Metal device of this machine, {name}, is {what}; only {gate.QUALIFYING_DEVICE} qualifies."


def _target(options: Options, device: Mapping[str, str]) -> Path:
    """Where the bundle goes. Raises IsometalError now for what could not be written after minutes of work."""
    now = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    slug = re.sub(r"[^a-z0-9]+", "-", device.get("name", "").lower()).strip("-")[:40] or "device"
    start = "isometal-rehearsal" if options.rehearse else "isometal-evidence"
    target = options.output or Path(f"{start}-{slug}-{now}.zip")
    folder = Path(os.path.realpath(target)).parent
    if target.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise IsometalError(f"[qualify] {target} cannot be written; --output takes a file in a directory of yours.")
    return target


def _parity_options(folder: Path, options: Options, scope: Scope) -> parity.Options:
    paths = [str(folder / name) for name in bundle.FROM_PARITY]
    return parity.Options(
        ops=scope.ops, seed=DEFAULT_SEED, json=paths[0], markdown=paths[1], svg=paths[2], quiet=options.quiet
    )


def _words(options: Options) -> list[str]:
    # Without --output, whose path is the user's own business.
    return ["isometal", "qualify", *(["--rehearse"] if options.rehearse else [])]


# -- the answer -------------------------------------------------------------------------------------------------------


def _verdict(decision: Decision, rehearsal: bool) -> dict[str, object]:
    reasons = [{"code": reason.code, "text": reason.text} for reason in decision.reasons]
    return {"qualified": decision.qualified, "rehearsal": rehearsal, "reasons": reasons}


def _answer(result: _Result) -> dict[str, object]:
    return _verdict(result.decision, result.rehearsal) | {
        "evidence": result.evidence,
        "recorded": None if result.recorded is None else str(result.recorded),
        "bundle": None if result.written is None else str(result.written),
        "contents": list(result.contents),
    }


def _json(answer: object) -> bytes:
    return (json.dumps(answer, indent=2) + "\n").encode()


def _lines(result: _Result, options: Options) -> list[str]:
    reasons = gate_command.lines_of(result.decision.reasons, "decision.json lists all")
    if result.written is None:
        return [
            "Metal cannot be qualified on this machine; nothing was run:",
            *reasons,
            "Run `isometal qualify` on a Mac with Apple silicon, outside of a virtual machine, with isometal[mlx].",
            "`isometal qualify --rehearse` shows the steps on this machine; `isometal parity` proves the ops here.",
        ]
    wrote = [f"Wrote {result.written}: {', '.join(result.contents)}."]
    if result.rehearsal:
        return ["Rehearsal: this run qualifies nothing, and would not because", *reasons[1:], *wrote]
    bundle_name = shlex.quote(str(result.written))
    share = "Share it: attach the bundle to an issue of the project; releases are decided from such evidence."
    if not result.decision.qualified:
        return ["Metal is not qualified as the default backend by this run:", *reasons, *wrote, share]
    local = (
        [f"Recorded: Metal is the default on this machine now; `isometal gate --forget` undoes it. {result.recorded}"]
        if result.recorded is not None
        else [
            "To make Metal the default on this machine:",
            f"  unzip -o {bundle_name} evidence.json && isometal gate --evidence evidence.json --accept",
        ]
    )
    return ["Metal is qualified as the default backend by this run.", *wrote, *local, share]
