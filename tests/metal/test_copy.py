"""The copy kernels: every word size, layout and variant, bit for bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from views import VIEWS, Numpy, same_bits, values

from isometal.backends.metal import MetalBackend

DTYPES = ("bool", "bfloat16", "float32", "int64")
SHAPES = ((1,), (5,), (257,), (31, 33), (32, 64), (3, 7, 41), (2, 3, 5, 17), (2, 1, 3, 1, 2, 5))
VARIANTS = ("", "strided many", "tiled", "tiled wide", "strided one wide")


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda name: name or "own choice")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("view", VIEWS)
def test_views(metal: MetalBackend, force: Callable[..., None], view: str, dtype: str, variant: str) -> None:
    force("copy", variant)
    for shape in SHAPES:
        x = values(shape, dtype)
        data = VIEWS[view](metal, metal.from_numpy(x))
        copied = metal._metal.contiguous(data)
        assert copied.is_contiguous
        same_bits(metal, copied, VIEWS[view](Numpy(), x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("variant", ["", "tiled"], ids=lambda name: name or "own choice")
@pytest.mark.parametrize("rows", [7, 8, 9, 31, 32, 33, 63, 64, 65, 127])
def test_tile_edges(metal: MetalBackend, force: Callable[..., None], rows: int, dtype: str, variant: str) -> None:
    force("copy", variant)
    for columns in (1, 8, 31, 32, 33, 65, 131):
        x = values((2, rows, columns), dtype)
        same_bits(metal, metal._metal.contiguous(metal.transpose(metal.from_numpy(x), (0, 2, 1))), x.transpose(0, 2, 1))


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda name: name or "own choice")
def test_any_order_of_axes(metal: MetalBackend, force: Callable[..., None], variant: str) -> None:
    force("copy", variant)
    random = np.random.default_rng(0)
    x = values((3, 9, 10, 11), "float32")
    data = metal.from_numpy(x)
    for _ in range(12):
        axes = tuple(int(axis) for axis in random.permutation(4))
        same_bits(metal, metal._metal.contiguous(metal.transpose(data, axes)), x.transpose(axes))


def test_many_axes(metal: MetalBackend) -> None:
    shape = (2,) * 16
    x = values(shape, "float16")
    axes = tuple(np.random.default_rng(0).permutation(16).tolist())
    same_bits(metal, metal._metal.contiguous(metal.transpose(metal.from_numpy(x), axes)), x.transpose(axes))


def test_no_dimensions_and_nothing(metal: MetalBackend) -> None:
    for shape in ((), (0,), (3, 0, 2)):
        x = values(shape, "float32")
        same_bits(metal, metal._metal.contiguous(metal.from_numpy(x)), x)
    x = values((5, 4), "int32")
    same_bits(metal, metal.getitem(metal.from_numpy(x), (3, 2)), x[3, 2, ...])
    same_bits(metal, metal.reshape(metal.getitem(metal.from_numpy(x), (slice(3, 4), slice(2, 3))), ()), x[3, 2, ...])


def test_a_contiguous_array_is_itself(metal: MetalBackend) -> None:
    x = metal.from_numpy(values((4, 6), "float32"))
    before = metal._metal.stats()["dispatches"]
    assert metal._metal.contiguous(x).is_contiguous
    view = metal.reshape(metal.getitem(x, (slice(1, 3), slice(None))), (12,))
    assert view.offset == 6
    assert metal._metal.stats()["dispatches"] == before


@pytest.mark.parametrize("view", VIEWS)
def test_reshape(metal: MetalBackend, view: str) -> None:
    x = values((4, 6, 10), "float32")
    expected = VIEWS[view](Numpy(), x)
    data = VIEWS[view](metal, metal.from_numpy(x))
    for shape in ((expected.size,), (expected.shape[0], -1), (1, expected.size, 1)):
        wanted = expected.reshape(shape)
        same_bits(metal, metal.reshape(data, wanted.shape), wanted)
