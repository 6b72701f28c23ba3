"""What a device allows is asked of each pipeline and kept to: here of one that allows fewer threads than others."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

START = (
    "import numpy as np\nfrom isometal.backends.metal import MetalBackend\nfrom isometal.errors import BackendError\n"
    "metal = MetalBackend()\n"
)


def run(script: str, most: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START + script],
        env=os.environ | {"ISOMETAL_SOFT_MAX_THREADS": most},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("most", ["1", "40", "96"])
def test_kernels_of_a_grid_of_threads_run_in_smaller_threadgroups(most: str) -> None:
    script = (
        "x = np.linspace(-3, 3, 3 * 37 * 41, dtype=np.float32).reshape(3, 37, 41)\n"
        "y = metal.from_numpy(x)\n"
        "assert np.array_equal(metal.to_numpy(metal.add(y, y)), x + x)\n"
        "turned = metal.transpose(y, (2, 0, 1))\n"
        "assert np.array_equal(metal.to_numpy(metal.negative(turned)), -x.transpose(2, 0, 1))\n"
        "assert np.array_equal(metal.to_numpy(metal.add(turned, turned)), 2 * x.transpose(2, 0, 1))\n"
        "mask = metal.to_numpy(metal.causal_mask(50, 70, np.dtype('float32')))\n"
        "assert np.array_equal(mask < 0, np.tri(50, 70, 20, dtype=bool) == 0)\n"
        "turn = metal.to_numpy(metal.rope(y, 40, False, 1e4, 1.0, 0, None))\n"
        "assert np.array_equal(turn[:, 0], x[:, 0]) and not np.array_equal(turn[:, 1], x[:, 1])\n"
        "print('right')\n"
    )
    done = run(script, most)
    assert done.stdout == "right\n", done.stderr


def test_a_threadgroup_that_is_too_large_is_refused_with_kernel_and_figures() -> None:
    script = (
        "x = metal.from_numpy(np.ones((300, 4096), np.float32))\n"
        "for op in (lambda: metal.softmax(x, (1,), True), lambda: metal.sum(x, (0,), False)):\n"
        "    try:\n        op()\n"
        "    except BackendError as error:\n        print(error)\n"
        "print(metal.to_numpy(metal.add(x, x))[0, 0])\n"
    )
    done = run(script, "32")
    refused = [line for line in done.stdout.splitlines() if line.endswith("this device allows 32.")]
    assert len(refused) == 2, done.stdout + done.stderr
    assert refused[0].startswith("[metal] kernel softmax_float32_row_")
    assert refused[1].startswith("[metal] kernel reduce_sum_float32_column needs ")
    assert all(" threads in a threadgroup; " in line for line in refused)
    # What needs no such threadgroup goes on.
    assert done.stdout.splitlines()[-1] == "2.0"


def test_a_limit_that_is_no_number_leaves_no_device() -> None:
    done = run("", "many")
    assert "ISOMETAL_SOFT_MAX_THREADS is 'many'; it must be a number from 1 to 1024." in done.stderr
    assert done.returncode == 1
