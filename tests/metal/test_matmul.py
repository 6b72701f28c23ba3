"""The kernels of matmul against float64: every tile and variant, edges, layouts, batches, special values."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from views import Numpy

from isometal import dtypes
from isometal.backends.metal import MetalBackend

NDArray = np.ndarray[Any, Any]

DTYPES = ("float32", "float16", "bfloat16")
#: Of a result, relative to |a| |b|: rounding to the dtype, and a float32 sum of at most a few thousand products.
BOUND = {"float32": 2e-6, "float16": 2**-10, "bfloat16": 2**-7}
TILES = {
    "64x64x16": (64, 64, 16),
    "64x32x32": (64, 32, 32),
    "32x32x16": (32, 32, 16),
    "16x64x32": (16, 64, 32),
    "64x16x32": (64, 16, 32),
    "32x32x8_direct": (32, 32, 8),
}
GEMV = ("shallow", "deep", "shallow_split", "deep_split")


def _spread(x: NDArray) -> NDArray:
    wide = np.full((*x.shape[:-2], 2 * x.shape[-2] + 1, 2 * x.shape[-1] + 1), np.nan, x.dtype)
    wide[..., 1::2, 1::2] = x
    return wide


#: How a matrix lies in memory, as an array that `array[view]` makes it again; the first two need no copy.
LAYOUTS: dict[str, tuple[Callable[[NDArray], NDArray], Callable[[Any, Any], Any]]] = {
    "rows": (lambda x: x, lambda b, x: x),
    "columns": (lambda x: np.swapaxes(x, -1, -2), lambda b, x: b.transpose(x, _swapped(x))),
    "skipped": (_spread, lambda b, x: _getitem(b, x, slice(1, None, 2), slice(1, None, 2))),
    "backwards": (lambda x: x[..., ::-1, ::-1], lambda b, x: _getitem(b, x, slice(None, None, -1))),
    "rows_backwards": (lambda x: x[..., ::-1, :], lambda b, x: _getitem(b, x, slice(None, None, -1), slice(None))),
    "cut": (
        lambda x: np.pad(x, [(0, 0)] * (x.ndim - 2) + [(1, 2), (3, 1)]),
        lambda b, x: _getitem(b, x, _CUT[0], _CUT[1]),
    ),
}
_CUT = (slice(1, -2), slice(3, -1))


def _swapped(x: Any) -> tuple[int, ...]:
    rank = len(x.shape)
    return (*range(rank - 2), rank - 1, rank - 2)


def _getitem(backend: Any, x: Any, rows: slice, columns: slice | None = None) -> Any:
    rank = len(x.shape)
    return backend.getitem(x, (*[slice(None)] * (rank - 2), rows, rows if columns is None else columns))


def _values(shape: tuple[int, ...], dtype: str, seed: int = 0) -> NDArray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtypes.BY_NAME[dtype])


def _on_device(metal: MetalBackend, x: NDArray, layout: str) -> Any:
    lay, view = LAYOUTS[layout]
    data = view(metal, metal.from_numpy(np.ascontiguousarray(lay(x))))
    assert tuple(data.shape) == x.shape
    return data


def _check(metal: MetalBackend, a: NDArray, b: NDArray, layouts: tuple[str, str] = ("rows", "rows")) -> NDArray:
    """a @ b on the device, held to the bound; the result."""
    x = metal.from_numpy(a) if a.ndim < 2 else _on_device(metal, a, layouts[0])
    y = metal.from_numpy(b) if b.ndim < 2 else _on_device(metal, b, layouts[1])
    dtype = dtypes.NAME_OF[a.dtype]
    expected = np.matmul(a.astype(np.float64), b.astype(np.float64))
    metal.poison(expected.size * a.itemsize)
    got = metal.to_numpy(metal.matmul(x, y))
    assert got.shape == expected.shape
    assert got.dtype == a.dtype
    scale = np.matmul(np.abs(a).astype(np.float64), np.abs(b).astype(np.float64))
    error = np.abs(got.astype(np.float64) - expected)
    assert np.all(error <= BOUND[dtype] * scale + 1e-30), f"{(error / (scale + 1e-30)).max():.2e} of |a| |b|"
    return got


def test_layouts_are_what_they_say() -> None:
    x = _values((2, 5, 7), "float32")
    for lay, view in LAYOUTS.values():
        np.testing.assert_array_equal(view(Numpy(), lay(x)), x)


# -- gemm -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("split", ["", "_split"], ids=["whole", "split"])
@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_edges_of_tiles(metal: MetalBackend, force: Callable[..., None], dtype: str, tile: str, split: str) -> None:
    force("gemm", tile + split)
    m, n, k = TILES[tile]
    for rows, columns, depth in ((-1, 1, 1), (0, 0, 0), (1, -1, -1), (m, 2 * n, 3 * k), (m + 3, n + 5, 4 * k + 7)):
        _check(metal, _values((m + rows, k + depth), dtype, 1), _values((k + depth, n + columns), dtype, 2))


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("sides", list(itertools.product(("rows", "columns"), repeat=2)), ids="-".join)
def test_orders_of_memory(metal: MetalBackend, force: Callable[..., None], sides: tuple[str, str], tile: str) -> None:
    m, n, k = TILES[tile]
    for dtype, (rows, columns, depth) in (
        ("float32", (0, 0, 0)),
        ("float32", (5, 7, 3)),
        ("float16", (m - 3, 0, k)),
        ("bfloat16", (0, n + 1, 0)),
        ("float32", (0, 0, 1)),
    ):
        force("gemm", tile)
        a, b = _values((m + rows, k + depth), dtype, 1), _values((k + depth, n + columns), dtype, 2)
        whole = _check(metal, a, b, sides)
        # Whatever the tile, each element is the same sum in the same order.
        force("gemm", "32x32x16")
        other = metal.to_numpy(metal.matmul(metal.from_numpy(a), metal.from_numpy(b)))
        np.testing.assert_array_equal(whole.view(f"u{whole.itemsize}"), other.view(f"u{other.itemsize}"))


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 13, 11), (9, 9, 9), (97, 101, 103), (127, 257, 61), (33, 1, 31)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_primes(metal: MetalBackend, force: Callable[..., None], dtype: str, shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    a, b = _values((m, k), dtype, 1), _values((k, n), dtype, 2)
    for tile in ("", *TILES):
        force("gemm", tile)
        _check(metal, a, b)


@pytest.mark.parametrize("first", LAYOUTS)
@pytest.mark.parametrize("second", LAYOUTS)
def test_layouts(metal: MetalBackend, force: Callable[..., None], first: str, second: str) -> None:
    a, b = _values((2, 33, 40), "float32", 1), _values((2, 40, 65), "float32", 2)
    _check(metal, a, b, (first, second))
    _check(metal, a[0, :3], b[0], (first, second))
    _check(metal, a[0], b[0, :, :5], (first, second))


def test_repeated_rows_and_columns(metal: MetalBackend) -> None:
    row, column = _values((1, 40), "float32", 1), _values((30, 1), "float32", 2)
    b = _values((40, 50), "float32", 3)
    expected = row.astype(np.float64) @ b
    got = metal.to_numpy(metal.matmul(metal.broadcast_to(metal.from_numpy(row), (30, 40)), metal.from_numpy(b)))
    np.testing.assert_allclose(got, np.broadcast_to(expected, (30, 50)), rtol=1e-5, atol=1e-5)
    got = metal.to_numpy(metal.matmul(metal.broadcast_to(metal.from_numpy(column), (30, 40)), metal.from_numpy(b)))
    np.testing.assert_allclose(got, np.broadcast_to(column, (30, 40)).astype(np.float64) @ b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "shapes",
    [
        ((2, 3, 17, 40), (2, 3, 40, 33)),
        ((2, 1, 17, 40), (3, 40, 33)),
        ((4, 17, 40), (1, 40, 33)),
        ((17, 40), (2, 2, 40, 33)),
        ((2, 3, 17, 40), (40, 33)),
        ((2, 1, 2, 1, 9, 20), (2, 1, 3, 20, 9)),
        ((5, 1, 40), (40, 33)),
        ((5, 2, 40), (5, 40, 33)),
        ((2, 3, 40), (2, 40, 4)),
        ((40,), (3, 40, 33)),
        ((3, 33, 40), (40,)),
        ((40,), (40,)),
        ((40,), (40, 33)),
        ((33, 40), (40,)),
    ],
    ids=str,
)
@pytest.mark.parametrize("variant", ["", "64x64x16", "32x32x8_direct_split"])
def test_batches(
    metal: MetalBackend,
    force: Callable[..., None],
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    variant: str,
) -> None:
    force("gemm", variant)
    a, b = _values(shapes[0], "float32", 1), _values(shapes[1], "float32", 2)
    _check(metal, a, b)
    if a.ndim > 2:
        _check(metal, a, b, ("columns", "rows"))
    if b.ndim > 2:
        _check(metal, a, b, ("rows", "cut"))


def test_many_batch_axes(metal: MetalBackend) -> None:
    # Every other axis is broadcast, so that none merge.
    a = _values((2, 1) * 5 + (9, 10), "float32", 1)
    b = _values((1, 2) * 5 + (10, 11), "float32", 2)
    _check(metal, a, b)


# -- gemv -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("variant", GEMV)
@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_matrix_times_vectors(
    metal: MetalBackend, force: Callable[..., None], dtype: str, layout: str, variant: str
) -> None:
    force("gemv", variant)
    shapes = [(1, 1, 1), (3, 65, 1), (5, 129, 1), (33, 1024, 8), (127, 1025, 1), (257, 4, 1)]
    if dtype == "float32":
        shapes += [(2, 3, 1), (3, 127, 2), (4, 128, 3), (31, 1023, 1), (129, 33, 7), (40, 4099, 2)]
    for rows, depth, vectors in shapes:
        a, b = _values((rows, depth), dtype, 1), _values((depth, vectors), dtype, 2)
        _check(metal, a, b, (layout, "rows"))
        _check(metal, a, b, (layout, "columns"))
        _check(metal, b.T, a.T, ("rows", layout))
        _check(metal, b.T, a.T, ("skipped", layout))


@pytest.mark.parametrize("vectors", range(1, 10))
def test_numbers_of_vectors(metal: MetalBackend, vectors: int) -> None:
    a, b = _values((67, 150), "float32", 1), _values((150, vectors), "float32", 2)
    for layout in ("rows", "columns"):
        _check(metal, a, b, (layout, "backwards"))
        _check(metal, b.T, a.T, ("backwards", layout))


@pytest.mark.parametrize("variant", GEMV)
def test_batches_of_vectors(metal: MetalBackend, force: Callable[..., None], variant: str) -> None:
    force("gemv", variant)
    for left, right in (((3, 2, 50, 70), (70,)), ((70,), (3, 2, 70, 50)), ((3, 1, 50, 70), (2, 70, 3))):
        a, b = _values(left, "float32", 1), _values(right, "float32", 2)
        _check(metal, a, b)
        _check(metal, a, b, ("columns", "columns"))


def test_strided_vectors(metal: MetalBackend) -> None:
    a, wide = _values((50, 70), "float32", 1), _values((140,), "float32", 2)
    for step in (2, -2):
        vector = metal.getitem(metal.from_numpy(wide), (slice(None, None, step),))
        got = metal.to_numpy(metal.matmul(metal.from_numpy(a), vector))
        np.testing.assert_allclose(got, a.astype(np.float64) @ wide[::step], rtol=1e-4, atol=1e-5)
    one = metal.broadcast_to(metal.from_numpy(wide[:1]), (70,))
    got = metal.to_numpy(metal.matmul(metal.from_numpy(a), one))
    np.testing.assert_allclose(got, a.astype(np.float64) @ np.full(70, wide[0]), rtol=1e-4, atol=1e-5)


# -- empty, special values, repetition -------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_and_sums_of_nothing(metal: MetalBackend, force: Callable[..., None], dtype: str) -> None:
    for variant in ("", *TILES):
        force("gemm", variant)
        for left, right in (
            ((0, 4), (4, 3)), ((3, 4), (4, 0)), ((0, 3, 4), (4, 5)), ((0,), (0,)), ((0,), (0, 5)), ((2, 3, 0), (0,)),
            ((3, 0), (0, 5)), ((33, 0), (0, 70)), ((2, 33, 0), (2, 0, 70)), ((33, 0), (0, 1)),
        ):  # fmt: skip
            _check(metal, np.zeros(left, dtypes.BY_NAME[dtype]), np.zeros(right, dtypes.BY_NAME[dtype]))


@pytest.mark.parametrize("variant", ["", *TILES])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_special_values_stay_in_their_row_and_column(
    metal: MetalBackend, force: Callable[..., None], value: float, variant: str
) -> None:
    force("gemm", variant)
    for shape in ((33, 17, 35), (65, 41, 67), (3, 41, 67), (67, 41, 3)):
        m, k, n = shape
        for dtype in ("float32", "bfloat16"):
            a, b = np.abs(_values((m, k), dtype, 1)), np.abs(_values((k, n), dtype, 2))
            a[m - 1, k - 1] = b[k - 1, n - 1] = value
            with np.errstate(invalid="ignore"):
                expected = a.astype(np.float64) @ b.astype(np.float64)
            for layouts in itertools.product(("rows", "columns"), repeat=2):
                x, y = _on_device(metal, a, layouts[0]), _on_device(metal, b, layouts[1])
                got = metal.to_numpy(metal.matmul(x, y)).astype(np.float64)
                np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
                np.testing.assert_array_equal(np.isinf(got), np.isinf(expected))


def test_half_sums_beyond_half_range(metal: MetalBackend) -> None:
    # 200 * 200 * 40 is out of float16's range on the way, and back in it at the end.
    a = np.full((40, 80), 200, np.float16)
    b = np.concatenate([np.full((40, 40), 200, np.float16), np.full((40, 40), -200, np.float16)])
    for columns in (40, 1):
        got = metal.to_numpy(metal.matmul(metal.from_numpy(a), metal.from_numpy(np.ascontiguousarray(b[:, :columns]))))
        np.testing.assert_array_equal(got, np.zeros((40, columns), np.float16))
