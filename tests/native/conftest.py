"""Lets the tests of the native module run on another build of it: ISOMETAL_CORE names the extension file.

cmake/sanitize.py uses that for the build under sanitizers, which is not installed anywhere.
"""

from __future__ import annotations

import importlib.util
import os
import sys


def _load_core(path: str) -> None:
    spec = importlib.util.spec_from_file_location("isometal._core", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"ISOMETAL_CORE names no extension module: {path}")
    module = importlib.util.module_from_spec(spec)
    # Before the package is imported, so that the package finds this one.
    sys.modules["isometal._core"] = module
    spec.loader.exec_module(module)


if path := os.environ.get("ISOMETAL_CORE"):
    _load_core(path)


def pytest_report_header() -> list[str]:
    from isometal import _core

    build = _core.build_info()
    sanitizers = ", ".join(build["sanitizers"]) or "none"
    return [f"isometal._core: {_core.__file__} ({build['compiler']}, sanitizers: {sanitizers})"]
