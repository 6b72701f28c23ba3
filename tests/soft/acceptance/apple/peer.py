"""MLX's own CPU backend: arrays in and out, through the adapter that the parity suite trusts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from apple.launch import NDArray


@functools.cache
def _backend() -> Any:
    from isometal.backends.mlx import MlxBackend

    return MlxBackend()


def mlx(function: Callable[..., Any], *arrays: NDArray | None, **parameters: Any) -> Callable[[], NDArray]:
    """Calls `function(mlx.core, *arrays)` when it is asked for the answer, which comes back flat."""

    def answer() -> NDArray:
        import mlx.core as mx

        backend = _backend()
        with mx.stream(mx.cpu):
            operands = [None if x is None else backend.from_numpy(np.ascontiguousarray(x), copy=True) for x in arrays]
            result = function(mx, *operands, **parameters)
            return np.asarray(backend.to_numpy(result)).reshape(-1)

    return answer
