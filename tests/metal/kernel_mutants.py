"""Breaks one kernel after another, and fails unless a test that ran it notices.

Usage: python tests/metal/kernel_mutants.py FOLDER [PART_OF_NAME ...] -- FOLDER as for kernel_report.py. Every value
that the kernel stores to device memory becomes 0, in a process of its own, which runs the tests that were the first to
run the kernel. Seconds for each, so that all of them are no part of CI.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from isometal.soft import library
from isometal.soft.compiler import Air, compile_kernel

_STORE = re.compile(r"(?m)^(\s*store (?:<[^>]*>|[\w%.]+)) (?:<[^>]*>|[^,]+)(, ptr addrspace\(1\))")
#: Of each kernel.
_TESTS = 4


def broken(text: str) -> str:
    """AIR that stores zeros."""
    mutant, count = _STORE.subn(r"\1 zeroinitializer\2", text)
    if not count:
        sys.exit("[mutants] the kernel stores nothing in a form that this script knows.")
    return mutant


def break_kernel(name: str) -> None:
    def compile_broken(air: Air, kernel: str, *args: Any, **options: Any) -> Any:
        if kernel == name:
            text = broken(air.read().decode())
            air = Air.of_text(lambda: text, hashlib.sha256(text.encode()).digest())
            options["cache"] = None
        return compile_kernel(air, kernel, *args, **options)

    mock.patch.object(library, "compile_kernel", compile_broken).start()


def is_noticed(name: str, tests: list[str]) -> bool:
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        break_kernel(name)
        os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests])))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        sys.exit(f"[mutants] the tests of {name} ended with {code}: {' '.join(tests)}")
    return code == pytest.ExitCode.TESTS_FAILED


def main() -> None:
    folder, *parts = sys.argv[1:]
    tests: dict[str, list[str]] = defaultdict(list)
    for path in sorted(Path(folder).glob("*.json")):
        for kernel in json.loads(path.read_text(encoding="utf-8"))["kernels"]:
            found = tests[kernel["name"]]
            if kernel["test"] not in found and len(found) < _TESTS:
                found.append(kernel["test"])
    wanted = [name for name in sorted(tests) if not parts or any(part in name for part in parts)]
    if not wanted:
        sys.exit(f"[mutants] {folder} has no record of such a kernel.")
    survivors = []
    for name in wanted:
        began = time.monotonic()
        noticed = is_noticed(name, tests[name])
        print(f"{name}: {'noticed' if noticed else 'SURVIVES'} ({time.monotonic() - began:.1f} s)", flush=True)
        if not noticed:
            survivors.append(name)
    if survivors:
        sys.exit(f"[mutants] {len(survivors)} of {len(wanted)} broken kernels went unnoticed: {', '.join(survivors)}.")


if __name__ == "__main__":
    main()
