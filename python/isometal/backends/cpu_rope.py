"""Rotary position embedding on NumPy (Su et al. 2021, "RoFormer", arXiv:2104.09864)."""

from __future__ import annotations

import numpy as np

from isometal.backends.base import NDArray
from isometal.backends.cpu_numeric import to_float32
from isometal.dtypes import float32

#: Positions between two rows whose angles are evaluated directly; those between come from the addition theorem.
_STRIDE = 32


def rope(
    x: NDArray,
    dims: int,
    traditional: bool,
    base: float,
    scale: float,
    offset: int | NDArray,
    freqs: NDArray | None,
) -> NDArray:
    """Turn pairs of x's first ``dims`` features by position * scale * base**(-2 i / dims).

    x (..., T, D). Pair i is (2 i, 2 i + 1) where ``traditional``, else (i, i + dims / 2). ``offset`` is the position
    of the first row, an int or one per x.shape[0]. ``freqs`` (dims / 2,) holds the wavelengths base**(2 i / dims).
    """
    half = dims // 2
    wavelengths = base ** (np.arange(half) * (2.0 / dims)) if freqs is None else freqs.astype(np.float64)
    theta = scale / wavelengths
    cos, sin = _turns(offset, x.shape[-2], theta)
    if cos.ndim == 3:
        # One table per batch, the same for everything between batch and position.
        shape = (cos.shape[0], *(1,) * (x.ndim - 3), *cos.shape[1:])
        cos, sin = cos.reshape(shape), sin.reshape(shape)

    first, second = (slice(0, dims, 2), slice(1, dims, 2)) if traditional else (slice(half), slice(half, dims))
    wide = to_float32(x)
    a, b = wide[..., first], wide[..., second]
    out = np.empty(x.shape, np.float32)
    if dims < x.shape[-1]:
        out[..., dims:] = wide[..., dims:]
    turned = a * cos
    product = b * sin
    np.subtract(turned, product, out=out[..., first])
    np.multiply(a, sin, out=turned)
    np.multiply(b, cos, out=product)
    np.add(turned, product, out=out[..., second])
    return out if x.dtype == float32 else out.astype(x.dtype)


def _turns(offset: int | NDArray, length: int, theta: NDArray) -> tuple[NDArray, NDArray]:
    """Cosine and sine of (offset + t) * theta as float32 (..., length, half), one leading axis where offset has one.

    Angles are float64: at position 1e6 a float32 angle is off by up to 0.03. Only every _STRIDE-th row is evaluated;
    the rows between are its products with exp(i t theta), t < _STRIDE, which costs a tenth and errs by 1e-15.
    """
    start = np.asarray(offset, np.float64)[..., None]
    if length <= 2 * _STRIDE:
        angle = (start + np.arange(length))[..., None] * theta
        return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    coarse = _cis((start + np.arange(0, length, _STRIDE))[..., None] * theta)
    fine = _cis(np.arange(_STRIDE)[:, None] * theta)
    turns = (coarse[..., :, None, :] * fine).reshape(*start.shape[:-1], -1, theta.size)[..., :length, :]
    return turns.real.astype(np.float32), turns.imag.astype(np.float32)


def _cis(angle: NDArray) -> NDArray:
    """exp(i angle)."""
    out = np.empty(angle.shape, np.complex128)
    out.real = np.cos(angle)
    out.imag = np.sin(angle)
    return out
