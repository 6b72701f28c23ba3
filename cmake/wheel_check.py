"""Checks wheels for macOS on arm64 on whatever machine: what a Mac would refuse, or would find missing.

    python cmake/wheel_check.py dist/*.whl          # a line for each rule; exit code 1 where one is broken
    python cmake/wheel_check.py --json dist/*.whl

Rules: names and tags agree and every file is that of RECORD; one library, for arm64, the macOS of the tag and no other
libraries than those that the backend needs; each symbol that it imports belongs to the library that is to have it (the
stubs in cmake/apple_stubs list what macOS 14.0 has; CPython's stable ABI is abi3info's, the rest of its API nanobind's
list); the signature fits; what runs when it is loaded ends well in an emulator; the kernels, goldens and the stub are
those of this checkout; nothing of the software Metal device is in it; it is small.
"""

from __future__ import annotations

import argparse
import base64
import csv
import functools
import hashlib
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from email.parser import Parser
from pathlib import Path

import abi3info
import macho
import macho_run
import nanobind

ROOT = Path(__file__).resolve().parent.parent
STUBS = ROOT / "cmake" / "apple_stubs" / "lib"
#: The libraries that the module may load, and what the wheel may take from each.
LIBRARIES = {
    "/usr/lib/libSystem.B.dylib": STUBS / "libSystem.symbols",
    "/usr/lib/libobjc.A.dylib": STUBS / "libobjc.tbd",
    "/System/Library/Frameworks/Metal.framework/Versions/A/Metal": STUBS / "Metal.framework" / "Metal.tbd",
    "/System/Library/Frameworks/Foundation.framework/Versions/C/Foundation": STUBS
    / "Foundation.framework"
    / "Foundation.tbd",
}
#: Bytes. What it is today is a little more than half of that.
LARGEST_WHEEL = 4_000_000
_NAME = re.compile(r"(isometal)-([^-]+)-(cp3\d+)-(abi3|cp3\d+)-macosx_(\d+)_(\d+)_arm64\.whl")
_ENTRY = "PyInit__core"
#: C++ names of its namespace, and Python names of its bindings.
_SOFT_MARKS = (b"8isometal4soft", b"SoftKernel", b"soft_dispatch")
#: Folders of the checkout whose files the wheel holds, and theirs in the wheel.
_CARRIED = {"metal": "isometal/metal", "goldens": "isometal/goldens"}


@dataclass
class Finding:
    """What a rule found: the value that satisfies it, or what breaks it."""

    rule: str
    good: bool
    text: str


def check(path: Path) -> list[Finding]:
    """One Finding or several for each rule. Raises OSError, zipfile.BadZipFile."""
    name = _NAME.fullmatch(path.name)
    if name is None:
        return [Finding("name", False, f"{path.name} is no isometal-VERSION-PYTHON-ABI-macosx_X_Y_arm64.whl")]
    with zipfile.ZipFile(path) as wheel:
        files = {info.filename: wheel.read(info) for info in wheel.infolist() if not info.is_dir()}
    findings = [*_metadata(name, files), *_record(files), *_contents(files), *_size(path)]
    return findings + list(_module(name, files))


def _metadata(name: re.Match[str], files: dict[str, bytes]) -> Iterator[Finding]:
    project, version, python, abi, *macos = name.groups()
    info = f"{project}-{version}.dist-info"
    wheel = Parser().parsestr(files.get(f"{info}/WHEEL", b"").decode())
    tag = f"{python}-{abi}-macosx_{'_'.join(macos)}_arm64"
    yield Finding("tags", wheel.get_all("Tag") == [tag], f"{wheel.get_all('Tag')} for the name's {tag}")
    pure = wheel["Root-Is-Purelib"]
    yield Finding("platform wheel", pure == "false", f"Root-Is-Purelib: {pure}")
    metadata = Parser().parsestr(files.get(f"{info}/METADATA", b"").decode())
    found = (metadata["Name"], metadata["Version"])
    yield Finding("metadata", found == (project, version), " ".join(map(str, found)))
    yield Finding("license", any(file.startswith(f"{info}/licenses/") for file in files), f"in {info}/licenses")


def _record(files: dict[str, bytes]) -> Iterator[Finding]:
    record = next((name for name in files if name.endswith(".dist-info/RECORD")), None)
    rows = list(csv.reader(io.StringIO(files[record].decode()))) if record else []
    hashes = {row[0]: row[1] for row in rows if row}
    wrong = sorted(set(hashes) ^ set(files))
    for name in set(hashes) & set(files) - {record}:
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=").decode()
        if hashes[name] != f"sha256={digest}":
            wrong.append(name)
    yield Finding("RECORD", not wrong, _listed("not as recorded", wrong) if wrong else f"{len(files)} files")


def _contents(files: dict[str, bytes]) -> Iterator[Finding]:
    wanted = {f"isometal/{name}": ROOT / "python" / "isometal" / name for name in ("_core.pyi", "py.typed")}
    for folder, inside in _CARRIED.items():
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".metal", ".h", ".json", ".safetensors"}:
                wanted[f"{inside}/{path.relative_to(ROOT / folder).as_posix()}"] = path
    wrong = sorted(name for name, path in wanted.items() if files.get(name) != path.read_bytes())
    kernels = sum(name.endswith(".metal") for name in wanted)
    good = f"stub, {kernels} kernel families and {len(wanted)} files in all are those of this checkout"
    yield Finding("kernels, goldens, stub", not wrong, _listed("not those of this checkout", wrong) if wrong else good)
    soft = sorted(name for name in files if name.startswith(("isometal/soft/", "isometal/compiled/")))
    yield Finding("no software device: files", not soft, _listed("in it", soft) if soft else "none")


