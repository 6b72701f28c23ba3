"""sum, mean, max: every variant forced, over every choice of axes, against float64 and exact integers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from views import VIEWS, Numpy, values

from isometal import dtypes
from isometal.backends.metal import MetalBackend

Force = Callable[[str, str], None]
NDArray = np.ndarray[Any, Any]
Axes = tuple[int, ...]

FLOATING = ("float32", "float16", "bfloat16")
INTEGERS = ("int32", "int64", "uint32")
VARIANTS = ("", "row_simd", "row_group", "row_split", "column", "column_split")
CASES = (
    *(("sum", dtype) for dtype in (*FLOATING, *INTEGERS)),
    ("mean", "float32"),
    ("mean", "float16"),
    *(("max", dtype) for dtype in (*FLOATING, *INTEGERS, "bool")),
)
#: Rounding of the result, and a bound of ours for what accumulating in float32 adds to it: a twelfth of the op table's.
ROUNDING = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
ACCUMULATING = 8e-7

every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda name: name or "own choice")


def _numbers(shape: tuple[int, ...], dtype: str, seed: int = 0) -> NDArray:
    """For integers and bool every bit pattern; normal numbers for floating dtypes."""
    if dtype not in FLOATING:
        return values(shape, dtype, seed)
    numbers: NDArray = np.random.default_rng(seed).standard_normal(shape).astype(dtypes.BY_NAME[dtype])
    return numbers


def _run(metal: MetalBackend, op: str, data: Any, axes: Axes, keepdims: bool = False) -> NDArray:
    result: NDArray = metal.to_numpy(getattr(metal, op)(data, axes, keepdims))
    return result


def _same(actual: NDArray, expected: NDArray) -> None:
    """Equal, NaN where NaN is expected. NumPy cannot say that of bfloat16."""
    assert actual.dtype == expected.dtype
    if expected.dtype.name == "bfloat16":
        actual, expected = actual.astype(np.float32), expected.astype(np.float32)
    np.testing.assert_array_equal(actual, expected)


def _check(actual: NDArray, op: str, x: NDArray, axes: Axes) -> None:
    assert actual.dtype == x.dtype
    if op == "max":
        _same(actual, x.max(axis=axes))
        return
    if x.dtype.kind in "iu":
        np.testing.assert_array_equal(actual, x.sum(axis=axes, dtype=x.dtype))
        return
    wide = x.astype(np.float64)
    expected = getattr(wide, op)(axis=axes)
    magnitude = getattr(np.abs(wide), op)(axis=axes)
    bound = ROUNDING[x.dtype.name] * np.abs(expected) + ACCUMULATING * magnitude
    assert actual.shape == np.shape(expected)
    assert np.all(np.abs(actual.astype(np.float64) - expected) <= bound)


def _every_choice(rank: int) -> list[Axes]:
    return [axes for count in range(rank + 1) for axes in itertools.combinations(range(rank), count)]


@every_variant
@pytest.mark.parametrize(("op", "dtype"), CASES)
def test_every_choice_of_axes(metal: MetalBackend, force: Force, op: str, dtype: str, variant: str) -> None:
    force("reduce", variant)
    for shape in ((1,), (37,), (5, 3), (33, 129), (5, 7, 9), (2, 300, 4), (4, 1, 6), (3, 2, 8, 2, 5)):
        x = _numbers(shape, dtype)
        data = metal.from_numpy(x)
        for axes in _every_choice(x.ndim):
            _check(_run(metal, op, data, axes), op, x, axes)


@every_variant
@pytest.mark.parametrize("view", VIEWS)
def test_views(metal: MetalBackend, force: Force, view: str, variant: str) -> None:
    force("reduce", variant)
    for op, dtype in (("sum", "float32"), ("mean", "float16"), ("max", "bfloat16"), ("sum", "int64")):
        for shape in ((41,), (19, 34), (6, 5, 11)):
            x = _numbers(shape, dtype)
            data, viewed = VIEWS[view](metal, metal.from_numpy(x)), VIEWS[view](Numpy(), x)
            for axes in _every_choice(viewed.ndim):
                _check(_run(metal, op, data, axes), op, viewed, axes)


@every_variant
@pytest.mark.parametrize("op", ["sum", "max"])
def test_lengths(metal: MetalBackend, force: Force, op: str, variant: str) -> None:
    """Around every number of lanes, threads and parts, along rows and columns."""
    force("reduce", variant)
    sizes = (1, 2, 3, 4, 5, 31, 32, 33, 63, 65, 127, 129, 509, 511, 513, 1023, 1025, 2047, 2049, 4099, 8193, 32769)
    for size in sizes:
        for dtype in ("float32", "float16"):
            x = _numbers((3, size), dtype)
            for axis in (0, 1):
                _check(_run(metal, op, metal.from_numpy(x), (axis,)), op, x, (axis,))
                _check(_run(metal, op, metal.from_numpy(np.ascontiguousarray(x.T)), (axis,)), op, x.T, (axis,))


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((10_000_019,), (0,)),
        ((3, 1_000_003), (1,)),
        ((1_000_003, 3), (0,)),
        ((9001, 1111), (0,)),
        ((9001, 1111), (1,)),
        ((101, 1009, 101), (1,)),
        ((101, 1009, 101), (0, 2)),
        ((20_011, 7, 67), (0, 2)),
    ],
)
def test_many_elements(metal: MetalBackend, shape: tuple[int, ...], axes: Axes, dtype: str) -> None:
    """Equal numbers too, whose sum in one float32 is the worst: every addition errs in the same direction."""
    for x in (np.full(shape, 0.1, dtypes.BY_NAME[dtype]), _numbers(shape, dtype)):
        data = metal.from_numpy(x)
        _check(_run(metal, "mean", data, axes), "mean", x, axes)
        if dtype != "float16":
            _check(_run(metal, "sum", data, axes), "sum", x, axes)
        _check(_run(metal, "max", data, axes), "max", x, axes)


@every_variant
@pytest.mark.parametrize("dtype", FLOATING)
def test_special_values(metal: MetalBackend, force: Force, dtype: str, variant: str) -> None:
    """One of them at each place of a row that all lanes share."""
    force("reduce", variant)
    size = 70
    for special in (np.nan, -np.nan, np.inf, -np.inf):
        x = np.tile(_numbers((size,), dtype), (size, 1))
        np.fill_diagonal(x, special)
        for axis, rows in ((1, x), (0, x.T.copy())):
            data = metal.from_numpy(rows)
            with np.errstate(invalid="ignore"):
                expected = rows.max(axis=axis)
            _same(_run(metal, "max", data, (axis,)), expected)
            _same(_run(metal, "sum", data, (axis,)), np.full(size, special, rows.dtype))
    nothing = metal.from_numpy(np.full((4, 50), -np.inf, dtypes.BY_NAME[dtype]))
    assert np.isneginf(_run(metal, "max", nothing, (1,)).astype(np.float32)).all()
    opposite = metal.from_numpy(np.array([[np.inf, -np.inf, 1.0]] * 3, dtypes.BY_NAME[dtype]))
    assert np.isnan(_run(metal, "sum", opposite, (1,)).astype(np.float32)).all()


@every_variant
@pytest.mark.parametrize("dtype", FLOATING)
def test_every_bit_pattern_has_its_place(metal: MetalBackend, force: Force, dtype: str, variant: str) -> None:
    """Maxima of denormals, of both zeros and of NaN with any payload and sign."""
    force("reduce", variant)
    for scale in (1, 0):
        x = values((200, 40), dtype)
        if not scale:
            # Exponents of 0: denormals alone.
            width = np.dtype(f"u{x.itemsize}")
            mantissa = {"float32": 23, "float16": 10, "bfloat16": 7}[dtype]
            keep = width.type((1 << mantissa) - 1 | 1 << (8 * x.itemsize - 1))
            x = (x.view(width) & keep).view(x.dtype)
        actual = _run(metal, "max", metal.from_numpy(x), (1,))
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(actual.astype(np.float32), x.astype(np.float32).max(axis=1))


@every_variant
def test_nothing_to_reduce(metal: MetalBackend, force: Force, variant: str) -> None:
    force("reduce", variant)
    for shape, axes in (((0,), (0,)), ((0, 3), (0,)), ((3, 0), (1,)), ((2, 0, 3), (0, 1)), ((2, 3, 0), (0, 2))):
        for dtype in ("float32", "int32"):
            data = metal.from_numpy(np.zeros(shape, dtype))
            expected = np.zeros(shape, dtype).sum(axis=axes)
            np.testing.assert_array_equal(_run(metal, "sum", data, axes), expected)
        data = metal.from_numpy(np.zeros(shape, np.float16))
        np.testing.assert_array_equal(_run(metal, "mean", data, axes), np.full(expected.shape, np.nan, np.float16))
    for op in ("sum", "mean", "max"):
        assert _run(metal, op, metal.from_numpy(np.zeros((0, 3), np.float32)), (1,)).shape == (0,)
        assert _run(metal, op, metal.from_numpy(np.zeros((3, 4, 0), np.float32)), (1,)).shape == (3, 0)


def test_no_dimensions_and_kept_ones(metal: MetalBackend) -> None:
    for op in ("sum", "mean", "max"):
        assert _run(metal, op, metal.from_numpy(np.array(7, np.float32)), ()) == 7
        x = _numbers((4, 5, 6), "float32")
        data = metal.from_numpy(x)
        for axes in _every_choice(3):
            shape = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape))
            kept = _run(metal, op, data, axes, True)
            assert kept.shape == shape
            np.testing.assert_array_equal(kept.ravel(), _run(metal, op, data, axes).ravel())


def test_no_work_where_nothing_is_reduced(metal: MetalBackend) -> None:
    x = metal.from_numpy(_numbers((4, 1, 6), "float32"))
    before = metal._metal.stats()["dispatches"]
    for axes in ((), (1,)):
        np.testing.assert_array_equal(_run(metal, "sum", x, axes, True), metal.to_numpy(x))
    assert metal._metal.stats()["dispatches"] == before


def test_many_axes(metal: MetalBackend) -> None:
    shape = (2,) * 16
    x = _numbers(shape, "float32")
    order = tuple(int(axis) for axis in np.random.default_rng(0).permutation(16))
    data, viewed = metal.transpose(metal.from_numpy(x), order), x.transpose(order)
    for axes in (tuple(range(0, 16, 2)), tuple(range(1, 16, 3)), (0, 15), tuple(range(15))):
        for op in ("sum", "max"):
            _check(_run(metal, op, data, axes), op, viewed, axes)


def test_accuracy_against_plain_accumulation(metal: MetalBackend) -> None:
    """Of a hundred sums of 10^5, the RMS error stays below what rounding each result to float32 makes, twice over."""
    x = np.random.default_rng(0).random((100, 100_000)).astype(np.float32)
    exact = x.sum(axis=1, dtype=np.float64)
    for data, axis in ((metal.from_numpy(x), 1), (metal.from_numpy(np.ascontiguousarray(x.T)), 0)):
        error = _run(metal, "sum", data, (axis,)) - exact
        assert math.sqrt(float(np.mean(np.square(error / exact)))) < 2 * 2.0**-24
