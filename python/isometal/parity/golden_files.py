"""Golden files: where they are, what proves that they are whole, how they are read.

A folder of goldens holds ``manifest.json`` and one safetensors file per op, plus the attention block's. The manifest
gives the SHA-256 and size of each file, how many cases it holds per dtype, and where the values came from. A file is
self-contained: the metadata entry ``isometal`` is JSON that lists its cases, and names the tensors of each case's
inputs, parameters and outputs.

Nothing here trusts a file: sizes and hashes are checked before a byte is parsed, of the very bytes that are parsed
next, and every problem is a GoldenError that names the file. There is no quiet way out.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from isometal.errors import IsometalError
from isometal.optable import FLOATING, OPS
from isometal.parity.model import NDArray

FORMAT = 1
MANIFEST = "manifest.json"
SUFFIX = ".safetensors"
#: Name of the metadata entry that lists the cases. One entry only: safetensors does not keep the order of several.
METADATA = "isometal"
#: The op name under which the attention block's goldens are kept; it is not a row of the op table.
BLOCK = "attention_block"

#: What a manifest says of its origin, and the type of each.
PROVENANCE: Mapping[str, type] = {
    "mlx": dict,
    "device": dict,
    "platform": dict,
    "numpy": str,
    "ml_dtypes": str,
    "safetensors": str,
    "seed": int,
    "command": str,
}
#: A manifest is a few kilobytes, a golden file below a megabyte; more is not ours.
_MOST_BYTES = 64 << 20

_DTYPES: Mapping[str, np.dtype[Any]] = {
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I32": np.dtype(np.int32),
    "I64": np.dtype(np.int64),
    "U32": np.dtype(np.uint32),
    "BOOL": np.dtype(np.bool_),
}


class GoldenError(IsometalError, RuntimeError):
    """A golden file or the manifest is missing, changed or malformed. The message names the file."""


@dataclass(frozen=True)
class GoldenCase:
    """One recorded call: operands, parameters and what MLX answered, as read-only NumPy arrays.

    ``dtype`` is the cell that the case counts for. ``outputs`` has one entry, ``result``, for an op; the attention
    block has one per step and stage.
    """

    op: str
    dtype: str
    name: str
    inputs: tuple[Any, ...] = field(repr=False)
    params: Mapping[str, Any] = field(repr=False)
    outputs: Mapping[str, NDArray] = field(repr=False)

    @property
    def result(self) -> NDArray:
        return self.outputs["result"]


@dataclass(frozen=True)
class FileEntry:
    """What the manifest says of one file."""

    op: str
    sha256: str
    size: int
    cases: Mapping[str, int]


@dataclass(frozen=True)
class Manifest:
    path: Path
    provenance: Mapping[str, Any]
    files: Mapping[str, FileEntry]


def directory() -> Path:
    """The folder of the goldens: inside the installed package, or the top-level ``goldens/`` of a source checkout."""
    package = Path(__file__).resolve().parents[1]
    candidates = (package / "goldens", package.parents[1] / "goldens")
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise GoldenError(
        f"[golden] no goldens are installed: neither {candidates[0]} nor {candidates[1]} is a folder; "
        "reinstall isometal."
    )


def file_name(op: str) -> str:
    return op + SUFFIX


def names() -> tuple[str, ...]:
    """The ops that goldens exist for: every row of the op table, then the attention block."""
    return (*OPS, BLOCK)


# -- manifest ---------------------------------------------------------------------------------------------------------


def read_manifest(folder: Path) -> Manifest:
    """The manifest of ``folder``, its structure checked; GoldenError where it is missing or malformed."""
    path = folder / MANIFEST
    content = _json(path, _read(path, _MOST_BYTES))
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise GoldenError(f"[golden] {path}: the format is {found!r}; this version of isometal reads {FORMAT}.")
    for key, kind in PROVENANCE.items():
        if not isinstance(content.get(key), kind) or not content[key]:
            raise GoldenError(
                f"[golden] {path}: provenance field {key!r} is {content.get(key)!r}; it must be a {kind.__name__}."
            )
    if not isinstance(content["mlx"].get("version"), str):
        raise GoldenError(f"[golden] {path}: mlx.version is missing; goldens must name the MLX that made them.")
    files = content.get("files")
    if not isinstance(files, dict) or not files:
        raise GoldenError(f"[golden] {path}: it lists no files; 'files' must map file names to hashes.")
    return Manifest(
        path,
        {key: content[key] for key in PROVENANCE},
        {name: _entry(path, name, entry) for name, entry in files.items()},
    )


def _entry(path: Path, name: str, entry: Any) -> FileEntry:
    """One entry of ``files``. A name that is not <op>.safetensors is refused, and so cannot lead out of the folder."""
    op = name[: -len(SUFFIX)] if name.endswith(SUFFIX) else ""
    if op not in names():
        raise GoldenError(f"[golden] {path}: {name!r} is not the name of a golden file; names are <op>{SUFFIX}.")
    cases = entry.get("cases") if isinstance(entry, dict) else None
    if (
        not isinstance(cases, dict)
        or not all(type(count) is int and count > 0 for count in cases.values())
        or type(entry.get("size")) is not int
        or not isinstance(entry.get("sha256"), str)
        or not re.fullmatch("[0-9a-f]{64}", entry["sha256"])
    ):
        raise GoldenError(
            f"[golden] {path}: the entry of {name} is {str(entry)[:200]}; it needs sha256 (64 hex digits), "
            "size (bytes) and cases (dtype to count)."
        )
    return FileEntry(op, entry["sha256"], entry["size"], cases)


# -- files ------------------------------------------------------------------------------------------------------------


def load(op: str, folder: Path | None = None) -> list[GoldenCase]:
    """The cases recorded for ``op``, a row of the op table or ``attention_block``.

    Raises GoldenError where the manifest or the file is missing, malformed, or not the file that the manifest means.
    """
    if op not in names():
        raise GoldenError(f"[golden] no golden file is named {op!r}; valid names: {', '.join(names())}.")
    manifest = read_manifest(directory() if folder is None else folder)
    return _load(manifest, file_name(op))


def _load(manifest: Manifest, name: str) -> list[GoldenCase]:
    entry = manifest.files.get(name)
    path = manifest.path.with_name(name)
    if entry is None:
        raise GoldenError(f"[golden] {manifest.path} does not list {name}; every golden file must be in the manifest.")
    data = _read(path, entry.size)
    if len(data) != entry.size:
        more = "more than " if len(data) > entry.size else ""
        shown = entry.size if more else len(data)
        raise GoldenError(f"[golden] {path} has {more}{shown} bytes; the manifest says {entry.size}.")
    digest = hashlib.sha256(data).hexdigest()
    if digest != entry.sha256:
        raise GoldenError(f"[golden] {path} was changed: its SHA-256 is {digest}; the manifest says {entry.sha256}.")
    cases = list(_parse(path, entry.op, data))
    counts = dict(Counter(case.dtype for case in cases))
    if counts != dict(entry.cases):
        raise GoldenError(
            f"[golden] {path} holds {counts} cases per dtype; the manifest says {dict(entry.cases)}."
        )  # fmt: skip
    return cases


def _read(path: Path, most: int) -> bytes:
    """The bytes of ``path``, at most one more than ``most``, so that a swollen file is not read whole."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise GoldenError(f"[golden] {path} {what}; restore it, or run python goldens/generate.py.") from error


