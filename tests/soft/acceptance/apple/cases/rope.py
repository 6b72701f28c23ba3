"""Rotary positions: rope, rope_single, with a base or frequencies, both orders of pairs, offsets, heads in fours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from apple.case import Case, Group, generator
from apple.host import rope as host
from apple.launch import NDArray
from apple.operands import FLOATS, normal, real, rounded
from apple.peer import mlx
from isometal.parity.definitions import rope as definitions

#: (batch, heads, positions, dims): heads around a multiple of four.
SHAPES = ((1, 1, 1, 2), (1, 4, 5, 8), (2, 5, 3, 64), (1, 3, 17, 128), (2, 7, 33, 32))
SINGLE = ((1, 1, 1, 2), (1, 5, 1, 64), (2, 4, 1, 128))


@dataclass(frozen=True)
class _Options:
    """Parameters of a case. `freqs`: from an array of wavelengths rather than from a base."""

    traditional: bool
    freqs: bool
    large: bool = False


def _cases(dtype: str, single: bool, options: _Options) -> list[Case]:
    rng = generator("rope", dtype, single, options)
    cases = []
    for shape, offset, scale in product(SINGLE if single else SHAPES[1:], (0, 7, 1000), (1.0, 0.25)):
        x = normal(rng, shape, dtype)
        half = shape[-1] // 2
        freqs = rounded(10000.0 ** (np.arange(half) / half) * rng.uniform(0.9, 1.1, half), "float32")
        offsets = [np.array([offset])]
        if shape[0] > 1 and not single:
            offsets.append(np.arange(offset, offset + 3 * shape[0], 3))
        cases += [_case(x, freqs if options.freqs else None, scale, each, options) for each in offsets]
    return cases


def _case(x: NDArray, freqs: NDArray | None, scale: float, offset: NDArray, options: _Options) -> Case:
    dims, traditional = x.shape[-1], options.traditional
    base = 10000.0 if freqs is None else None
    offsets: int | NDArray = int(offset[0]) if offset.size == 1 else offset
    parameters = {"dims": dims, "traditional": traditional, "scale": scale, "offset": offsets}
    truth = definitions.rope((x,), {**parameters, "base": base, "freqs": freqs})

    def by_mlx(mx: Any, x: Any, f: Any) -> Any:
        start = offsets if isinstance(offsets, int) else mx.array(offsets.astype(np.int32))
        return mx.fast.rope(x, dims, traditional=traditional, base=base, scale=scale, freqs=f, offset=start)

    program = host.rope(
        x, traditional=traditional, base=base, freqs=freqs, scale=scale, offset=offset, large=options.large
    )
    name = f"{x.shape} offset {offset.tolist()} scale {scale}"
    # A pair turns: errors are in proportion to its length, not to one of its two coordinates.
    return Case(name, program, truth.value, mlx(by_mlx, x, freqs), _lengths(x, traditional))


def _lengths(x: NDArray, traditional: bool) -> NDArray:
    values = real(x)
    dims = x.shape[-1]
    half = dims // 2
    pairs = (slice(0, dims, 2), slice(1, dims, 2)) if traditional else (slice(0, half), slice(half, dims))
    length = np.hypot(values[..., pairs[0]], values[..., pairs[1]])
    result = np.empty_like(values)
    result[..., pairs[0]] = result[..., pairs[1]] = length
    return result


def _backward(dtype: str) -> list[Case]:
    """Turned back: the rotation by the opposite angle, on memory whose heads and positions are exchanged."""
    rng = generator("rope backward", dtype)
    cases = []
    for shape, traditional in product(SHAPES[1:], (False, True)):
        x = normal(rng, shape, dtype)
        dims = shape[-1]
        truth = definitions.rope((x,), {"dims": dims, "traditional": traditional, "scale": -1.0, "offset": 3})
        program = host.rope(x, traditional=traditional, offset=np.array([3]), forward=False, transposed=True)
        forward = mlx(
            lambda mx, x, dims=dims, traditional=traditional: mx.fast.rope(
                x, dims, traditional=traditional, base=10000.0, scale=-1.0, offset=3
            ),
            x,
        )
        magnitude = _lengths(x, traditional)
        cases.append(Case(f"{shape} traditional {traditional}", program, truth.value, forward, magnitude))
    return cases


def groups() -> Iterator[Group]:
    for dtype, single, freqs, traditional in product(FLOATS, (False, True), (False, True), (False, True)):
        kernel = f"rope{'_single' if single else ''}{'_freqs' if freqs else ''}{' traditional' if traditional else ''}"
        yield Group("rope", kernel, dtype, partial(_cases, dtype, single, _Options(traditional, freqs)))
    for dtype in FLOATS:
        yield Group("rope", "rope_large", dtype, partial(_cases, dtype, False, _Options(False, False, large=True)))
        yield Group("rope", "rope backward", dtype, partial(_backward, dtype))
