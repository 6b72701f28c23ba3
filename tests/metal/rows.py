"""Numbers for ops on rows, and how near float64 their results must be."""

from __future__ import annotations

from typing import Any

import numpy as np

from isometal import dtypes
from isometal.optable import OPS

NDArray = np.ndarray[Any, Any]

#: rtol and atol of softmax, rms_norm, rope.
TOLERANCE = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 1e-2}


def numbers(shape: tuple[int, ...], dtype: str, seed: int = 0) -> NDArray:
    """Normal, standard deviation 1."""
    values: NDArray = np.random.default_rng(seed).standard_normal(shape).astype(dtypes.BY_NAME[dtype])
    return values


def close(actual: NDArray, expected: NDArray, dtype: str, op: str) -> None:
    """Within the tolerance of the op table, and NaN and infinities where they belong."""
    assert actual.dtype == dtypes.BY_NAME[dtype]
    bound = OPS[op].tolerance[dtype].value
    np.testing.assert_allclose(actual.astype(np.float64), expected, rtol=bound, atol=bound)
