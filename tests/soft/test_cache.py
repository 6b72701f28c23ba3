"""The compile cache: whose directory it takes, what it believes, and what happens when processes meet or die in it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from isometal.soft import cache
from isometal.soft.cache import Cache, Entry, key_of
from isometal.soft.errors import SoftDeviceError

KEY = key_of("a kernel")
ENTRY = Entry({"name": "add", "sites": [1, 2.5, None, "ü"]}, bytes(range(256)))


@pytest.fixture
def store(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "kernels")


def file_of(store: Cache, key: str = KEY) -> Path:
    (path,) = store.folder.glob(f"{key}*")
    return path


# -- entries ----------------------------------------------------------------------------------------------------------


def test_an_entry_comes_back_as_it_was(store):
    assert store.get(KEY) is None
    store.put(KEY, ENTRY)
    assert store.get(KEY) == ENTRY
    assert Cache(store.folder).get(KEY) == ENTRY


def test_a_key_depends_on_each_part_and_on_where_parts_end():
    keys = {key_of(), key_of(""), key_of("ab"), key_of("a", "b"), key_of("b", "a"), key_of("ab", ""), key_of("a", b"c")}
    assert len(keys) == 7
    assert key_of("a", b"b") == key_of(b"a", "b")


def test_any_damaged_byte_and_any_truncation_is_a_miss(store):
    store.put(KEY, ENTRY)
    path = file_of(store)
    good = path.read_bytes()
    for offset in range(len(good)):
        path.write_bytes(good[:offset] + bytes([good[offset] ^ 1]) + good[offset + 1 :])
        assert store.get(KEY) is None
    for size in range(len(good)):
        path.write_bytes(good[:size])
        assert store.get(KEY) is None
    path.write_bytes(good + b"\0")
    assert store.get(KEY) is None
    store.put(KEY, ENTRY)
    assert store.get(KEY) == ENTRY


def test_an_entry_under_another_name_is_a_miss(store):
    store.put(KEY, ENTRY)
    other = key_of("another kernel")
    file_of(store).rename(store.folder / file_of(store).name.replace(KEY, other))
    assert store.get(other) is None


def test_what_is_no_plain_file_is_a_miss(store, tmp_path):
    store.put(KEY, ENTRY)
    path = file_of(store)
    elsewhere = path.rename(tmp_path / "elsewhere")
    path.symlink_to(elsewhere)
    assert store.get(KEY) is None
    path.unlink()
    os.mkfifo(path)
    assert store.get(KEY) is None


def test_files_are_the_users_alone(store):
    store.put(KEY, ENTRY)
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert file_of(store).stat().st_mode & 0o777 == 0o600


# -- the directory ----------------------------------------------------------------------------------------------------


def test_the_environment_names_the_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("ISOMETAL_CACHE_DIR", str(tmp_path / "here"))
    assert Cache().folder == tmp_path / "here" / "kernels"
    monkeypatch.delenv("ISOMETAL_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache.directory().name == "isometal"


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777])
def test_a_directory_that_others_can_write_to_is_refused(tmp_path, mode):
    tmp_path.chmod(mode)
    with pytest.raises(SoftDeviceError, match=r"can be written by others; chmod go-w it, or set ISOMETAL_CACHE_DIR\."):
        Cache(tmp_path)


def test_a_directory_of_somebody_else_is_refused(tmp_path, monkeypatch):
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(SoftDeviceError, match="belongs to another user"):
        Cache(tmp_path)


def test_a_directory_that_cannot_be_made_is_a_warning(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(RuntimeWarning, match="compiled kernels are not kept"):
        store = Cache(tmp_path / "file" / "kernels")
    store.put(KEY, ENTRY)
    assert store.get(KEY) is None
    assert store.info().entries == 0


def test_a_full_disk_is_one_warning_and_leaves_nothing_behind(store, monkeypatch):
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(RuntimeWarning, match="No space left on device"):
        store.put(KEY, ENTRY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.put(KEY, ENTRY)
    assert list(store.folder.iterdir()) == []


# -- the limit --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"), [("1000", 1000), ("3k", 3072), ("500M", 500 * 2**20), (" 2GB ", 2**31), ("", 2**30)]
)
def test_the_limit_is_a_size(monkeypatch, text, size):
    monkeypatch.setenv("ISOMETAL_CACHE_LIMIT", text)
    assert cache.limit() == size


@pytest.mark.parametrize("text", ["-1", "1T", "many", "1.5G"])
def test_a_limit_that_is_no_size_is_an_error(monkeypatch, text):
    monkeypatch.setenv("ISOMETAL_CACHE_LIMIT", text)
    with pytest.raises(SoftDeviceError, match="is no size"):
        cache.limit()


def test_those_not_used_for_longest_go(store, monkeypatch):
    keys = [key_of(str(number)) for number in range(10)]
    for age, key in enumerate(keys):
        store.put(key, ENTRY)
        past = time.time() - 1000 + age
        os.utime(file_of(store, key), (past, past))
    store.get(keys[0])
    size = file_of(store, keys[0]).stat().st_size
    monkeypatch.setenv("ISOMETAL_CACHE_LIMIT", str(10 * size))
    new = key_of("new")
    store.put(new, ENTRY)
    kept = [key for key in [*keys, new] if store.get(key)]
    assert kept == [keys[0], *keys[4:], new]
    assert store.info().size == 8 * size


def test_entries_of_other_processes_count(store, monkeypatch):
    """Each cache object believes that it alone writes until it reaches the limit; then it counts."""
    other = Cache(store.folder)
    store.put(KEY, ENTRY)
    size = file_of(store).stat().st_size
    monkeypatch.setenv("ISOMETAL_CACHE_LIMIT", str(5 * size))
    for number in range(20):
        (store if number % 2 else other).put(key_of(str(number)), ENTRY)
    assert store.info().size <= 10 * size


def test_what_interrupted_writes_left_is_removed_in_time(store):
    old, new = store.folder / ".x.entry.1.tmp", store.folder / ".x.entry.2.tmp"
    for path in (old, new):
        path.write_bytes(b"part")
    past = time.time() - 7200
    os.utime(old, (past, past))
    store.put(KEY, ENTRY)
    assert not old.exists()
    assert new.exists()


def test_info_and_clear(store):
    store.put(KEY, ENTRY)
    store.put(key_of("b"), ENTRY)
    found = store.info()
    assert (found.folder, found.entries, found.size) == (store.folder, 2, 2 * file_of(store).stat().st_size)
    assert store.clear() == 2
    assert store.info().entries == 0
    assert store.get(KEY) is None


# -- processes --------------------------------------------------------------------------------------------------------

WRITER = """
import sys
from isometal.soft.cache import Cache, Entry, key_of
store = Cache(sys.argv[1])
print("ready", flush=True)
round = 0
while True:
    key = key_of(str(round % 7))
    store.put(key, Entry({"round": round % 7}, bytes([round % 7]) * 50_000))
    found = store.get(key)
    # Another process may have evicted it, but what is there is whole.
    assert found is None or (found.facts["round"], found.data) == (round % 7, bytes([round % 7]) * 50_000)
    round += 1
"""


def test_processes_that_write_the_same_entries_and_are_killed_leave_whole_ones(store):
    environment = {**os.environ, "ISOMETAL_CACHE_LIMIT": "250K"}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(store.folder)], stdout=subprocess.PIPE, env=environment, text=True
        )
        for _ in range(3)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        hits = 0
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            for number in range(7):
                found = store.get(key_of(str(number)))
                if found is not None:
                    assert found == Entry({"round": number}, bytes([number]) * 50_000)
                    hits += 1
        assert hits > 10
        assert [writer.poll() for writer in writers] == [None, None, None], "a writer failed"
    finally:
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            assert writer.stdout is not None
            writer.stdout.close()
    left = store.info()
    assert left.entries > 0
    for number in range(7):
        found = store.get(key_of(str(number)))
        assert found is None or found.data == bytes([number]) * 50_000
