"""Builds the wheels for macOS on arm64 on any machine: no Mac, no Xcode.

    python cmake/macos_wheel.py                          # dist/isometal-*-macosx_14_0_arm64.whl
    python cmake/macos_wheel.py --python 3.12 --twice    # one of them, and a second build must give the same bytes

Three wheels: for CPython 3.10, for 3.11, and in the stable ABI for 3.12 and later. Each needs that Python on this
machine, for its headers, which are the same for macOS on arm64 as for any 64-bit Linux as far as extensions read them
(csrc/bindings.cpp asserts it). ziglang compiles and links, its C++ library included; Metal's headers are those of the
wheel mlx-metal, which tests/soft/mlx_wheel.py fetches once; cmake/apple_stubs stands for Apple's SDK. Kernels go into
the wheel as source, which Metal compiles when they are first used: no compiler of Apple's runs here. A build on a Mac
with Xcode compiles them.

Warnings are errors. Every wheel is checked (cmake/wheel_check.py) before it is put in place; none that fails is kept.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import wheel_check
from apple_compile import ROOT, TARGET, Failure, check, headers_of_mlx

PYTHONS = ("3.10", "3.11", "3.12")


def interpreter(version: str) -> Path:
    """A CPython of that version, which has pip. Raises Failure."""
    candidates = [Path(sys.executable)]
    if on_path := shutil.which(f"python{version}"):
        candidates.append(Path(on_path))
    candidates += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), reverse=True)
    code = "import pip, sys; print(sys.implementation.name, *sys.version_info[:2], hasattr(sys, 'gettotalrefcount'))"
    for candidate in candidates:
        done = subprocess.run([candidate, "-c", code], capture_output=True, text=True, check=False)
        if done.stdout.split() == ["cpython", *version.split("."), "False"]:
            return candidate
    raise Failure(
        f"no Python {version} with pip is on this machine; leave it out: --python takes the ones to build for."
    )


def zig_python(folder: Path) -> Path:
    """A program that is this interpreter outside of the environment in which pip builds, which has no ziglang."""
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nunset PYTHONPATH\nexec {shlex.quote(sys.executable)} "$@"\n', encoding="utf-8")
    program.chmod(0o700)
    return program


def environment(headers: Path, python: Path) -> dict[str, str]:
    """What makes our build backend and CMake build for a Mac."""
    # What a user has set for builds of this machine does not concern a Mac's.
    prefixes = ("CMAKE_", "SKBUILD_", "MACOSX_", "ISOMETAL_ZIG_", "ISOMETAL_AIR")
    names = {"CC", "CXX", "CPPFLAGS", "CFLAGS", "CXXFLAGS", "LDFLAGS", "ARCHFLAGS"}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(prefixes) and k not in names}
    return kept | {
        "CMAKE_TOOLCHAIN_FILE": os.fspath(ROOT / "cmake" / "toolchains" / "zig.cmake"),
        "CMAKE_ARGS": f"-DISOMETAL_METAL_CPP={shlex.quote(str(headers))} -DISOMETAL_WERROR=ON",
        "ISOMETAL_ZIG_PYTHON": os.fspath(python),
        "ISOMETAL_ZIG_TARGET": TARGET,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def build(version: str, headers: Path, into: Path, *, verbose: bool) -> Path:
    """The wheel, in an empty folder. Raises Failure."""
    settings = environment(headers, zig_python(into))
    command = [interpreter(version), "-m", "pip", "wheel", "--no-deps", "--wheel-dir", into, ROOT]
    command.insert(4, "--verbose" if verbose else "--quiet")
    done = subprocess.run(command, cwd=into, env=settings, check=False)
    wheels = list(into.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise Failure(f"pip wheel for Python {version} ended with status {done.returncode}; its output is above.")
    return wheels[0]


def make(version: str, headers: Path, out: Path, *, twice: bool, verbose: bool) -> None:
    """Builds, checks and puts in place. Raises Failure."""
    with tempfile.TemporaryDirectory(prefix=".macos-wheel-", dir=out) as temporary:
        folders = [Path(temporary, name) for name in (("first", "second") if twice else ("first",))]
        wheels = []
        for folder in folders:
            folder.mkdir()
            say(f"Python {version}: building{' again' if wheels else ''}")
            wheels.append(build(version, headers, folder, verbose=verbose))
        findings = wheel_check.check(wheels[0])
        print(wheel_check.report(wheels[0], findings), flush=True)
        if not all(finding.good for finding in findings):
            raise Failure(f"{wheels[0].name} is not what a Mac takes; the report is above.")
        if len({wheel.read_bytes() for wheel in wheels}) != 1:
            raise Failure(f"two builds of {wheels[0].name} differ.")
        wheels[0].replace(out / wheels[0].name)
        say(f"{out / wheels[0].name}{', the same bytes twice' if twice else ''}")


def say(text: str) -> None:
    print(f"[macos-wheel] {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", metavar="FOLDER", help="default: dist")
    parser.add_argument("--python", nargs="+", choices=PYTHONS, default=PYTHONS, help="default: all")
    parser.add_argument("--metal-cpp", type=Path, metavar="FOLDER", help="Apple's metal-cpp, instead of mlx-metal's")
    parser.add_argument("--twice", action="store_true", help="build each twice and compare the bytes")
    parser.add_argument("--verbose", action="store_true", help="show what pip and CMake say")
    arguments = parser.parse_args()
    try:
        headers = arguments.metal_cpp.resolve() if arguments.metal_cpp else headers_of_mlx()
        check(headers)
        out = arguments.out.resolve()
        out.mkdir(parents=True, exist_ok=True)
        for version in arguments.python:
            make(version, headers, out, twice=arguments.twice, verbose=arguments.verbose)
    except Failure as failure:
        sys.exit(f"[macos-wheel] {failure}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
