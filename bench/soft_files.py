"""What the software device's bench rows run: Apple's kernels, with the launches of the acceptance tests."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).parents[1] / "tests" / "soft"
# The wheel and MLX's launches belong to the tests; they are the same here.
sys.path += [str(_TESTS), str(_TESTS / "acceptance")]

import mlx_wheel  # noqa: E402
from apple.device import bound  # noqa: E402
from apple.host import elementwise, gemm, rows  # noqa: E402
from apple.launch import Program  # noqa: E402

from isometal.soft import Library  # noqa: E402

__all__ = ["elementwise", "gemm", "library", "metallib", "rows", "runner"]


def metallib() -> Path:
    """Raises mlx_wheel.Unavailable where it is neither cached nor to be had."""
    return mlx_wheel.folder() / "mlx" / "lib" / "mlx.metallib"


@functools.cache
def library() -> Library:
    return Library.from_metallib(metallib())


def runner(program: Program, threads: int = 1) -> Callable[[], object]:
    """Runs a program of one launch, with what it takes to bind buffers, and nothing else."""
    (launch,) = program.launches
    kernel: Any = library().kernel(launch.kernel, constants=dict(launch.constants))
    buffers = {index: bound(value) for index, value in launch.buffers.items()}
    return lambda: kernel(
        buffers, grid=launch.grid, threadgroup=launch.threadgroup, dispatch=launch.dispatch, threads=threads
    )
