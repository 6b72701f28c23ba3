"""The dispatcher: memory that is reused, order, waiting, threads, forks, the end."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from isometal import _core
from isometal.errors import BackendError

if TYPE_CHECKING:
    from isometal.backends.metal import MetalBackend

_PAGE = 16384


def _ramp(metal: MetalBackend, size: int) -> _core.Array:
    return metal.from_numpy(np.arange(size, dtype=np.float32))


def test_a_long_chain_holds_constant_memory(metal: MetalBackend) -> None:
    x = _ramp(metal, 16)
    y = metal.add(x, x)
    metal._metal.synchronize()
    before = metal._metal.stats()
    for _ in range(10_000):
        y = metal.add(y, x)
    assert metal.to_numpy(y)[1] == 10_002
    after = metal._metal.stats()
    assert after["peak_bytes"] - before["peak_bytes"] <= 4 * 256
    assert after["allocations"] - before["allocations"] <= 4
    assert after["dispatches"] - before["dispatches"] == 10_000


def test_barriers_stand_only_between_dependent_dispatches(metal: MetalBackend) -> None:
    x = _ramp(metal, 64)
    metal._metal.synchronize()
    before = metal._metal.stats()["barriers"]
    # Three dispatches: a fourth would commit, and a new encoder needs no barrier.
    a, b = metal.add(x, x), metal.add(x, x)
    assert metal._metal.stats()["barriers"] == before
    total = metal.add(a, b)
    assert metal._metal.stats()["barriers"] == before + 1
    assert np.array_equal(metal.to_numpy(total), 4 * np.arange(64, dtype=np.float32))


def test_memory_of_a_dead_array_serves_the_next_result_in_order(metal: MetalBackend) -> None:
    x = _ramp(metal, 4096)
    expected = np.arange(4096, dtype=np.float32)
    y = x
    for step in range(200):
        y = metal.subtract(metal.add(y, x), x) if step % 2 else metal.multiply(metal.add(y, x), y)
        y = metal.from_numpy(expected) if step % 2 else y
    assert np.array_equal(metal.to_numpy(metal.add(y, x)), 2 * expected)


def test_what_is_written_to_numpy_afterwards_does_not_reach_the_device(metal: MetalBackend) -> None:
    values = np.ones(1 << 16, np.float32)
    x = metal.from_numpy(values)
    y = metal.add(x, x)
    values[:] = 7
    assert np.array_equal(metal.to_numpy(y), np.full(1 << 16, 2, np.float32))


def test_whole_pages_are_used_in_place(metal: MetalBackend) -> None:
    pages = _core.empty((2 * _PAGE // 4,), "float32")
    view = np.asarray(pages)
    view[:] = 3
    x = metal._metal.adopt(pages, in_place=True)
    assert x is not None
    assert np.shares_memory(metal.to_numpy(x), view)
    assert metal.to_numpy(metal.add(x, x))[-1] == 6
    # A view keeps the memory alive after everything else has gone.
    del pages, view
    assert metal.to_numpy(metal.add(x, x))[0] == 6


def test_less_than_a_page_cannot_be_used_in_place(metal: MetalBackend) -> None:
    assert metal._metal.adopt(_core.asarray(np.zeros(8, np.float32)), in_place=True) is None


def test_a_poisoned_result_shows(metal: MetalBackend) -> None:
    metal.poison(64)
    raw = np.asarray(metal._metal.empty((16,), "float32"))
    assert np.all(np.isnan(raw))


def test_the_cache_has_a_limit(metal: MetalBackend) -> None:
    made = [_ramp(metal, 1 << 16) for _ in range(8)]
    metal._metal.synchronize()
    del made
    assert metal._metal.stats()["cached_bytes"] >= 8 << 18
    try:
        metal._metal.set_cache_limit(1 << 18)
        assert metal._metal.stats()["cached_bytes"] <= 1 << 18
    finally:
        metal._metal.set_cache_limit(1 << 30)


def test_threads_share_the_device(metal: MetalBackend) -> None:
    wrong: list[float] = []

    def work(seed: int) -> None:
        values = np.full(257, seed, np.float32)
        x = metal.from_numpy(values)
        y = x
        for _ in range(300):
            y = metal.add(y, x)
        if not np.array_equal(metal.to_numpy(y), 301 * values):
            wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_operand_in_host_memory_is_refused(metal: MetalBackend) -> None:
    host = _core.asarray(np.zeros(4, np.float32))
    with pytest.raises(BackendError, match="host memory"):
        metal._metal.add(host, host)


def test_a_family_that_does_not_exist_cannot_be_forced(metal: MetalBackend) -> None:
    with pytest.raises(ValueError, match="'gem' names no kernel family"):
        metal._metal.force("gem", "")


def _run(script: str) -> subprocess.CompletedProcess[str]:
    start = (
        "import numpy as np\nfrom isometal.backends.metal import MetalBackend\n"
        "from isometal.errors import BackendError\n"
        "metal = MetalBackend()\nx = metal.from_numpy(np.ones(64, np.float32))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", start + script], capture_output=True, text=True, timeout=120, check=False
    )


def test_a_forked_child_is_told_to_spawn() -> None:
    done = _run(
        "import os, sys\nmetal.add(x, x)\npid = os.fork()\n"
        "if pid == 0:\n"
        "    try:\n        metal.add(x, x)\n"
        "    except BackendError as error:\n        os._exit(0 if 'spawn' in str(error) else 2)\n"
        "    os._exit(3)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), metal.to_numpy(metal.add(x, x))[0])\n"
    )
    assert done.stdout.split() == ["0", "2.0"], done.stderr


def test_a_forked_child_ends_like_any_other() -> None:
    """Also with work of the parent's, which the device of the child will never do."""
    done = _run(
        "import os, sys\nkept = metal.add(x, x)\npid = os.fork()\n"
        "if pid == 0:\n    sys.exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), metal.to_numpy(kept)[0])\n"
    )
    assert done.stdout.split() == ["7", "2.0"], done.stderr


