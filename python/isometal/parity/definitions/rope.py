"""Rotary positions, and how far MLX's own float32 angles are off."""

from __future__ import annotations

import numpy as np

from isometal.parity.definitions.common import UNIT32, Inputs, Params, finite, real
from isometal.parity.model import NDArray, Truth


def rope(inputs: Inputs, params: Params) -> Truth:
    (operand,) = inputs
    x = real(operand)
    dims = int(params["dims"])
    half = dims // 2
    offset = np.asarray(params.get("offset", 0), np.float64)
    positions = (offset[..., None] + np.arange(x.shape[-2])) * params.get("scale", 1.0)
    freqs = params.get("freqs")
    if freqs is not None:
        inverse = 1.0 / real(freqs)
    else:
        inverse = np.array([float(params.get("base", 10000.0)) ** (-2.0 * i / dims) for i in range(half)])
    angle = positions[..., None] * inverse
    if offset.ndim:
        # One offset per batch: (B, T, half) -> (B, 1, ..., T, half).
        angle = angle.reshape(angle.shape[0], *[1] * (x.ndim - 3), *angle.shape[1:])
    first, second = (slice(0, dims, 2), slice(1, dims, 2)) if params.get("traditional") else (
        slice(0, half), slice(half, dims))  # fmt: skip
    x1, x2 = x[..., first], x[..., second]
    value = x.copy()
    value[..., first] = x1 * np.cos(angle) - x2 * np.sin(angle)
    value[..., second] = x1 * np.sin(angle) + x2 * np.cos(angle)
    slack = np.zeros(x.shape)
    slack[..., first] = slack[..., second] = _slack(np.hypot(x1, x2), angle, inverse, freqs is None)
    return Truth(value, operand.dtype.name, mlx_slack=slack)


def _slack(length: NDArray, angle: NDArray, inverse: NDArray, computed: bool) -> NDArray:
    """What the angles of `mlx.core.fast.rope` (mlx/fast.cpp, rope, fallback) add to the error of a pair of ``length``.

    They are position * inverse frequency in float32, and the inverse frequency exp(-i * (ln(base) / half)): two
    roundings of the exponent, scaled by its size, two units for exp, one each for position and product; or with freqs
    one each for reciprocal, position and product. An angle off by d moves the pair by at most d times its length.
    """
    units = 2.0 * np.abs(np.log(inverse)) + 4.0 if computed else np.full(inverse.shape, 3.0)
    return finite(np.minimum(np.abs(angle) * units * UNIT32, 2.0) * length)
