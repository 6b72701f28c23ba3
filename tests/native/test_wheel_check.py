"""cmake/wheel_check.py: a small good wheel passes, and each thing that a Mac would refuse or miss is named.

The wheel holds a library that ziglang links for macOS from a few lines of C, and the kernels, goldens and stub of this
checkout. Whole wheels are built and checked by `python cmake/macos_wheel.py`, in CI.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("lief", reason="lief is not installed (extra `dev`)")
pytest.importorskip("abi3info", reason="abi3info is not installed (extra `dev`)")
pytest.importorskip("unicorn", reason="unicorn is not installed (extra `dev`)")
pytest.importorskip("ziglang", reason="ziglang is not installed (extra `dev`)")

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "cmake"))
import macho  # noqa: E402
import wheel_check  # noqa: E402

NAME = "isometal-0.1.0-cp312-abi3-macosx_14_0_arm64.whl"
MODULE = "isometal/_core.abi3.so"
INFO = "isometal-0.1.0.dist-info"
SOURCE = """
#include <stdlib.h>
extern void* MTLCreateSystemDefaultDevice(void);
extern void* objc_lookUpClass(const char*);
extern void* PyLong_FromLong(long);
extern void* PyModuleDef_Init(void*);
static void* string;
__attribute__((constructor)) static void start(void) { string = objc_lookUpClass("NSString"); }
void* work(void) { return MTLCreateSystemDefaultDevice() && malloc(1) ? PyLong_FromLong(1) : string; }
static struct { void* base[5]; const char* name; } definition = {{0}, "_core"};
void* PyInit__core(void) { return PyModuleDef_Init(&definition); }
"""
LINK = ("-lobjc", "-framework", "Metal", "-framework", "Foundation")
Files = dict[str, bytes]


def link(
    folder: Path, source: str = SOURCE, *, target: str = "aarch64-macos.14.0", flags: tuple[str, ...] = LINK
) -> bytes:
    (folder / "core.c").write_text(source)
    stubs = ROOT / "cmake" / "apple_stubs" / "lib"
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-shared", "-undefined", "dynamic_lookup"]
    command += [f"-F{stubs}", f"-L{stubs}", *flags, "core.c", "-o", Path(MODULE).name]
    subprocess.run(command, cwd=folder, check=True, timeout=300)
    return (folder / Path(MODULE).name).read_bytes()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a wheel with nothing to complain of, RECORD left out."""
    files = {MODULE: link(tmp_path_factory.mktemp("library"))}
    for name in ("_core.pyi", "py.typed"):
        files[f"isometal/{name}"] = (ROOT / "python" / "isometal" / name).read_bytes()
    for folder in ("metal", "goldens"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                files[f"isometal/{folder}/{path.relative_to(ROOT / folder).as_posix()}"] = path.read_bytes()
    files[f"{INFO}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp312-abi3-macosx_14_0_arm64\n"
    files[f"{INFO}/METADATA"] = b"Metadata-Version: 2.4\nName: isometal\nVersion: 0.1.0\n"
    files[f"{INFO}/licenses/LICENSE"] = b"MIT"
    return files


def pack(folder: Path, files: Files, *, name: str = NAME, record: Files | None = None) -> Path:
    """The wheel; RECORD is of `record` where it is given."""
    lines = []
    for file, data in (files if record is None else record).items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{file},sha256={digest},{len(data)}\n")
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for file, data in files.items():
            wheel.writestr(file, data)
        wheel.writestr(f"{INFO}/RECORD", "".join([*lines, f"{INFO}/RECORD,,\n"]))
    return folder / name


def broken(path: Path) -> dict[str, str]:
    return {finding.rule: finding.text for finding in wheel_check.check(path) if not finding.good}


def test_a_good_wheel_satisfies_every_rule(good: Files, tmp_path: Path) -> None:
    findings = wheel_check.check(pack(tmp_path, good))
    assert [finding for finding in findings if not finding.good] == []
    # A rule that finds nothing to look at would pass as well.
    found = {finding.rule: finding.text for finding in findings}
    assert found["architecture"] == "arm64"
    assert found["minimum OS"] == "macos 14.0"
    assert found["symbols of Metal"] == "1"
    assert found["symbols of Python's stable ABI"] == "2"
    assert found["start"] == "1 initialisers, 0 selectors, 1 classes, then the module _core; in an emulator"
    assert int(found["symbols of libSystem.B.dylib"]) >= 1
    assert int(found["symbols of libobjc.A.dylib"]) >= 1


CHANGES: dict[str, tuple[Callable[[Files], Files], str, str]] = {
    "tag": (
        lambda files: files | {f"{INFO}/WHEEL": files[f"{INFO}/WHEEL"].replace(b"14_0", b"11_0")},
        "tags",
        "macosx_11_0",
    ),
    "pure": (
        lambda files: files | {f"{INFO}/WHEEL": files[f"{INFO}/WHEEL"].replace(b"false", b"true")},
        "platform wheel",
        "true",
    ),
    "version": (
        lambda files: files | {f"{INFO}/METADATA": files[f"{INFO}/METADATA"].replace(b"0.1.0", b"0.2.0")},
        "metadata",
        "isometal 0.2.0",
    ),
    "kernel": (
        lambda files: {name: data for name, data in files.items() if name != "isometal/metal/gemm.metal"},
        "kernels, goldens, stub",
        "isometal/metal/gemm.metal",
    ),
    "header": (
        lambda files: files | {"isometal/metal/common/cast.h": b"another"},
        "kernels, goldens, stub",
        "isometal/metal/common/cast.h",
    ),
    "stub": (
        lambda files: {name: data for name, data in files.items() if name != "isometal/_core.pyi"},
        "kernels, goldens, stub",
        "isometal/_core.pyi",
    ),
    "software device": (
        lambda files: files | {"isometal/soft/device.py": b""},
        "no software device: files",
        "isometal/soft/device.py",
    ),
    "compiled for it": (
        lambda files: files | {"isometal/compiled/add-0.metallib": b""},
        "no software device: files",
        "isometal/compiled/add-0.metallib",
    ),
    "second library": (lambda files: files | {"isometal/libextra.dylib": b""}, "module", "isometal/libextra.dylib"),
    "module of another Python": (
        lambda files: {name.replace(".abi3", ".cpython-312-darwin"): data for name, data in files.items()},
        "module",
        "isometal/_core.cpython-312-darwin.so",
    ),
    "no Mach-O": (lambda files: files | {MODULE: b"\x7fELF" + bytes(100)}, "Mach-O", "it is no Mach-O file"),
    "a byte of code": (
        lambda files: files | {MODULE: files[MODULE][:9000] + b"\xff" + files[MODULE][9001:]},
        "file",
        "pages are not those that were signed, the first is ",
    ),
    "large": (
        lambda files: (
            files
            | {
                "isometal/large": b"".join(
                    hashlib.sha256(bytes([i % 251, i // 251 % 251, i // 63001])).digest() for i in range(130_000)
                )
            }
        ),
        "size",
        "of at most 4,000,000",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_wrong_with_the_files_is_named(good: Files, tmp_path: Path, change: str) -> None:
    alter, rule, text = CHANGES[change]
    found = broken(pack(tmp_path, alter(dict(good))))
    assert text in found.pop(rule)
    assert found == {}


def test_files_must_be_those_of_record(good: Files, tmp_path: Path) -> None:
    altered = good | {"isometal/goldens/README.md": b"altered"}
    assert broken(pack(tmp_path, altered, record=good)) == {"RECORD": "not as recorded: isometal/goldens/README.md"}
    assert broken(pack(tmp_path, good | {"isometal/more.py": b""}, record=good)) == {
        "RECORD": "not as recorded: isometal/more.py"
    }


LIBRARIES: dict[str, tuple[dict[str, object], str, str]] = {
    "architecture": ({"target": "x86_64-macos.14.0", "flags": ()}, "architecture", "x86_64"),
    "newer macOS": ({"target": "aarch64-macos.15.0"}, "minimum OS", "macos 15.0"),
    "no Metal": ({"flags": ("-lobjc", "-framework", "Foundation")}, "libraries", "missing: /System/"),
    "path of the builder": ({"flags": (*LINK, "-install_name", "/work/_core.so")}, "install name", "/work/_core.so"),
    "search path": ({"flags": (*LINK, "-Wl,-rpath,/opt/lib")}, "libraries", "others: /opt/lib"),
    "other symbol of libSystem": (
        {
            "source": SOURCE.replace("malloc(1)", "arc4random()").replace(
                "#include", "unsigned arc4random(void);\n#include"
            )
        },
        "symbols of libSystem.B.dylib",
        "not there: arc4random",
    ),
    "not in the stable ABI": (
        {"source": SOURCE.replace("PyLong_FromLong", "PyUnicode_AsUTF8")},
        "symbols of Python's stable ABI",
        "not there: PyUnicode_AsUTF8",
    ),
    "newer than Python 3.12": (
        {"source": SOURCE.replace("PyLong_FromLong", "PyLong_AsInt")},
        "symbols of Python's stable ABI",
        "not there: PyLong_AsInt",
    ),
    "of nobody": (
        {"source": SOURCE.replace("PyLong_FromLong", "forgotten")},
        "symbols of Python's stable ABI",
        "not there: forgotten",
    ),
    "no entry point": ({"source": SOURCE.replace("PyInit__core", "PyInit_other")}, "entry point", "no PyInit__core"),
    "crash at load": (
        {"source": SOURCE.replace("string = ", "*(volatile int*)8 = 1; string = ")},
        "start",
        "Invalid memory write (UC_ERR_WRITE_UNMAPPED) at 0x",
    ),
    "hang at load": (
        {"source": SOURCE.replace("string = ", "for (volatile int i = 1; i;) {} string = ")},
        "start",
        "it does not end within ",
    ),
    "work at load": (
        {"source": SOURCE.replace("string = ", "MTLCreateSystemDefaultDevice(); string = ")},
        "start",
        "it calls MTLCreateSystemDefaultDevice when it is loaded",
    ),
    "another module": ({"source": SOURCE.replace('"_core"', '"_other"')}, "start", "then the module _other"),
    "software device": (
        {"source": SOURCE + '\nconst char* soft(void) { return "soft_dispatch"; }'},
        "no software device: code",
        "in the module: soft_dispatch",
    ),
}


@pytest.mark.parametrize("case", LIBRARIES)
def test_what_is_wrong_with_the_library_is_named(good: Files, tmp_path: Path, case: str) -> None:
    how, rule, text = LIBRARIES[case]
    found = broken(pack(tmp_path, good | {MODULE: link(tmp_path, **how)}))  # type: ignore[arg-type]
    assert text in found[rule]


def test_what_zig_breaks_with_x_is_seen(good: Files, tmp_path: Path) -> None:
    data = link(tmp_path, flags=(*LINK, "-Wl,-x"))
    library = macho.read(data)
    # Should a later zig write whole tables, this test and the filter in cmake/PythonModule.cmake can go.
    assert library.damage == [] or "indirect symbols are not in the symbol table" in library.damage[0]


def test_the_version_of_cpython_decides_what_else_is_there(good: Files, tmp_path: Path) -> None:
    module = link(tmp_path, SOURCE.replace("PyLong_FromLong", "PyUnicode_AsUTF8"))
    files = {name: data for name, data in good.items() if name != MODULE}
    files |= {"isometal/_core.cpython-311-darwin.so": module}
    files[f"{INFO}/WHEEL"] = files[f"{INFO}/WHEEL"].replace(b"cp312-abi3", b"cp311-cp311")
    name = NAME.replace("cp312-abi3", "cp311-cp311")
    # The file was linked under another name.
    assert set(broken(pack(tmp_path, files, name=name))) == {"install name"}


def test_other_names_are_no_wheels_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "isometal-0.1.0-cp312-abi3-linux_x86_64.whl"
    assert broken(path).keys() == {"name"}


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    script = ROOT / "cmake" / "wheel_check.py"
    return subprocess.run(
        [sys.executable, script, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def test_the_command_reports_and_decides(good: Files, tmp_path: Path) -> None:
    path = pack(tmp_path, good)
    done = command(path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{NAME}\n  ok     tags: ")
    pack(tmp_path, good | {"isometal/soft/x.py": b""})
    done = command("--json", path)
    assert done.returncode == 1
    findings = json.loads(done.stdout)[NAME]
    assert [one["rule"] for one in findings if not one["good"]] == ["no software device: files"]


def test_what_is_no_zip_is_one_line(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"no zip")
    done = command(tmp_path / NAME)
    assert done.returncode == 1
    assert done.stderr == "[wheel-check] File is not a zip file\n"
