"""Rotary positions: every variant, layout and way to say what turns, against float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rows import TOLERANCE, close, numbers
from views import VIEWS, Numpy

from isometal.backends.metal import MetalBackend

Force = Callable[[str, str], None]

DTYPES = tuple(TOLERANCE)
VARIANTS = ("", "vector_1", "vector_2", "vector_4")


def _rope(metal: MetalBackend, x: Any, dims: int, **given: Any) -> np.ndarray[Any, Any]:
    wanted = {"traditional": False, "base": 10000.0, "scale": 1.0, "offset": 0, "freqs": None} | given
    for name in ("offset", "freqs"):
        if isinstance(wanted[name], np.ndarray):
            wanted[name] = metal.from_numpy(wanted[name])
    result: np.ndarray[Any, Any] = metal.to_numpy(metal.rope(x, dims, *wanted.values()))
    return result


def _expected(
    x: Any,
    dims: int,
    traditional: bool = False,
    base: float = 10000.0,
    scale: float = 1.0,
    offset: Any = 0,
    freqs: Any = None,
) -> np.ndarray[Any, Any]:
    half = dims // 2
    inverse = base ** (-2.0 * np.arange(half) / dims) if freqs is None else 1 / freqs.astype(np.float64)
    angle = (np.asarray(offset, np.float64)[..., None] + np.arange(x.shape[-2]))[..., None] * scale * inverse
    if angle.ndim == 3:
        angle = angle.reshape(angle.shape[0], *(1,) * (x.ndim - 3), *angle.shape[1:])
    first, second = (slice(0, dims, 2), slice(1, dims, 2)) if traditional else (slice(half), slice(half, dims))
    wide = x.astype(np.float64)
    out: np.ndarray[Any, Any] = wide.copy()
    out[..., first] = wide[..., first] * np.cos(angle) - wide[..., second] * np.sin(angle)
    out[..., second] = wide[..., first] * np.sin(angle) + wide[..., second] * np.cos(angle)
    return out


def _uniform(shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    """Below 1 in magnitude, so that rounding where two products cancel stays far below the absolute tolerance."""
    x = numbers(shape, dtype)
    return np.asarray(x / np.abs(x).max(initial=1)).astype(x.dtype)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda name: name or "own choice")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("traditional", [False, True])
def test_dims(metal: MetalBackend, force: Force, traditional: bool, dtype: str, variant: str) -> None:
    """Dims of every remainder, with and without a rest, and more pairs than a dispatch takes."""
    force("rope", variant)
    for dims, features in (
        (2, 2),
        (2, 5),
        (6, 6),
        (8, 9),
        (62, 64),
        (64, 64),
        (80, 83),
        (128, 256),
        (264, 264),
        (390, 401),
    ):
        x = _uniform((2, 3, 5, features), dtype)
        actual = _rope(metal, metal.from_numpy(x), dims, traditional=traditional, offset=3)
        close(actual, _expected(x, dims, traditional, offset=3), dtype, "rope")


@pytest.mark.parametrize("offset", [0, 1, 1000, 999_991, 10**7, 10**8, -5, -(10**6)])
@pytest.mark.parametrize("by_freqs", [False, True])
def test_far_positions(metal: MetalBackend, by_freqs: bool, offset: int) -> None:
    """float64 itself is off by 10^8 * 2^-52 radians at the last of them."""
    x = _uniform((1, 2, 9, 32), "float32")
    freqs = (10000.0 ** (np.arange(16) / 16) * 1.03).astype(np.float32) if by_freqs else None
    actual = _rope(metal, metal.from_numpy(x), 32, offset=offset, freqs=freqs)
    expected = _expected(x, 32, offset=offset, freqs=freqs)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2.5e-7)


def test_the_last_positions(metal: MetalBackend) -> None:
    """Positions pass 2^31. float64 angles are off by up to 2^-20 there."""
    x = _uniform((1, 4, 32), "float32")
    for offset in (2**31 - 2, -(2**31)):
        actual = _rope(metal, metal.from_numpy(x), 32, offset=offset)
        np.testing.assert_allclose(actual, _expected(x, 32, offset=offset), rtol=0, atol=3e-6)


@pytest.mark.parametrize("scale", [0.25, 2.0, 100.0, -1.0, 0.1])
@pytest.mark.parametrize("base", [0.5, 1.0, 10.0, 500_000.0])
def test_scale_and_base(metal: MetalBackend, base: float, scale: float) -> None:
    x = _uniform((2, 9, 32), "float32")
    actual = _rope(metal, metal.from_numpy(x), 32, base=base, scale=scale, offset=100)
    close(actual, _expected(x, 32, base=base, scale=scale, offset=100), "float32", "rope")
    freqs = (base ** (np.arange(16) / 16)).astype(np.float32)
    actual = _rope(metal, metal.from_numpy(x), 32, scale=scale, freqs=freqs, offset=100)
    close(actual, _expected(x, 32, scale=scale, freqs=freqs, offset=100), "float32", "rope")


def test_wavelengths_at_the_edges(metal: MetalBackend) -> None:
    """An infinite one does not turn; zero has no angle; short and long ones keep their digits."""
    x = _uniform((4, 16), "float32")
    freqs = np.array([np.inf, -np.inf, 1e-6, -3.7, 1e20, 1e30, 0.0, np.nan], np.float32)
    actual = _rope(metal, metal.from_numpy(x), 16, freqs=freqs, offset=5)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = _expected(x, 16, freqs=freqs, offset=5)
    close(actual, expected, "float32", "rope")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 5, 16), (3, 2, 5, 16), (3, 2, 4, 5, 16), (3, 1, 1, 16)])
def test_offsets(metal: MetalBackend, shape: tuple[int, ...], dtype: str) -> None:
    offsets = np.array([7, 1_000_000, -3], np.int32)
    x = _uniform(shape, dtype)
    close(_rope(metal, metal.from_numpy(x), 12, offset=offsets), _expected(x, 12, offset=offsets), dtype, "rope")


@pytest.mark.parametrize("dtype", DTYPES)
def test_freqs_of_features_by_strides(metal: MetalBackend, dtype: str) -> None:
    x, freqs = _uniform((3, 16, 5), dtype), np.linspace(1, 50, 8, dtype=np.float32)
    data = metal.transpose(metal.from_numpy(x), (0, 2, 1))
    close(_rope(metal, data, 16, freqs=freqs), _expected(x.transpose(0, 2, 1), 16, freqs=freqs), dtype, "rope")


def test_offsets_and_freqs_by_strides(metal: MetalBackend) -> None:
    offsets, freqs = np.arange(6, dtype=np.int32), np.linspace(1, 50, 16, dtype=np.float32)
    x = _uniform((3, 5, 16), "float32")
    actual = metal.rope(
        metal.from_numpy(x), 16, False, 1.0, 1.0,
        metal.getitem(metal.from_numpy(offsets), (slice(None, None, -2),)),
        metal.getitem(metal.from_numpy(freqs), (slice(None, None, 2),)),
    )  # fmt: skip
    close(metal.to_numpy(actual), _expected(x, 16, offset=offsets[::-2], freqs=freqs[::2]), "float32", "rope")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("traditional", [False, True])
def test_views(metal: MetalBackend, traditional: bool, view: str) -> None:
    for shape in ((31, 33), (3, 7, 41), (3, 4, 5, 17)):
        x = _uniform(shape, "float32")
        turned = VIEWS[view](Numpy(), x)
        data = VIEWS[view](metal, metal.from_numpy(x))
        dims = turned.shape[-1] // 2 * 2
        actual = _rope(metal, data, dims, traditional=traditional, offset=2)
        close(actual, _expected(turned, dims, traditional, offset=2), "float32", "rope")
        if turned.ndim > 2:
            offsets = np.arange(turned.shape[0], dtype=np.int32) * 3
            actual = _rope(metal, data, dims, traditional=traditional, offset=offsets)
            close(actual, _expected(turned, dims, traditional, offset=offsets), "float32", "rope")


def test_heads_before_positions_in_memory(metal: MetalBackend) -> None:
    """(batch, position, head, feature) to (batch, head, position, feature): no copy, and heads that do not merge."""
    x = _uniform((2, 50, 11, 64), "float32")
    data = metal.transpose(metal.from_numpy(x), (0, 2, 1, 3))
    before = metal._metal.stats()["dispatches"]
    actual = _rope(metal, data, 64, offset=9)
    assert metal._metal.stats()["dispatches"] == before + 1
    close(actual, _expected(x.transpose(0, 2, 1, 3), 64, offset=9), "float32", "rope")


def test_many_heads_for_a_thread(metal: MetalBackend) -> None:
    x = _uniform((1, 19, 600, 64), "float32")
    close(_rope(metal, metal.from_numpy(x), 64), _expected(x, 64), "float32", "rope")


def test_special_values(metal: MetalBackend) -> None:
    x = _uniform((1, 3, 8), "float32")
    x[0, 0, 0], x[0, 1, 2], x[0, 2, 5] = np.inf, np.nan, -np.inf
    with np.errstate(invalid="ignore"):
        expected = _expected(x, 6, offset=1)
    close(_rope(metal, metal.from_numpy(x), 6, offset=1), expected, "float32", "rope")


def test_nothing(metal: MetalBackend) -> None:
    for shape in ((2, 0, 4), (0, 3, 4)):
        assert _rope(metal, metal.from_numpy(np.zeros(shape, np.float32)), 4).shape == shape


@pytest.mark.parametrize("traditional", [False, True])
@pytest.mark.parametrize("by_freqs", [False, True])
def test_every_variant_gives_the_same_bits(
    metal: MetalBackend, force: Force, by_freqs: bool, traditional: bool
) -> None:
    x, freqs = metal.from_numpy(_uniform((2, 9, 33, 80), "float32")), np.linspace(1, 99, 32, dtype=np.float32)
    given = {"traditional": traditional, "offset": 999_999, "freqs": freqs if by_freqs else None}
    expected = _rope(metal, x, 64, **given)
    for variant in VARIANTS[1:]:
        force("rope", variant)
        np.testing.assert_array_equal(_rope(metal, x, 64, **given), expected)
