"""Promotion is MLX's, tested against MLX itself over all pairs of dtypes and all kinds of Python scalars."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import isometal as im
from isometal import dtypes, selection
from isometal.optable import ALL_DTYPES, FLOATING, OPS

mx = pytest.importorskip("mlx.core", reason="MLX is not installed: its promotion cannot be compared")

PAIRS = list(itertools.product(ALL_DTYPES, ALL_DTYPES))
SCALARS = [True, 3, 2.5]


def _mx(dtype: str) -> object:
    return getattr(mx, "bool_" if dtype == "bool" else dtype)


def _name(dtype: object) -> str:
    return str(dtype).rpartition(".")[2]


def test_the_dtypes_are_the_op_tables() -> None:
    assert tuple(dtypes.BY_NAME) == ALL_DTYPES


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_pair(a: str, b: str) -> None:
    expected = _name(mx.add(mx.ones(2, _mx(a)), mx.ones(2, _mx(b))).dtype)
    assert dtypes.promote(dtypes.BY_NAME[a], dtypes.BY_NAME[b]).name == expected
    for backend in selection.available():
        x, y = im.array([1, 1], a, backend=backend), im.array([1, 1], b, backend=backend)
        assert (x + y).dtype.name == expected
        divided = _name(mx.divide(mx.ones(2, _mx(a)), mx.ones(2, _mx(b))).dtype)
        assert (x / y).dtype.name == divided


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_array_with_scalar(dtype: str, scalar: float) -> None:
    for ours, theirs in ((im.multiply, mx.multiply), (im.divide, mx.divide)):
        expected = _name(theirs(mx.ones(2, _mx(dtype)), scalar).dtype)
        for backend in selection.available():
            x = im.array([1, 1], dtype, backend=backend)
            assert ours(x, scalar).dtype.name == expected
            assert ours(scalar, x).dtype.name == expected


@pytest.mark.parametrize(("a", "b"), list(itertools.product(SCALARS, SCALARS)))
def test_scalar_with_scalar(a: float, b: float) -> None:
    for ours, theirs in ((im.add, mx.add), (im.divide, mx.divide)):
        expected = _name(theirs(a, b).dtype)
        for backend in selection.available():
            with im.use_backend(backend):
                assert ours(a, b).dtype.name == expected


@pytest.mark.parametrize("op", ["sum", "mean", "max"])
@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_reduction(op: str, dtype: str) -> None:
    expected = _name(getattr(mx, op)(mx.ones(3, _mx(dtype))).dtype)
    for backend in selection.available():
        assert getattr(im, op)(im.array([1, 1, 1], dtype, backend=backend)).dtype.name == expected


@pytest.mark.parametrize(("a", "b"), list(itertools.product(FLOATING, FLOATING)))
def test_matmul(a: str, b: str) -> None:
    expected = _name(mx.matmul(mx.ones((2, 3), _mx(a)), mx.ones((3, 2), _mx(b))).dtype)
    for backend in selection.available():
        x, y = (im.array(np.ones(s), d, backend=backend) for s, d in (((2, 3), a), ((3, 2), b)))
        assert (x @ y).dtype.name == expected


@pytest.mark.parametrize("value", [True, 7, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 1.5], ids=str)
def test_default_dtype_of_scalars_and_lists(value: float) -> None:
    for backend in selection.available():
        assert im.array(value, backend=backend).dtype.name == _name(mx.array(value).dtype)
        # A list of large Python integers is int32 in MLX (and wraps around): here it keeps its values.
        expected = "int64" if value in (2**31, -(2**31) - 1) else _name(mx.array([value]).dtype)
        assert im.array([value], backend=backend).dtype.name == expected


def test_float64_becomes_float32_as_in_mlx() -> None:
    values = np.array([0.1, 0.2])
    assert _name(mx.array(values).dtype) == "float32"
    for backend in selection.available():
        assert im.array(values, backend=backend).dtype == np.float32


@pytest.mark.parametrize("op", OPS)
def test_integers_and_bool_are_taken_where_the_table_says(op: str) -> None:
    row = OPS[op]
    for dtype in ALL_DTYPES:
        call = {
            "scaled_dot_product_attention": lambda d: im.scaled_dot_product_attention(
                *[im.array([[[[1]]]], d)] * 3, scale=1
            ),
            "causal_mask": lambda d: im.causal_mask(2, dtype=d),
            "rope": lambda d: im.rope(im.array([[1, 1]], d), 2),
            "matmul": lambda d: im.matmul(im.array([1], d), im.array([1], d)),
            "reshape": lambda d: im.reshape(im.array([1], d), (1, 1)),
            "broadcast_to": lambda d: im.broadcast_to(im.array([1], d), (2,)),
        }.get(op)
        if call is None:
            args = 2 if row.family == "binary" else 1
            call = lambda d, n=args: getattr(im, op)(*[im.array([1, 1], d)] * n)  # noqa: E731
        for backend in selection.available():
            with im.use_backend(backend):
                if dtype in row.dtypes:
                    assert call(dtype).backend == backend
                else:
                    with pytest.raises(im.DTypeError, match="is not supported; supported: "):
                        call(dtype)