def _json(path: Path, data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise GoldenError(f"[golden] {path} is not JSON: {error}.") from error


@lru_cache(maxsize=2)
def _parse(path: Path, op: str, data: bytes) -> tuple[GoldenCase, ...]:
    """The cases in the bytes of one file. Cached for the cells of one op, which follow each other."""
    import safetensors

    try:
        found = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise GoldenError(f"[golden] {path} is not a valid safetensors file: {error}.") from error
    tensors = {name: _tensor(path, name, spec) for name, spec in found}
    # deserialize has checked the header, but does not hand out its metadata.
    (length,) = struct.unpack_from("<Q", data)
    header = _json(path, data[8 : 8 + length])
    listing = _json(path, str(header.get("__metadata__", {}).get(METADATA, "")).encode())
    try:
        if listing["format"] != FORMAT or listing["op"] != op:
            raise ValueError(f"it says format {listing['format']!r}, op {listing['op']!r}")
        cases = tuple(_case(op, case, tensors) for case in listing["cases"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GoldenError(
            f"[golden] {path}: its list of cases is malformed: {type(error).__name__}: {error}; "
            f"expected format {FORMAT} of op {op}."
        ) from error
    keys = [(case.dtype, case.name) for case in cases]
    if len(set(keys)) != len(keys):
        raise GoldenError(f"[golden] {path} holds two cases of one dtype and name; names must be unique.")
    return cases


def _tensor(path: Path, name: str, spec: Mapping[str, Any]) -> NDArray:
    dtype = _DTYPES.get(spec["dtype"])
    if dtype is None:
        raise GoldenError(
            f"[golden] {path}: tensor {name} has dtype {spec['dtype']}; goldens hold {', '.join(_DTYPES)}."
        )  # fmt: skip
    # The format is little-endian whatever the host.
    array = np.frombuffer(spec["data"], dtype.newbyteorder("<") if dtype.kind in "fiu" else dtype)
    array = np.asarray(array.astype(dtype, copy=False).reshape(spec["shape"]))
    array.flags.writeable = False
    return array


def _case(op: str, case: Mapping[str, Any], tensors: Mapping[str, NDArray]) -> GoldenCase:
    def value(encoded: Mapping[str, Any]) -> Any:
        if "array" in encoded:
            return tensors[encoded["array"]]
        plain = encoded["value"]
        return tuple(plain) if isinstance(plain, list) else plain

    return GoldenCase(
        op,
        str(case["dtype"]),
        str(case["name"]),
        tuple(value(operand) for operand in case["inputs"]),
        {name: value(param) for name, param in case["params"].items()},
        {name: tensors[key] for name, key in case["outputs"].items()},
    )


# -- the whole folder -------------------------------------------------------------------------------------------------


def verify(folder: Path | None = None) -> list[str]:
    """Everything that is wrong with a folder of goldens, one message each; an empty list says that it is whole.

    Hashes, sizes and structure of every file, files that the manifest does not list, provenance fields, and that every
    dtype of every row of the op table has cases.
    """
    try:
        manifest = read_manifest(directory() if folder is None else folder)
    except GoldenError as error:
        return [str(error)]
    return list(_problems(manifest))


def _problems(manifest: Manifest) -> Iterator[str]:
    here = manifest.path.parent
    for name in manifest.files:
        try:
            _load(manifest, name)
        except GoldenError as error:
            yield str(error)
    for path in sorted(here.glob(f"*{SUFFIX}")):
        if path.name not in manifest.files:
            yield f"[golden] {path} is not in the manifest; remove it, or run python goldens/generate.py."
    for op in names():
        entry = manifest.files.get(file_name(op))
        if entry is None:
            yield f"[golden] {manifest.path} does not list {file_name(op)}; every row of the op table needs goldens."
            continue
        dtypes = OPS[op].dtypes if op in OPS else FLOATING
        if missing := [dtype for dtype in dtypes if dtype not in entry.cases]:
            yield f"[golden] {here / file_name(op)} has no cases of {', '.join(missing)}; the op table lists them."
        if extra := [dtype for dtype in entry.cases if dtype not in dtypes]:
            yield f"[golden] {here / file_name(op)} has cases of {', '.join(extra)}; the op table does not list them."
