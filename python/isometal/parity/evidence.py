"""Evidence: what one run of the parity suite found, typed, and its JSON form.

The JSON form is described by evidence.schema.json, shipped beside this file and applied on every write and every
read. Evidence may come from another machine, so reading trusts nothing: size, depth, duplicate keys, NaN literals and
numbers beyond a float64 are checked before the schema sees the document, and whatever is wrong is an EvidenceError
with the path of the value.
"""

from __future__ import annotations

import functools
import importlib
import io
import json
import math
import os
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from isometal.errors import IsometalError
from isometal.files import write_atomic
from isometal.parity.model import Metrics

FORMAT = "isometal-evidence"
FORMAT_VERSION = 1

#: Bounds on a document that is read. A full run of every cell, kind and dtype is below 2 MiB and 7 levels deep.
MAX_BYTES = 16 * 2**20
MAX_DEPTH = 16
#: Bounds on what a cell keeps, the same as in the schema.
MAX_FAILURES = 64
MAX_REASONS = 32
MAX_TEXT = 4000
MAX_LINE = 1000
MAX_FACTS = 256


class EvidenceError(IsometalError, ValueError):
    """A document is not evidence. ``path`` names the value, ``code`` is "malformed" or "format-version"."""

    def __init__(self, path: str, reason: str, code: str = "malformed") -> None:
        self.path, self.reason, self.code = path, reason, code
        super().__init__(f"[evidence] {path}: {reason}")


@dataclass(frozen=True)
class Source:
    """The isometal that ran. ``commit`` and ``dirty`` are None outside a git checkout."""

    version: str
    commit: str | None = None
    dirty: bool | None = None


@dataclass(frozen=True)
class Selected:
    """What was asked for. ``only`` restricted the run to the checks whose id holds that text."""

    backends: tuple[str, ...]
    ops: tuple[str, ...]
    kinds: tuple[str, ...]
    dtypes: tuple[str, ...]
    only: str | None = None


@dataclass(frozen=True)
class BackendInfo:
    """A backend on the machine of the run: its device, or the reason why it could not run there."""

    available: bool
    reason: str | None = None
    device: Mapping[str, str] | None = None
    #: Ops that the backend does not have, each with the reason.
    unsupported: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Worst:
    """The check of a cell that came nearest to its bound, or went furthest beyond."""

    id: str
    metrics: Metrics


@dataclass(frozen=True)
class Failure:
    """A check that failed, by its id, and what it found."""

    id: str
    message: str


@dataclass(frozen=True)
class CellResult:
    """What came of the checks of one (op, backend, dtype, kind).

    ``cases`` counts the checks that ran and is ``passed + failed``; ``not_run`` comes on top, and ``reasons`` say why.
    ``failures`` holds the first MAX_FAILURES; ``facts`` holds measured facts by check name.
    """

    op: str
    backend: str
    dtype: str
    kind: str
    cases: int
    passed: int
    failed: int
    not_run: int
    seconds: float = 0.0
    reasons: tuple[str, ...] = ()
    worst: Worst | None = None
    failures: tuple[Failure, ...] = ()
    facts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.op, self.backend, self.dtype, self.kind


