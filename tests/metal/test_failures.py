"""A kernel that fails on the device: what is told, when, by whom, and that the device goes on working.

The kernels of `binary` here wait at two different barriers, which the software device finds out as a hang.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import isometal as im
from isometal import kernels
from isometal.backends.metal import MetalBackend

_START = "  const Op op;\n#define ONE(i) out[i]"
_HANG = (
    "  if (index % 2 == 0) threadgroup_barrier(mem_flags::mem_threadgroup);\n"
    "  else threadgroup_barrier(mem_flags::mem_device);\n"
)
_MESSAGE = (
    r"^\[metal\] the device failed: .*kernel 'binary_add_float32_flat' hangs .*"
    r"kernels of the command buffer: binary_add_float32_flat[^:]*\.$"
)


def broken_library(family: str, bfloat: bool) -> Any:
    text = kernels.source(family, bfloat)
    if family == "binary":
        assert text.count(_START) == 1
        text = text.replace(_START, _HANG + _START)
    return text


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> MetalBackend:
    """A backend whose binary kernels fail. What the device prints of that is read, so that it stays off the report."""
    monkeypatch.setattr(kernels, "library", broken_library)
    return MetalBackend()


def _ones(backend: MetalBackend) -> Any:
    return backend.from_numpy(np.ones(64, np.float32))


@pytest.mark.parametrize(
    "sync",
    [
        pytest.param(lambda backend, y: backend.to_numpy(y), id="to_numpy"),
        pytest.param(lambda backend, y: backend.eval(y), id="eval"),
        pytest.param(lambda backend, y: backend._metal.synchronize(), id="synchronize"),
        pytest.param(lambda backend, y: np.from_dlpack(y), id="from_dlpack"),
        pytest.param(lambda backend, y: im.Array(y, backend).numpy(), id="Array.numpy"),
        pytest.param(lambda backend, y: im.Array(y, backend).eval(), id="Array.eval"),
        pytest.param(lambda backend, y: np.asarray(im.Array(y, backend)), id="asarray"),
        pytest.param(lambda backend, y: im.Array(y, backend).tolist(), id="tolist"),
        pytest.param(lambda backend, y: repr(im.Array(y, backend)), id="repr"),
        pytest.param(lambda backend, y: im.Array(y, backend).to("cpu"), id="to"),
    ],
)
def test_the_next_sync_names_the_kernel(broken: MetalBackend, sync: Callable[[MetalBackend, Any], Any]) -> None:
    x = _ones(broken)
    y = broken.add(x, x)
    with pytest.raises(im.BackendError, match=_MESSAGE):
        sync(broken, y)


def test_a_sync_of_other_arrays_tells_too_and_only_once(broken: MetalBackend) -> None:
    x = _ones(broken)
    y = broken.add(x, x)
    broken._metal.flush()
    with pytest.raises(im.BackendError, match=_MESSAGE):
        broken._metal.synchronize()
    broken._metal.synchronize()
    assert broken.to_numpy(broken.negative(x))[0] == -1
    with pytest.raises(im.BackendError, match=_MESSAGE):
        broken.to_numpy(y)


def test_what_was_computed_from_it_never_passes_for_a_result(broken: MetalBackend) -> None:
    x, long = _ones(broken), broken.from_numpy(np.ones(1 << 22, np.float32))
    broken.eval(broken.negative(long))
    with pytest.raises(im.BackendError, match=_MESSAGE):
        broken.eval(broken.add(x, x))
    # Keeps the device busy until everything is encoded, as a rule; where it does not, encoding already raises.
    kept = [broken.negative(long) for _ in range(8)]
    broken._metal.flush()
    y = broken.add(x, x)
    broken._metal.flush()

    def read_what_follows() -> None:
        kept.append(broken.negative(y))
        broken.to_numpy(kept[-1])

    with pytest.raises(im.BackendError, match=_MESSAGE):
        read_what_follows()
    for z in kept[8:]:
        with pytest.raises(im.BackendError, match=_MESSAGE):
            broken.to_numpy(z)
    assert broken.to_numpy(kept[0])[0] == -1
    # Known to have failed: not even encoded.
    dispatches = broken._metal.stats()["dispatches"]
    with pytest.raises(im.BackendError, match=_MESSAGE):
        broken.negative(y)
    assert broken._metal.stats()["dispatches"] == dispatches


def test_the_device_goes_on_and_uses_the_memory_again(broken: MetalBackend) -> None:
    x = _ones(broken)
    for _ in range(5):
        with pytest.raises(im.BackendError):
            broken.to_numpy(broken.add(x, x))
        results = [broken.negative(x) for _ in range(8)]
        assert all((broken.to_numpy(broken.silu(y)) < 0).all() for y in results)


def _script(code: str) -> subprocess.CompletedProcess[str]:
    start = (
        "import numpy as np\nimport isometal as im\nfrom isometal import kernels\n"
        "x = im.array(np.ones(64, np.float32), backend='metal')\n"
    )
    return subprocess.run(
        [sys.executable, "-c", start + code], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    "code",
    [
        "y = im.add(x, x)",
        "y = im.add(x, x).eval()",
        "import builtins; builtins.keep = im.silu(im.add(x, x))",
        "from isometal.backends.metal import MetalBackend; m = MetalBackend(); y = m.negative(m.from_numpy(x.numpy()))",
        "import threading; t = threading.Thread(target=lambda: im.add(x, x)); t.start(); t.join()",
    ],
)
def test_nothing_is_left_behind_at_the_end_of_the_interpreter(code: str) -> None:
    # It depended on which thread was first.
    for _ in range(3):
        done = _script(code)
        assert (done.returncode, done.stderr) == (0, "")
