"""rms_norm and layer_norm: every variant at its edges, against float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rows import TOLERANCE, close, numbers
from views import VIEWS, Numpy

from isometal import dtypes
from isometal.backends.metal import MetalBackend

Force = Callable[[str, str], None]

OPS = ("rms_norm", "layer_norm")
DTYPES = tuple(TOLERANCE)
VARIANTS = ("", "row_lanes", "row_simdgroup", "row_register", "row_loop", "row_split")


def _norm(
    metal: MetalBackend, op: str, x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> np.ndarray[Any, Any]:
    vectors = [weight] if op == "rms_norm" else [weight, bias]
    result: np.ndarray[Any, Any] = metal.to_numpy(getattr(metal, op)(x, *vectors, eps))
    return result


def _expected(op: str, x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> np.ndarray[Any, Any]:
    x = x.astype(np.float64)
    if op == "layer_norm":
        x = x - x.mean(axis=-1, keepdims=True)
    y: np.ndarray[Any, Any] = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
    if weight is not None:
        y = y * weight.astype(np.float64)
    if bias is not None and op == "layer_norm":
        y = y + bias.astype(np.float64)
    return y


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda name: name or "own choice")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", OPS)
def test_row_lengths(metal: MetalBackend, force: Force, op: str, dtype: str, variant: str) -> None:
    """Around every number of lanes, chunks and threads, and primes between."""
    force("norm", variant)
    for size in (
        1,
        3,
        4,
        5,
        15,
        16,
        17,
        32,
        33,
        63,
        64,
        65,
        127,
        128,
        129,
        257,
        509,
        513,
        640,
        769,
        897,
        1023,
        1024,
        1025,
        2048,
        2053,
    ):
        x = numbers((9, size), dtype)
        weight, bias = numbers((size,), dtype, 1), numbers((size,), dtype, 2)
        w, b = metal.from_numpy(weight), metal.from_numpy(bias)
        close(_norm(metal, op, metal.from_numpy(x), w, b), _expected(op, x, weight, bias), dtype, op)


@pytest.mark.parametrize(
    "variant", ["", "row_register", "row_loop", "row_split"], ids=lambda name: name or "own choice"
)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", OPS)
def test_long_rows(metal: MetalBackend, force: Force, op: str, dtype: str, variant: str) -> None:
    force("norm", variant)
    for size in (16383, 16384, 16385, 20001, 32768, 65537, 131072):
        x = numbers((2, size), dtype)
        close(_norm(metal, op, metal.from_numpy(x)), _expected(op, x), dtype, op)


@pytest.mark.parametrize("op", OPS)
def test_a_row_longer_than_any_cache(metal: MetalBackend, op: str) -> None:
    x = numbers((1, 3_000_017), "float32") + np.float32(3)
    close(_norm(metal, op, metal.from_numpy(x)), _expected(op, x), "float32", op)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda name: name or "own choice")
@pytest.mark.parametrize("size", [33, 1000, 5000, 40000])
def test_a_mean_far_from_zero(metal: MetalBackend, force: Force, size: int, variant: str) -> None:
    """The error is that of a mean rounded to float32, at least: here half a unit in the last place of 3000."""
    force("norm", variant)
    x = numbers((3, size), "float32") + np.float32(3000)
    actual = _norm(metal, "layer_norm", metal.from_numpy(x))
    np.testing.assert_allclose(actual, _expected("layer_norm", x), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda name: name or "own choice")
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("op", OPS)
def test_views(metal: MetalBackend, force: Force, op: str, view: str, variant: str) -> None:
    force("norm", variant)
    for shape in ((5,), (31, 33), (3, 7, 41), (2, 3, 5, 17)):
        x = numbers(shape, "float32")
        expected = _expected(op, VIEWS[view](Numpy(), x))
        close(_norm(metal, op, VIEWS[view](metal, metal.from_numpy(x))), expected, "float32", op)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda name: name or "own choice")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", OPS)
def test_rows_by_strides(metal: MetalBackend, force: Force, op: str, dtype: str, variant: str) -> None:
    force("norm", variant)
    x = numbers((2, 3, 4, 77), dtype)
    data = metal.transpose(metal.from_numpy(x), (0, 2, 1, 3))
    close(_norm(metal, op, data), _expected(op, x.transpose(0, 2, 1, 3)), dtype, op)


def test_rows_that_are_read_where_they_lie(metal: MetalBackend) -> None:
    """(batch, position, head, feature) to (batch, head, position, feature) needs no copy."""
    x = numbers((2, 7, 5, 64), "float16")
    data = metal.transpose(metal.from_numpy(x), (0, 2, 1, 3))
    before = metal._metal.stats()["dispatches"]
    actual = _norm(metal, "rms_norm", data)
    assert metal._metal.stats()["dispatches"] == before + 1
    close(actual, _expected("rms_norm", x.transpose(0, 2, 1, 3)), "float16", "rms_norm")


@pytest.mark.parametrize("other", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_vectors_of_another_dtype(metal: MetalBackend, dtype: str, other: str) -> None:
    x = numbers((5, 65), dtype)
    weight, bias = numbers((65,), other, 1), numbers((65,), "float32", 2)
    for vectors in ((weight, None), (None, bias), (weight, bias)):
        w, b = (None if vector is None else metal.from_numpy(vector) for vector in vectors)
        actual = _norm(metal, "layer_norm", metal.from_numpy(x), w, b)
        assert actual.dtype == dtypes.BY_NAME[dtype]
        close(actual, _expected("layer_norm", x, *vectors), dtype, "layer_norm")
        actual = _norm(metal, "rms_norm", metal.from_numpy(x), w)
        close(actual, _expected("rms_norm", x, *vectors), dtype, "rms_norm")


def test_vectors_by_strides(metal: MetalBackend) -> None:
    x, vector = numbers((5, 33), "float32"), numbers((66,), "float32", 1)
    data = metal.from_numpy(vector)
    for cut in (slice(None, None, 2), slice(None, None, -2), slice(20, 53)):
        w = metal.getitem(data, (cut,))
        actual = _norm(metal, "layer_norm", metal.from_numpy(x), w, w)
        close(actual, _expected("layer_norm", x, vector[cut], vector[cut]), "float32", "layer_norm")


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda name: name or "own choice")
@pytest.mark.parametrize("op", OPS)
def test_special_values_stay_in_their_rows(metal: MetalBackend, force: Force, op: str, variant: str) -> None:
    force("norm", variant)
    x = numbers((6, 2000), "float32")
    x[0, 7], x[1, 1999], x[2, 0], x[3] = np.nan, np.inf, -np.inf, 0
    with np.errstate(invalid="ignore"):
        expected = _expected(op, x)
    close(_norm(metal, op, metal.from_numpy(x)), expected, "float32", op)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda name: name or "own choice")
def test_signs_of_zero(metal: MetalBackend, force: Force, variant: str) -> None:
    force("norm", variant)
    x = np.array([[0.0, -0.0, 1.0, -1.0]], np.float32)
    for size in (1, 3, 1000):
        actual = _norm(metal, "rms_norm", metal.from_numpy(np.tile(x, size)))
        np.testing.assert_array_equal(np.signbit(actual), np.signbit(np.tile(x, size)))


@pytest.mark.parametrize("op", OPS)
def test_nothing(metal: MetalBackend, op: str) -> None:
    for shape in ((0, 4), (4, 0), (2, 0, 3)):
        assert _norm(metal, op, metal.from_numpy(np.zeros(shape, np.float32))).shape == shape
