"""softmax: every variant at its edges, over every choice of axes, against float64."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rows import TOLERANCE, close, numbers
from views import VIEWS, Numpy

from isometal import dtypes
from isometal.backends.metal import MetalBackend

Force = Callable[[str, str], None]
NDArray = np.ndarray[Any, Any]
Axes = tuple[int, ...]

DTYPES = tuple(TOLERANCE)
VARIANTS = ("", "row_simdgroup", "row_register", "row_loop", "row_split", "column")

every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda name: name or "own choice")
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def _softmax(metal: MetalBackend, data: Any, axes: Axes) -> NDArray:
    result: NDArray = metal.to_numpy(metal.softmax(data, axes, precise=False))
    return result


def _expected(x: NDArray, axes: Axes) -> NDArray:
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore"):
        e = np.exp(wide - wide.max(axis=axes, keepdims=True))
    total: NDArray = e / e.sum(axis=axes, keepdims=True)
    return total


def _check(metal: MetalBackend, x: NDArray, axes: Axes, dtype: str) -> None:
    close(_softmax(metal, metal.from_numpy(x), axes), _expected(x, axes), dtype, "softmax")


def _every_choice(rank: int) -> list[Axes]:
    return [axes for count in range(rank + 1) for axes in itertools.combinations(range(rank), count)]


@every_variant
@every_dtype
def test_row_lengths(metal: MetalBackend, force: Force, dtype: str, variant: str) -> None:
    """Around every number of lanes, chunks and threads, and primes between."""
    force("softmax", variant)
    for size in (1, 2, 3, 4, 5, 31, 33, 127, 128, 129, 257, 509, 513, 641, 767, 768, 769, 1023, 1025, 2048, 2053, 4097):
        _check(metal, 4 * numbers((9, size), dtype), (1,), dtype)


@pytest.mark.parametrize(
    "variant", ["", "row_register", "row_loop", "row_split"], ids=lambda name: name or "own choice"
)
@every_dtype
def test_long_rows(metal: MetalBackend, force: Force, dtype: str, variant: str) -> None:
    force("softmax", variant)
    for size in (8191, 16383, 16384, 16385, 20001, 32769, 131072):
        _check(metal, 4 * numbers((2, size), dtype), (1,), dtype)


@every_dtype
def test_very_long_rows(metal: MetalBackend, dtype: str) -> None:
    _check(metal, numbers((1_000_003,), dtype), (0,), dtype)
    _check(metal, numbers((200, 17_001), dtype), (1,), dtype)


@every_variant
@every_dtype
def test_every_choice_of_axes(metal: MetalBackend, force: Force, dtype: str, variant: str) -> None:
    force("softmax", variant)
    for shape in ((1,), (37,), (5, 3), (33, 70), (5, 7, 9), (2, 300, 4), (3, 1, 8, 2, 5)):
        x = numbers(shape, dtype)
        for axes in _every_choice(x.ndim):
            _check(metal, x, axes, dtype)


@every_dtype
def test_columns(metal: MetalBackend, force: Force, dtype: str) -> None:
    """Around every number of columns of a thread, of lanes, and of helpers."""
    force("softmax", "column")
    for columns in (2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 127, 129, 1025):
        for size in (1, 2, 3, 5, 16, 17, 33, 67, 257, 1031):
            _check(metal, 3 * numbers((2, size, columns), dtype), (1,), dtype)


@every_variant
@pytest.mark.parametrize("view", VIEWS)
def test_views(metal: MetalBackend, force: Force, view: str, variant: str) -> None:
    force("softmax", variant)
    for shape in ((5,), (31, 33), (6, 5, 11)):
        x = numbers(shape, "float32")
        data, viewed = VIEWS[view](metal, metal.from_numpy(x)), VIEWS[view](Numpy(), x)
        for axes in _every_choice(viewed.ndim):
            close(_softmax(metal, data, axes), _expected(viewed, axes), "float32", "softmax")


@every_variant
@every_dtype
def test_rows_by_strides(metal: MetalBackend, force: Force, dtype: str, variant: str) -> None:
    force("softmax", variant)
    x = numbers((2, 3, 4, 77), dtype)
    data = metal.transpose(metal.from_numpy(x), (0, 2, 1, 3))
    close(_softmax(metal, data, (3,)), _expected(x.transpose(0, 2, 1, 3), (3,)), dtype, "softmax")


def test_rows_are_read_where_they_lie(metal: MetalBackend) -> None:
    """Heads between batch and positions, a slice of columns, and one row repeated: no copy."""
    x = numbers((3, 5, 4, 40), "float32")
    data = metal.from_numpy(x)
    before = metal._metal.stats()["dispatches"]
    for view in (
        lambda b, a: b.transpose(a, (0, 2, 1, 3)),
        lambda b, a: b.getitem(a, (slice(None), slice(None), slice(None, None, -1), slice(3, 33))),
        lambda b, a: b.broadcast_to(b.getitem(a, (slice(1), slice(None), slice(None), slice(None))), (7, 5, 4, 40)),
    ):
        expected = _expected(view(Numpy(), x), (3,))
        close(_softmax(metal, view(metal, data), (3,)), expected, "float32", "softmax")
    assert metal._metal.stats()["dispatches"] == before + 3


@every_variant
@every_dtype
def test_special_values(metal: MetalBackend, force: Force, dtype: str, variant: str) -> None:
    """-inf has no weight, unless there is nothing else; NaN and +inf spoil their own row alone."""
    force("softmax", variant)
    kind = dtypes.BY_NAME[dtype]
    for size in (2, 33, 600, 1300):
        x = numbers((7, size), dtype)
        x[1] = -np.inf
        x[2, :-1] = -np.inf
        x[3, size // 2] = np.nan
        x[4, -1] = np.inf
        x[5] = np.finfo(np.float16).max
        x[6, 0] = -np.inf
        for axis, rows in ((1, x), (0, np.ascontiguousarray(x.T))):
            actual = _softmax(metal, metal.from_numpy(rows), (axis,))
            actual = actual if axis == 1 else actual.T
            for row in (1, 3, 4):
                assert np.isnan(actual[row].astype(np.float32)).all()
            np.testing.assert_array_equal(actual[2].astype(np.float32), np.eye(1, size, size - 1, dtype=np.float32)[0])
            np.testing.assert_array_equal(actual[5], np.full(size, 1 / size, np.float32).astype(kind))
            good = [0, 6]
            close(actual[good], _expected(x[good], (1,)), dtype, "softmax")


@every_variant
def test_a_maximum_that_comes_late(metal: MetalBackend, force: Force, variant: str) -> None:
    """What was added up before is scaled each time."""
    force("softmax", variant)
    x = np.linspace(-300, 300, 5 * 4099, dtype=np.float32).reshape(5, 4099)
    for values in (x, x[:, ::-1].copy(), np.where(np.arange(4099) % 1024 == 1023, x, -np.inf).astype(np.float32)):
        _check(metal, values, (1,), "float32")
        _check(metal, np.ascontiguousarray(values.T), (0,), "float32")


@every_variant
def test_empty_and_zero_d(metal: MetalBackend, force: Force, variant: str) -> None:
    force("softmax", variant)
    for shape, axes in (((0, 4), (1,)), ((4, 0), (1,)), ((4, 0), (0,)), ((0,), (0,)), ((2, 0, 3), (0, 2))):
        assert _softmax(metal, metal.from_numpy(np.zeros(shape, np.float32)), axes).shape == shape
    assert _softmax(metal, metal.from_numpy(np.array(5, np.float32)), ()) == 1


def test_many_axes(metal: MetalBackend) -> None:
    x = numbers((2,) * 14 + (1,) * 18, "float32")
    for axes in ((), (0,), (13,), (13, 31), tuple(range(0, 14, 3)), tuple(range(32))):
        _check(metal, x, axes, "float32")
