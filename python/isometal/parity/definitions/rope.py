"""Rotary positions, and how far MLX's own float32 angles are off."""

from __future__ import annotations

import numpy as np

from isometal.parity.definitions.common import UNIT32, Inputs, Params, finite, real
from isometal.parity.model import NDArray, Truth
from isometal.parity.rounding import FORMATS


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
    slack[..., first], slack[..., second] = _slack(x1, x2, angle, inverse, freqs is None, operand.dtype.name)
    return Truth(value, operand.dtype.name, mlx_slack=slack)


def _slack(
    x1: NDArray, x2: NDArray, angle: NDArray, inverse: NDArray, computed: bool, dtype: str
) -> tuple[NDArray, NDArray]:
    """What the algorithm of `mlx.core.fast.rope` (mlx/fast.cpp, rope, fallback) adds to the error of the two outputs.

    Angles are position * inverse frequency in float32, and the inverse frequency exp(-i * (ln(base) / half)): two
    roundings of the exponent, scaled by its size, two units for exp, one each for position and product. An angle that
    is off by d moves the rotated pair by at most d times its length. With 16 bits cosine, sine and both products are
    rounded to the dtype before they are added.
    """
    units = 2.0 * np.abs(np.log(inverse)) + 4.0 if computed else np.full(inverse.shape, 3.0)
    turned = np.minimum(np.abs(angle) * units * UNIT32, 2.0) * np.hypot(x1, x2)
    rounding = 0.0 if dtype == "float32" else 2.0 * FORMATS[dtype].unit_roundoff
    cos, sin = np.abs(np.cos(angle)), np.abs(np.sin(angle))
    one = turned + rounding * (np.abs(x1) * cos + np.abs(x2) * sin)
    two = turned + rounding * (np.abs(x1) * sin + np.abs(x2) * cos)
    return finite(one), finite(two)