@dataclass(frozen=True)
class AttentionResult:
    """Counts of the attention-block golden for one backend and dtype, as in CellResult."""

    backend: str
    dtype: str
    cases: int
    passed: int
    failed: int
    not_run: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One run: with which sources, on which machine, and what it found.

    ``op_table`` is `optable.table_hash()`, ``kernels`` the SHA-256 of every kernel source by path, ``goldens`` that of
    the golden manifest; ``complete`` is False where the run was interrupted; ``created`` is UTC in ISO 8601.
    """

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    created: str
    complete: bool
    isometal: Source
    versions: Mapping[str, str | None]
    platform: str
    command: tuple[str, ...]
    seed: int
    profile: str
    selection: Selected
    op_table: str
    kernels: Mapping[str, str]
    goldens: str | None
    backends: Mapping[str, BackendInfo]
    cells: tuple[CellResult, ...]
    attention_block: tuple[AttentionResult, ...]


# -- to JSON ------------------------------------------------------------------------------------------------------


def to_json(evidence: Evidence) -> dict[str, Any]:
    """Plain JSON data; infinite and undefined numbers become "inf", "-inf" and "nan". Not validated."""
    plain = _plain(asdict(evidence))
    assert isinstance(plain, dict)
    return plain


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def dumps(evidence: Evidence) -> str:
    """Validated JSON text, one line per cell so that two runs can be compared with diff. Raises EvidenceError."""
    document = to_json(evidence)
    validate(document)
    parts = []
    for key, value in document.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines = ",\n    ".join(_encode(item) for item in value)
            parts.append(f"  {_encode(key)}: [\n    {lines}\n  ]")
        else:
            parts.append(f"  {_encode(key)}: {_encode(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _encode(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


def write(path: str | os.PathLike[str], evidence: Evidence) -> None:
    """Write the evidence whole or not at all. Raises EvidenceError, OSError."""
    write_atomic(path, dumps(evidence).encode())


# -- from JSON ----------------------------------------------------------------------------------------------------


def read(path: str | os.PathLike[str]) -> Evidence:
    """The evidence in a file. Raises EvidenceError for its content, OSError where it cannot be read."""
    return loads(read_bytes(path))


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a document, at most MAX_BYTES: a file, or the ``evidence.json`` in a bundle of `isometal qualify`.

    Raises EvidenceError where there are more or the bundle cannot be read, OSError.
    """
    with Path(path).open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if data.startswith(b"PK\x03\x04") and len(data) <= MAX_BYTES:
        data = _from_bundle(data)
    if len(data) > MAX_BYTES:
        raise EvidenceError("$", f"the document is larger than {MAX_BYTES} bytes.")
    return data


def _from_bundle(data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as bundle, bundle.open("evidence.json") as entry:
            return entry.read(MAX_BYTES + 1)
    except KeyError:
        raise EvidenceError("$", "the zip holds no evidence.json.") from None
    # What zipfile raises for damage, encryption, and compression that it does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise EvidenceError("$", f"not a bundle of `isometal qualify`: {error}.") from None


def loads(data: bytes | str) -> Evidence:
    """Evidence from JSON text, whatever that text holds. Raises EvidenceError, nothing else."""
    document = parse(data)
    validate(document)
    return _evidence(document)


def parse(data: bytes | str) -> object:
    """JSON with bounds, unique keys and finite numbers only. Raises EvidenceError."""
    if len(data) > MAX_BYTES:
        raise EvidenceError("$", f"the document is larger than {MAX_BYTES} bytes.")
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
    except UnicodeDecodeError as error:
        raise EvidenceError("$", f"not UTF-8: byte {error.start}.") from None
    _check_depth(text)
    try:
        document = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_reject_constant,
            parse_float=_finite,
            parse_int=_bounded_int,
        )
    except json.JSONDecodeError as error:
        raise EvidenceError("$", f"not JSON: {error.msg} at line {error.lineno}.") from None
    _check_text(document, "$")
    return document


# A string that is never closed runs to the end of the text; json.loads then says what is wrong with it.
_NESTING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{\]}]', re.DOTALL)


def _check_depth(text: str) -> None:
    depth = 0
    for token in _NESTING.finditer(text):
        bracket = token.group()
        if bracket in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise EvidenceError("$", f"nested deeper than {MAX_DEPTH} levels.")
        elif bracket in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise EvidenceError("$", f"the key {_short(twice)} appears twice in one object.")
    return found


def _reject_constant(literal: str) -> NoReturn:
    raise EvidenceError("$", f"the literal {literal} is not JSON.")


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise EvidenceError("$", f"the number {_short(literal)} is beyond a float64.")
    return value


def _bounded_int(literal: str) -> int:
    if len(literal) > 20:
        raise EvidenceError("$", f"the number {_short(literal)} is beyond 64 bits.")
    return int(literal)


