"""Arrays of more than 2^31 and 2^32 elements, computed: `pytest tests/metal/test_large.py --parity-profile=deep`.

Some seconds and up to 9 GB each. The plans of all families are held to it without a device (tests/cpp/launch_*).
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from isometal import _core
from isometal.backends.metal import MetalBackend

NDArray = np.ndarray[Any, Any]

#: 2^31 and 2^32, and a few.
BEYOND_31, BEYOND_32 = (1 << 31) + 37, (1 << 32) + 37
#: Where a place that was computed in 32 bits would show.
PLACES = (0, 1, (1 << 31) - 1, 1 << 31, (1 << 31) + 1)


@pytest.fixture(autouse=True)
def _deep(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--parity-profile") != "deep":
        pytest.skip("takes gigabytes; run with --parity-profile=deep")
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if available < 10 << 30:
        pytest.skip(f"needs 10 GiB of free memory; {available >> 30} GiB are free")


def _zeros(metal: MetalBackend, size: int) -> tuple[Any, NDArray]:
    """Zeros on the device, and the same memory to write to."""
    page = 16384
    pages = _core.empty((-(-size // page) * page,), "bool")
    view = np.asarray(pages)
    view[:] = False
    held = metal._metal.adopt(pages, in_place=True)
    assert held is not None
    return metal.getitem(held, (slice(0, size),)), view[:size]


def _same(metal: MetalBackend, result: Any, expected: set[int]) -> None:
    """True at those places alone."""
    assert set(np.flatnonzero(metal.to_numpy(result).reshape(-1)).tolist()) == expected


def test_elementwise(metal: MetalBackend) -> None:
    x, host = _zeros(metal, BEYOND_31)
    places = {*PLACES, BEYOND_31 - 1}
    host[list(places)] = True
    _same(metal, metal.add(x, metal.from_numpy(np.array(False))), places)
    # Neighbours two apart: strided, and offsets beyond an int.
    _same(metal, metal.add(*[metal.getitem(x, (slice(1, None, 2),))] * 2), {p // 2 for p in places if p % 2})


def test_copies(metal: MetalBackend) -> None:
    x, host = _zeros(metal, 3 * (1 << 30))
    places = {*PLACES, 3 * (1 << 30) - 1}
    host[list(places)] = True
    turned = metal.transpose(metal.reshape(x, (1 << 30, 3)), (1, 0))
    _same(metal, metal._metal.contiguous(turned), {p % 3 * (1 << 30) + p // 3 for p in places})


def test_reductions(metal: MetalBackend) -> None:
    x, host = _zeros(metal, BEYOND_32)
    assert not metal.to_numpy(metal.max(x, (0,), False))
    # Alone at the end, and at a place whose number is 1 in 32 bits.
    for place in (BEYOND_32 - 1, (1 << 32) + 1):
        host[place] = True
        assert metal.to_numpy(metal.max(x, (0,), False))
        pairs = metal.max(metal.getitem(x, (slice(None), None)), (1,), False)
        _same(metal, pairs, {place})
        host[place] = False


def test_masks(metal: MetalBackend) -> None:
    """Rows begin beyond 2^31 elements: 4 GiB of float16."""
    queries, keys = 1025, 1 << 21
    mask = metal.to_numpy(metal.causal_mask(queries, keys, np.dtype(np.float16)))
    for row in (0, 1023, 1024):
        hidden = queries - 1 - row
        assert (mask[row, : keys - hidden] == 0).all()
        assert (mask[row, keys - hidden :] == np.finfo(np.float16).min).all()
