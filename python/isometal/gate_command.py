"""The command `isometal gate`: decide, record, forget."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from isometal import provenance, qualification, selection
from isometal.errors import BackendError, IsometalError
from isometal.optable import OPS
from isometal.parity import evidence as documents
from isometal.parity import gate
from isometal.parity.evidence import Evidence
from isometal.parity.gate import Decision, Reason
from isometal.parity.matrix import one_line

QUALIFIED, REFUSED = 0, 3
#: Reasons of one code that are shown; JSON holds them all.
_SHOWN = 8
_RECIPE = (
    "To qualify, on a Mac with Apple silicon: isometal qualify --accept. In two steps:\n"
    "  isometal parity --json evidence.json\n"
    "  isometal gate --evidence evidence.json --accept\n"
)


def run(evidence: Path | None, *, accept: bool, forget: bool, as_json: bool) -> int:
    """Carry out the command, print what came of it, return the exit code. Raises IsometalError, OSError."""
    if forget:
        if evidence is not None or accept:
            raise IsometalError("[gate] --forget goes alone; leave out --evidence and --accept.")
        return _forget(as_json)
    if evidence is None:
        if accept:
            raise IsometalError("[gate] --accept needs evidence to decide from; add --evidence FILE.")
        return _recorded(as_json)
    return _decide(evidence, accept=accept, as_json=as_json)


def _forget(as_json: bool) -> int:
    removed = qualification.forget()
    selection.forget_machine_default()
    text = "Removed the recorded qualification.\n" if removed else "No qualification was recorded.\n"
    print(_json({"forgotten": removed}) if as_json else text, end="")
    return QUALIFIED


def _recorded(as_json: bool) -> int:
    found, why = qualification.inspect()
    if as_json:
        reasons = [] if found else [{"code": "not-recorded", "text": why}]
        print(
            _json({"qualified": found is not None, "reasons": reasons, "recorded": str(qualification.path())}), end=""
        )
    else:
        print(f"Recorded qualification: {one_line(why)}.\n  {qualification.path()}")
        print("" if found else _RECIPE, end="")
    return QUALIFIED if found else REFUSED


def _decide(path: Path, *, accept: bool, as_json: bool) -> int:
    data = b""
    try:
        data = documents.read_bytes(path)
        decision, found = gate.decide_document(OPS, data, provenance.installed())
    except documents.EvidenceError as error:
        decision, found = Decision((Reason(error.code, f"{error.path}: {error.reason}"),)), None
    digest = hashlib.sha256(data).hexdigest()
    recorded = None
    if accept and decision.qualified and found is not None:
        decision, recorded = accepted(found, digest)
    if as_json:
        reasons = [{"code": reason.code, "text": reason.text} for reason in decision.reasons]
        recorded_at = None if recorded is None else str(recorded)
        answer = {"qualified": decision.qualified, "reasons": reasons, "evidence": digest, "recorded": recorded_at}
        print(_json(answer), end="")
    else:
        _print(decision, path, recorded)
    return QUALIFIED if decision.qualified else REFUSED


def accepted(found: Evidence, digest: str) -> tuple[Decision, Path | None]:
    """Record evidence that qualifies, whose SHA-256 is ``digest``, for this machine, if it is one like that of the run.

    Raises IsometalError and OSError where that cannot be written.
    """
    decision = gate.decide_device(found, metal_device())
    if not decision.qualified:
        return decision, None
    return decision, _record(digest, found.backends[gate.GATED].device or {})


def metal_device() -> Mapping[str, str] | str:
    """The Metal device of this machine, or why there is none."""
    try:
        return selection.get(gate.GATED).device()
    except BackendError as error:
        return str(error)


def _record(digest: str, device: Mapping[str, str]) -> Path:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    try:
        recorded = qualification.record(digest, device, now)
    except ValueError as error:
        raise IsometalError(f"[gate] the qualification cannot be recorded: {error}.") from None
    selection.forget_machine_default()
    return recorded


def _print(decision: Decision, path: Path, recorded: Path | None) -> None:
    if decision.qualified:
        print(f"Metal is qualified as the default backend by {path}.")
        if recorded is not None:
            print(f"Recorded for this machine: {recorded}")
        else:
            print("Add --accept to make it the default on this machine.")
        return
    print(f"Metal is not qualified as the default backend by {path}:")
    print("\n".join(lines_of(decision.reasons, "--json lists all")))


def lines_of(reasons: Sequence[Reason], where: str) -> list[str]:
    """The reasons for people, a few of each code; ``where`` says what holds the others."""
    shown: Counter[str] = Counter()
    lines = []
    for reason in reasons:
        shown[reason.code] += 1
        if shown[reason.code] <= _SHOWN:
            lines.append(f"  {reason.code}: {one_line(reason.text)}")
    lines += [f"  {code}: and {count - _SHOWN} more ({where})" for code, count in shown.items() if count > _SHOWN]
    return lines


def _json(answer: object) -> str:
    return json.dumps(answer, indent=2) + "\n"