def _size(path: Path) -> Iterator[Finding]:
    size = path.stat().st_size
    yield Finding("size", size <= LARGEST_WHEEL, f"{size:,} bytes of at most {LARGEST_WHEEL:,}")


def _module(name: re.Match[str], files: dict[str, bytes]) -> Iterator[Finding]:
    python, abi, major, minor = name.groups()[2:]
    modules = [file for file in files if file.endswith((".so", ".dylib"))]
    suffix = ".abi3.so" if abi == "abi3" else f".cpython-{python[2:]}-darwin.so"
    expected = f"isometal/_core{suffix}"
    yield Finding("module", modules == [expected], f"{', '.join(modules) or 'none'} for the tag's {expected}")
    if modules != [expected]:
        return
    data = files[expected]
    try:
        library = macho.read(data)
    except macho.NotMachO as error:
        yield Finding("Mach-O", False, str(error))
        return
    yield Finding(
        "file", not library.damage, "; ".join(library.damage) or f"signed, {len(data):,} bytes, {library.file_type}"
    )
    yield Finding("architecture", library.architecture == "arm64", library.architecture)
    oldest = library.platform == "macos" and library.minimum_os == (int(major), int(minor))
    yield Finding("minimum OS", oldest, f"{library.platform} {'.'.join(map(str, library.minimum_os))}")
    yield Finding("kind", library.file_type in {"dylib", "bundle"}, library.file_type)
    yield from _linking(library, Path(expected).name)
    if library.architecture == "arm64" and not library.damage and _ENTRY in library.exports:
        yield _start(data)
    yield from _imports(library, python, stable=abi == "abi3")
    soft = [mark.decode() for mark in _SOFT_MARKS if mark in data]
    yield Finding("no software device: code", not soft, _listed("in the module", soft) if soft else "none")


def _linking(library: macho.Library, file: str) -> Iterator[Finding]:
    name = library.install_name
    # Only a dylib has one; Python loads it by path whatever it says, but a path of the builder must not be in it.
    yield Finding("install name", name in {None, file}, str(name))
    loads = set(library.loads)
    others = sorted(loads - set(LIBRARIES)) + library.search_paths
    missing = sorted(set(LIBRARIES) - loads)
    text = _listed("others", others) if others else _listed("missing", missing) if missing else ", ".join(sorted(loads))
    yield Finding("libraries", not others and not missing, text)
    there = _ENTRY in library.exports
    yield Finding("entry point", there, _ENTRY if there else f"no {_ENTRY}")


def _start(data: bytes) -> Finding:
    try:
        start = macho_run.run(data, _ENTRY)
    except macho_run.Crash as crash:
        return Finding("start", False, str(crash))
    did = f"{start.initialisers} initialisers, {len(start.selectors):,} selectors, {len(start.classes)} classes"
    return Finding("start", start.module == "_core", f"{did}, then the module {start.module}; in an emulator")


def _imports(library: macho.Library, python: str, *, stable: bool) -> Iterator[Finding]:
    for provider, symbols in sorted(library.imports.items()):
        if provider == macho.WEAK:
            # C++'s shared inline functions and types: the file's own where nobody else has one.
            wrong = {symbol for symbol in symbols if not symbol.startswith("_Z")}
        elif provider == macho.FLAT:
            wrong = {symbol for symbol in symbols if not _of_python(symbol, python, stable=stable)}
        else:
            stub = LIBRARIES.get(provider)
            wrong = symbols - (_listed_in(stub) if stub else set())
        label = {macho.FLAT: f"Python's {'stable ' if stable else ''}ABI", macho.WEAK: "weak C++"}.get(provider)
        rule = f"symbols of {label or Path(provider).name}"
        yield Finding(rule, not wrong, _listed("not there", sorted(wrong)) if wrong else str(len(symbols)))


def _listed_in(stub: Path) -> set[str]:
    """The symbols of a stub, as C names: of a text stub (.tbd), or a plain list."""
    text = re.sub(r"#.*", "", stub.read_text(encoding="utf-8"))
    if stub.suffix == ".tbd":
        text = " ".join(re.findall(r"symbols:\s*\[([^]]*)\]", text)).replace(",", " ")
    return {word.removeprefix("_") for word in text.split()}


def _of_python(symbol: str, python: str, *, stable: bool) -> bool:
    if not stable:
        return symbol in _python_symbols()
    version = abi3info.models.PyVersion(3, int(python[3:]))
    known = abi3info.FUNCTIONS.get(abi3info.models.Symbol(symbol)) or abi3info.DATAS.get(abi3info.models.Symbol(symbol))
    return known is not None and known.added <= version


@functools.cache
def _python_symbols() -> frozenset[str]:
    """What an extension for one version of CPython may import, by nanobind's list for Apple's linker."""
    listed = Path(nanobind.cmake_dir()) / "darwin-ld-cpython.sym"
    return frozenset(word.removeprefix("_") for word in listed.read_text(encoding="utf-8").split())


def _listed(what: str, names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{what}: {', '.join(names[:5])}{more}"


def report(path: Path, findings: list[Finding]) -> str:
    lines = [path.name]
    lines += [f"  {'ok    ' if finding.good else 'BROKEN'} {finding.rule}: {finding.text}" for finding in findings]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", nargs="+", type=Path, metavar="WHEEL")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    arguments = parser.parse_args()
    try:
        found = {path: check(path) for path in arguments.wheels}
    except (OSError, zipfile.BadZipFile) as error:
        sys.exit(f"[wheel-check] {error}")
    if arguments.json:
        print(json.dumps({path.name: [asdict(one) for one in findings] for path, findings in found.items()}, indent=2))
    else:
        print("\n".join(report(path, findings) for path, findings in found.items()))
    sys.exit(any(not finding.good for findings in found.values() for finding in findings))


if __name__ == "__main__":
    main()