def test_work_that_nobody_waits_for_ends_with_the_interpreter() -> None:
    done = _run("for _ in range(500): y = metal.add(x, x)\nprint('end')\n")
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr


def test_more_than_a_buffer_holds_is_refused_in_words(metal: MetalBackend, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MemoryError, match=r"cannot allocate \d+ bytes on the Metal device; a buffer has \d+ at most"):
        metal._metal.empty((1 << 21, 1 << 21), "float32")
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says how much memory a process has mapped")
def test_memory_that_the_device_still_uses_is_waited_for() -> None:
    """Each result is dropped at once and too large for the one before: together they are more than there is."""
    done = _run(
        "import resource\n"
        "x = metal.from_numpy(np.ones((1, 1), np.float32))\n"
        "metal.eval(metal.add(x, metal.broadcast_to(x, (5, 7))))\n"
        "used = 4096 * int(open('/proc/self/statm').read().split()[0])\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 29), used + (1 << 29)))\n"
        "for size in (100, 130, 170, 220, 280):\n"
        "    last = metal.add(x, metal.broadcast_to(x, (size, 1 << 18)))\n"
        "    keep = float(metal.to_numpy(last)[0, 0]) if size == 280 else None\n"
        "    del last\n"
        "print(keep, metal._metal.stats()['peak_bytes'] >> 20)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "2.0"


def test_an_unknown_device_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from isometal.backends.metal import MetalBackend

    monkeypatch.setenv("ISOMETAL_DEVICE", "gpu")
    with pytest.raises(BackendError, match="ISOMETAL_DEVICE='gpu' names no device; choose one of apple-gpu, "):
        MetalBackend()
    monkeypatch.setenv("ISOMETAL_DEVICE", "apple-gpu")
    with pytest.raises(BackendError, match="ISOMETAL_DEVICE=apple-gpu: this build of isometal is for Linux"):
        MetalBackend()
