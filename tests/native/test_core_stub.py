"""python/isometal/_core.pyi says what the built module offers."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from isometal import _core

STUB = Path(__file__).parents[2] / "python" / "isometal" / "_core.pyi"

BUFFER_METHODS = re.compile(r'    def __(?:buffer|release_buffer)__\(.*\):\n        """\n(?:.+\n)*?        """\n\n')
CAPSULE_IMPORT = re.compile(r"^(?:import types|from typing_extensions import CapsuleType)\n", re.MULTILINE)


def of_every_python(text: str) -> str:
    """Without what differs by version: 3.12 shows buffer slots as methods (PEP 688), 3.13 has types.CapsuleType."""
    text = CAPSULE_IMPORT.sub("", BUFFER_METHODS.sub("", text)).replace("types.CapsuleType", "CapsuleType")
    return re.sub(r"\n{2,}", "\n\n", text)


def test_stub_is_what_stubgen_writes_now() -> None:
    stubgen = pytest.importorskip("nanobind.stubgen", reason="nanobind is in the extra `test`")
    generator = stubgen.StubGen(_core)
    generator.put(_core)
    now, golden = generator.get(), STUB.read_text(encoding="utf-8")
    if sys.version_info >= (3, 12):
        now, golden = of_every_python(now), of_every_python(golden)
    assert now == golden, (
        "the stub is out of date; update it, with Python 3.10 or 3.11, by: "
        "python -m nanobind.stubgen -m isometal._core -o python/isometal/_core.pyi"
    )
