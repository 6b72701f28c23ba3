"""Compiles the Metal backend for macOS on arm64 against Apple's own metal-cpp, on a machine that is no Mac.

Every C++ source of an Apple build (core, launch planning, dispatcher, ops, Python bindings; no software device) goes
through the project's CMake files and ziglang's clang, with warnings as errors. Metal's headers are those of the wheel
mlx-metal, which tests/soft/mlx_wheel.py fetches once; cmake/apple_stubs stands for the four headers of Apple's SDK
that they include and ziglang does not bring, and the Python headers are this machine's. What comes of it are object
files: nothing is linked and nothing runs. From them apple_selectors.py tells what is asked of macOS.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import apple_selectors

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "apple"
#: Written when everything is compiled: by which interpreter, whose ziglang compiles.
STAMP = BUILD / "compiled.txt"
TARGET = "aarch64-macos.14.0"


class Failure(Exception):
    """What is missing or wrong, for the one who started this."""


def run(*command: str | Path) -> None:
    print("+", *command, flush=True)
    try:
        subprocess.run(command, cwd=ROOT, check=True)
    except FileNotFoundError:
        raise Failure(f"{command[0]} is not on PATH; pip install 'isometal[dev]'.") from None
    except subprocess.CalledProcessError as error:
        raise Failure(f"{command[0]} ended with status {error.returncode}; its output is above.") from None


def headers_of_mlx() -> Path:
    """Of the wheel mlx-metal, from the user's cache or else from the package index."""
    sys.path.insert(0, os.fspath(ROOT / "tests" / "soft"))
    import mlx_wheel

    try:
        return mlx_wheel.folder() / "mlx" / "include" / "metal_cpp"
    except (mlx_wheel.Unavailable, OSError) as error:
        raise Failure(
            f"Apple's metal-cpp cannot be had: {error}; give a folder that has it with --metal-cpp."
        ) from None


def check(headers: Path) -> None:
    """Raises Failure where something that the build reads is not there."""
    for package, what in {"ziglang": "compiles", "lief": "reads the objects"}.items():
        if importlib.util.find_spec(package) is None:
            raise Failure(f"{sys.executable} has no {package}, which {what}; pip install 'isometal[dev]'.")
    for needed in (headers / "Metal" / "Metal.hpp", headers / "Foundation" / "Foundation.hpp"):
        if not needed.is_file():
            raise Failure(f"{needed} is not there; --metal-cpp takes the folder above Metal/Metal.hpp.")


def is_compiled() -> bool:
    """True where this interpreter has compiled everything since sources and build files last changed."""
    try:
        if STAMP.read_text(encoding="utf-8") != sys.executable:
            return False
        compiled = STAMP.stat().st_mtime
    except FileNotFoundError:
        return False
    folders = [ROOT / "csrc", ROOT / "metal" / "params", ROOT / "cmake"]
    read = [ROOT / "CMakeLists.txt", *(path for folder in folders for path in folder.rglob("*") if path.is_file())]
    return all(path.stat().st_mtime < compiled for path in read if path.suffix not in (".py", ".pyc", ".toml"))


def compile_all(headers: Path) -> int:
    """The number of sources compiled."""
    STAMP.unlink(missing_ok=True)
    configure = ["cmake", "--preset", "mac-cross", "-B", BUILD, "--fresh", f"-DISOMETAL_METAL_CPP={headers}"]
    configure += [f"-DISOMETAL_ZIG_PYTHON={sys.executable}", f"-DPython_EXECUTABLE={sys.executable}"]
    run(*configure)
    units = apple_selectors.units(BUILD)
    folders = {unit.source.parent for unit in units}
    for part in ("launch", "dispatcher", "ops", "metal_bindings"):
        if ROOT / "csrc" / part not in folders:
            raise Failure(f"the build for {TARGET} leaves csrc/{part} out; see cmake/MetalApi.cmake.")
    # ninja wants them relative to its own folder.
    objects = [os.path.relpath(unit.object, BUILD) for unit in units]
    run("cmake", "--build", BUILD, "--target", *objects, "--", "-k", "0")
    STAMP.write_text(sys.executable, encoding="utf-8")
    return len(objects)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metal-cpp", type=Path, metavar="FOLDER", help="Apple's metal-cpp, instead of mlx-metal's")
    arguments = parser.parse_args()
    try:
        headers = arguments.metal_cpp.resolve() if arguments.metal_cpp else headers_of_mlx()
        check(headers)
        print(f"[apple-compile] {compile_all(headers)} sources compile for {TARGET}.", flush=True)
        print(f"[apple-compile] asked of macOS: {apple_selectors.check(BUILD, headers)}")
    except (Failure, apple_selectors.Problems) as failure:
        sys.exit(f"[apple-compile] {failure}")


if __name__ == "__main__":
    main()
