"""Runs the C++ tests, then the Python tests of the native module, under AddressSanitizer and UBSan.

Usage: python cmake/sanitize.py [PYTEST_ARGUMENT ...], from a checkout whose dev requirements are installed. Builds in
build/asan (the preset `asan`), installs nothing. Leaks are not searched for: CPython keeps what it allocates at start.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "asan"
# A refused allocation must reach our code as such, instead of ending the process.
ASAN_OPTIONS = "detect_leaks=0:allocator_may_return_null=1:strict_string_checks=1"


def run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    print("+", *command, flush=True)
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, **(env or {})})


def runtime_libraries() -> str:
    """What must be loaded before Python: ASan, and libstdc++, whose exceptions ASan looks for when it starts."""
    compiler = next(
        line.partition("=")[2]
        for line in (BUILD / "CMakeCache.txt").read_text(encoding="utf-8").splitlines()
        if line.startswith("CMAKE_CXX_COMPILER:")
    )
    names = ("libasan.so", "libstdc++.so.6")
    found = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], check=True, capture_output=True, text=True
        ).stdout.strip()
        for name in names
    ]
    missing = [name for name, path in zip(names, found, strict=True) if not Path(path).is_absolute()]
    if missing:
        sys.exit(f"[sanitize] {compiler} has no {', '.join(missing)}; use g++ with its sanitizer runtime.")
    return ":".join(found)


def main() -> None:
    # The module must be for the interpreter that will load it.
    run("cmake", "--preset", "asan", f"-DPython_EXECUTABLE={sys.executable}")
    run("cmake", "--build", "--preset", "asan")
    run("ctest", "--preset", "asan", "--parallel", "2", "--no-tests=error")

    modules = sorted(BUILD.glob("_core.*.so"))
    if len(modules) != 1:
        sys.exit(f"[sanitize] expected one _core module in {BUILD}, found {[m.name for m in modules]}.")
    environment = {
        "ISOMETAL_CORE": str(modules[0]),
        "LD_PRELOAD": runtime_libraries(),
        "ASAN_OPTIONS": ASAN_OPTIONS,
        "UBSAN_OPTIONS": "print_stacktrace=1",
        # Python's own small-block allocator would hide overruns between its blocks.
        "PYTHONMALLOC": "malloc",
    }
    tests = [f"tests/native/test_core_{part}.py" for part in ("array", "soft", "stub")]
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider", *tests]
    run(*command, *sys.argv[1:], env=environment)


if __name__ == "__main__":
    main()