def _check_text(value: object, path: str) -> None:
    """Lone surrogates are legal JSON, yet cannot be printed or written as UTF-8."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise EvidenceError(path, "a string holds a lone surrogate.") from None
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_text(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key, path)
            _check_text(item, f"{path}.{_short(key)}")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")


@functools.cache
def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the format."""
    loaded = json.loads(Path(__file__).with_name("evidence.schema.json").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@functools.cache
def _validator() -> Any:
    # Reached by name: jsonschema ships no types, and stub packages for it are not part of this project.
    jsonschema: Any = importlib.import_module("jsonschema")
    base = jsonschema.Draft202012Validator
    # In JSON Schema 1.0 is an integer; here a count is written as one.
    strict = base.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return jsonschema.validators.extend(base, type_checker=strict)(schema())


def validate(document: object) -> None:
    """Raise EvidenceError, with the path, unless ``document`` is JSON data of this format and version."""
    if isinstance(document, dict) and document.get("format") == FORMAT:
        version = document.get("format_version")
        if type(version) is int and version != FORMAT_VERSION:
            raise EvidenceError(
                "$.format_version",
                f"version {version} is not known; this isometal reads version {FORMAT_VERSION}.",
                "format-version",
            )
    for error in _validator().iter_errors(document):
        reason = str(error.message)
        raise EvidenceError(str(error.json_path)[:200], reason if len(reason) <= 300 else reason[:300] + "...")
    assert isinstance(document, dict)
    _check_unique(document["cells"], ("op", "backend", "dtype", "kind"), "$.cells")
    _check_unique(document["attention_block"], ("backend", "dtype"), "$.attention_block")


def _check_unique(rows: list[dict[str, Any]], names: tuple[str, ...], path: str) -> None:
    seen = set()
    for index, row in enumerate(rows):
        key = tuple(row[name] for name in names)
        if key in seen:
            raise EvidenceError(f"{path}[{index}]", f"a second entry for {' '.join(key)}.")
        seen.add(key)


_SPECIAL = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def _number(value: float | str) -> float:
    return _SPECIAL[value] if isinstance(value, str) else float(value)


def _metrics(raw: dict[str, Any]) -> Metrics:
    numbers = {name: _number(raw[name]) for name in ("max_abs", "max_rel", "max_ulp", "rms", "bound_ratio")}
    ratio, index = raw["error_ratio_to_mlx"], raw["worst_index"]
    return Metrics(
        size=raw["size"],
        **numbers,
        worst_index=None if index is None else tuple(index),
        pattern_mismatches=raw["pattern_mismatches"],
        error_ratio_to_mlx=None if ratio is None else _number(ratio),
        odd_one_out=raw["odd_one_out"],
    )


def _cell(raw: dict[str, Any]) -> CellResult:
    worst = raw["worst"]
    return CellResult(
        **{name: raw[name] for name in ("op", "backend", "dtype", "kind", "cases", "passed", "failed", "not_run")},
        seconds=float(raw["seconds"]),
        reasons=tuple(raw["reasons"]),
        worst=None if worst is None else Worst(worst["id"], _metrics(worst["metrics"])),
        failures=tuple(Failure(**failure) for failure in raw["failures"]),
        facts={name: {key: _number(v) for key, v in facts.items()} for name, facts in raw["facts"].items()},
    )


def _evidence(raw: Any) -> Evidence:
    plain = ("created", "complete", "versions", "platform", "seed", "profile", "op_table", "kernels", "goldens")
    chosen = raw["selection"]
    return Evidence(
        **{name: raw[name] for name in plain},
        isometal=Source(**raw["isometal"]),
        command=tuple(raw["command"]),
        selection=Selected(
            **{name: tuple(chosen[name]) for name in ("backends", "ops", "kinds", "dtypes")}, only=chosen["only"]
        ),
        backends={name: BackendInfo(**info) for name, info in raw["backends"].items()},
        cells=tuple(_cell(cell) for cell in raw["cells"]),
        attention_block=tuple(AttentionResult(**row) for row in raw["attention_block"]),
    )
