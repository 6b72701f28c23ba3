"""The record of a qualification: it holds only for what is installed, and only as the user's own private file."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import sys

import perfect
import pytest

from isometal import provenance, qualification

DATE = "2026-01-02T03:04:05+00:00"


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A state directory of its own, and kernels as they will be installed."""
    folder = tmp_path / "state"
    monkeypatch.setenv(qualification.ENVIRONMENT, str(folder))
    monkeypatch.setattr(provenance, "kernel_hashes", lambda: dict(perfect.KERNELS))
    return folder


def record():
    return qualification.record("e" * 64, perfect.APPLE, DATE)


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_nothing_recorded(state):
    assert qualification.inspect() == (None, "none recorded")
    assert qualification.current() is None
    assert qualification.forget() is False


def test_a_record_holds_for_what_is_installed(state):
    path = record()
    found = qualification.current()
    assert found == qualification.Qualification(
        perfect.INSTALLED.version, perfect.INSTALLED.op_table, perfect.KERNELS, "e" * 64, perfect.APPLE, DATE
    )
    assert path.parent == state
    assert qualification.inspect()[1] == f"recorded on {DATE} for Apple M4 Max"
    assert found.covers(perfect.APPLE)
    assert not found.covers({**perfect.APPLE, "name": "Apple M1"})
    assert not found.covers(perfect.SOFTWARE)


def test_the_file_is_private_and_alone(state):
    path = record()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in state.iterdir()] == [path.name]
    record()
    assert [entry.name for entry in state.iterdir()] == [path.name]


def test_forgetting_removes_it(state):
    record()
    assert qualification.forget() is True
    assert qualification.inspect() == (None, "none recorded")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": "0.0.1"}, "stale: recorded for isometal 0.0.1"),
        ({"op_table": "0" * 64}, "stale: recorded for another op table"),
        ({"kernels": {}}, "stale: the installed kernels"),
        ({"kernels": {**perfect.KERNELS, "new.metal": "0" * 64}}, "stale: the installed kernels"),
        ({"format": "isometal-qualification-2"}, "malformed (not a qualification)"),
        ({"kernels": ["a"]}, "malformed (a field is missing or of another type)"),
        ({"device": {"name": 1}}, "malformed (a field is missing"),
        ({"date": None}, "malformed (a field is missing"),
    ],
)
def test_a_stale_or_malformed_record_is_ignored_with_its_reason(state, changes, why):
    edit(record(), **changes)
    found, reason = qualification.inspect()
    assert found is None
    assert why in reason


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b"\xff", b"[" * 200_000, b" " * (2**20 + 1)])
def test_garbage_is_ignored(state, content):
    record().write_bytes(content)
    found, reason = qualification.inspect()
    assert found is None
    assert reason.startswith("ignored: ")


def test_changed_kernels_end_the_qualification(state, monkeypatch):
    record()
    changed = {**perfect.KERNELS, "common.h": "0" * 64}
    monkeypatch.setattr(provenance, "kernel_hashes", lambda: changed)
    assert qualification.current() is None
    monkeypatch.setattr(provenance, "kernel_hashes", dict)
    assert qualification.current() is None


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_ignored(state, mode):
    record().chmod(mode)
    found, reason = qualification.inspect()
    assert found is None
    assert "can be written by others" in reason


def test_a_directory_that_others_can_write_is_ignored_and_not_written(state):
    path = record()
    state.chmod(0o777)
    assert "can be written by others" in qualification.inspect()[1]
    path.unlink()
    with pytest.raises(ValueError, match="can be written by others"):
        record()
    assert stat.S_IMODE(state.stat().st_mode) == 0o777, "permissions of a directory of others are theirs"


def test_a_link_or_a_pipe_in_its_place_is_ignored_and_replaced(state, tmp_path):
    path = record()
    real = tmp_path / "real.json"
    path.rename(real)
    path.symlink_to(real)
    assert qualification.inspect()[1].startswith("ignored: ")
    record()
    assert not path.is_symlink()
    assert qualification.current() is not None
    path.unlink()
    os.mkfifo(path)
    assert "not a regular file" in qualification.inspect()[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_another_user_is_ignored(state):
    path = record()
    os.chown(path, 12345, -1)
    assert "belongs to another user" in qualification.inspect()[1]


def test_without_the_override_it_is_the_users_state_directory(monkeypatch):
    import platformdirs

    monkeypatch.delenv(qualification.ENVIRONMENT, raising=False)
    assert qualification.directory() == platformdirs.user_state_path("isometal")


def test_asking_imports_nothing_heavy(tmp_path):
    """Selection asks on the first op of every process."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "from isometal import qualification; qualification.current()\n"
        "heavy = {'jsonschema', 'rich', 'typer', 'hypothesis', 'mlx', 'isometal.parity'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    environment = {**os.environ, qualification.ENVIRONMENT: str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=60)


def test_a_record_is_a_frozen_value(state):
    record()
    with pytest.raises(dataclasses.FrozenInstanceError):
        qualification.current().version = "1"
