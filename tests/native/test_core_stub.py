"""python/isometal/_core.pyi says what the built module offers."""

from __future__ import annotations

from pathlib import Path

import pytest

from isometal import _core

STUB = Path(__file__).parents[2] / "python" / "isometal" / "_core.pyi"


def test_stub_is_what_stubgen_writes_now() -> None:
    stubgen = pytest.importorskip("nanobind.stubgen", reason="nanobind is in the extra `test`")
    generator = stubgen.StubGen(_core)
    generator.put(_core)
    assert generator.get() == STUB.read_text(encoding="utf-8"), (
        "the stub is out of date; update it with: "
        "python -m nanobind.stubgen -m isometal._core -o python/isometal/_core.pyi"
    )
