"""What the README shows is what happens: its example runs, its matrix is the op table's, its paths exist."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

import isometal as im
from isometal import _core
from isometal.optable import OPS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


FIRST, SOFT = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def printed_by(example: str) -> list[str]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, "README.md", "exec"), {})
    return printed.getvalue().splitlines()


def test_the_example_runs() -> None:
    lines = printed_by(FIRST)
    assert lines[0] == f"(4, 8) float32 {im.default_backend()}"
    assert lines[-1].endswith("dtype=float32, backend=cpu)")


@pytest.mark.skipif(not hasattr(_core, "SoftKernel"), reason="the software device is for machines without an Apple GPU")
def test_the_example_of_the_software_device_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOMETAL_CACHE_DIR", str(tmp_path))
    lines = printed_by(SOFT)
    assert lines[0] == "kernel row_sum"
    assert lines[-1] == "[100. 100. 100.]"


def test_the_matrix_has_the_rows_of_the_op_table() -> None:
    rows = [line.strip("| ").split(" | ") for line in README.splitlines() if line.count("|") == 8]
    assert rows[0] == ["Op Category", "Operation", "CPU", "FFI", "Metal", "Required Tests", "Default Gate"]
    assert [(r[0], r[1], r[5], r[6]) for r in rows[2:]] == [
        (op.category, op.label, op.required_tests, op.gate) for op in OPS.values()
    ]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", README))))
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()
