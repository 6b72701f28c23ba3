"""What the README shows is what happens: its example runs, its matrix is the op table's, its paths exist."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

import isometal as im
from isometal.optable import OPS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, "README.md", "exec"), {})
    lines = printed.getvalue().splitlines()
    assert lines[0] == f"(4, 8) float32 {im.default_backend()}"
    assert lines[-1].endswith("dtype=float32, backend=cpu)")


def test_the_matrix_has_the_rows_of_the_op_table() -> None:
    rows = [line.strip("| ").split(" | ") for line in README.splitlines() if line.count("|") == 8]
    assert rows[0] == ["Op Category", "Operation", "CPU", "FFI", "Metal", "Required Tests", "Default Gate"]
    assert [(r[0], r[1], r[5], r[6]) for r in rows[2:]] == [
        (op.category, op.label, op.required_tests, op.gate) for op in OPS.values()
    ]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", README))))
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()
