"""The same views of a NumPy array and of an array on the device, and values that show every mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isometal import dtypes
from isometal.backends.metal import MetalBackend

NDArray = np.ndarray[Any, Any]
View = Callable[[Any, Any], Any]


class Numpy:
    """The backend's view methods, of NumPy arrays."""

    def getitem(self, x: Any, index: Any) -> Any:
        return x[index]

    def transpose(self, x: Any, axes: Any) -> Any:
        return x.transpose(axes)

    def broadcast_to(self, x: Any, shape: Any) -> Any:
        return np.broadcast_to(x, shape)


def _cut(*bounds: int | None) -> View:
    return lambda b, x: b.getitem(x, tuple(slice(*bounds) for _ in x.shape))


#: Each makes a view of an array of any rank.
VIEWS: dict[str, View] = {
    "plain": lambda b, x: x,
    "transposed": lambda b, x: b.transpose(x, tuple(reversed(range(len(x.shape))))),
    "reversed": _cut(None, None, -1),
    "every_other": _cut(None, None, 2),
    "offset": _cut(1, None),
    "offset_inside": _cut(1, -1),
    "last_first": lambda b, x: b.transpose(x, (len(x.shape) - 1, *range(len(x.shape) - 1))),
    "row_repeated": lambda b, x: b.broadcast_to(x, (3, *x.shape)),
    "column_repeated": lambda b, x: b.broadcast_to(
        b.getitem(x, (*(slice(None) for _ in x.shape), None)), (*x.shape, 5)
    ),
    "transposed_backwards": lambda b, x: b.transpose(
        b.getitem(x, tuple(slice(None, None, -1) for _ in x.shape)), tuple(reversed(range(len(x.shape))))
    ),
}


def values(shape: tuple[int, ...], dtype: str, seed: int = 0) -> NDArray:
    """Every bit pattern, as far as there is room: NaN with their payload and -0 included."""
    kind = np.dtype(np.bool_) if dtype == "bool" else dtypes.BY_NAME[dtype]
    count = int(np.prod(shape, dtype=int))
    random = np.random.default_rng(seed)
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(np.bool_)
    return np.frombuffer(random.bytes(count * kind.itemsize), kind).reshape(shape)


def same_bits(metal: MetalBackend, actual: Any, expected: NDArray) -> None:
    got = metal.to_numpy(actual)
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    width = np.dtype(f"u{expected.itemsize}")
    np.testing.assert_array_equal(
        np.ascontiguousarray(got).view(width), np.ascontiguousarray(expected).view(width), strict=False
    )
