"""The pytest plugin: which files `--benchmark` collects, ids of parity checks, seed and profile."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _collect(*options: str, cwd: Path = ROOT) -> tuple[list[str], str]:
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *options],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in found.stdout.splitlines() if "::" in line], found.stdout + found.stderr


def test_benchmark_collects_bench_and_nothing_else() -> None:
    nodes, text = _collect("--benchmark")
    assert nodes, text
    assert {node.partition("/")[0] for node in nodes} == {"bench"}


def test_without_it_bench_is_not_collected() -> None:
    nodes, text = _collect("tests/parity/test_compare.py", "bench")
    assert nodes, text
    assert not any(node.startswith("bench") for node in nodes)


def test_parity_ids() -> None:
    nodes, text = _collect("tests/parity/test_parity.py", "-k", "parity and matmul-float16")
    assert nodes, text
    found = [re.search(r"parity\[matmul-float16-(cpu|mlx|metal)-([UPGRB])-[\w.+-]+\]$", node) for node in nodes]
    assert all(found), nodes
    assert {match[2] for match in found} == set("UPGRB")


def test_seed_and_profile_are_shown_and_chosen() -> None:
    _, text = _collect("tests/native/test_core_stub.py", "-v")
    assert "isometal: parity seed 20261122, profile ci" in text
    _, text = _collect(
        "tests/parity/test_parity.py", "-k", "no-such-check", "-v", "--parity-seed=7", "--parity-profile=deep"
    )
    assert "isometal: parity seed 7, profile deep" in text


def test_benchmark_outside_a_checkout_says_so(tmp_path: Path) -> None:
    _, text = _collect("-p", "isometal.parity.pytest_plugin", "--benchmark", cwd=tmp_path)
    assert re.search(r"\[benchmark\] .*bench is no folder; --benchmark runs in a checkout of isometal", text)


@pytest.mark.parametrize("option", ["--parity-seed=x", "--parity-profile=fast"])
def test_bad_options_are_usage_errors(option: str) -> None:
    nodes, text = _collect(option)
    assert not nodes
    assert "error: argument" in text
