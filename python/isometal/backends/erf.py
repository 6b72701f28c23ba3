"""The tail of the normal distribution in float32, which is what the exact GELU needs and NumPy lacks."""

from __future__ import annotations

import numpy as np

from isometal.backends.base import NDArray

# Q(a) = exp(-a^2 / 2) t P(t) with t = 1 / (1 + _P a): the form of Hastings, "Approximations for Digital Computers"
# (1955), as in Abramowitz and Stegun 7.1.26 and 26.2.17. The coefficients are our own: a Lawson (iteratively
# reweighted least squares) minimax fit of the relative error on 0 <= a <= 14 against math.erfc in float64. In exact
# arithmetic the fit is within 3.5e-9 of Q(a), a twentieth of a float32 rounding error.
_P = np.float32(0.3)
_COEFFICIENTS = tuple(
    np.float32(c)
    for c in (
        -0.0206128352080028,
        0.11237580892059074,
        -0.22806758276162994,
        0.19158178246259677,
        -0.0792474092267947,
        0.09605786463831086,
        0.07842556815915533,
        0.11022732623624927,
        0.11957284095267802,
        0.11968663410307737,
    )
)

#: Beyond it a Q(a) is 0 in float32, denormals included.
_FAR = np.float32(15.0)
_HALF = np.float32(-0.5)
_ONE = np.float32(1.0)
_ZERO = np.float32(0.0)


def gelu(x: NDArray, out: NDArray) -> None:
    """out = x Phi(x) for float32 x, Phi the standard normal distribution function (1 + erf(x / sqrt 2)) / 2.

    Computed as max(x, 0) - |x| Q(|x|), Q = 1 - Phi the upper tail. Nothing cancels for negative x, so the relative
    error stays small out into the tail, where 1 + erf(x / sqrt 2) has none of its digits left.
    """
    a = np.abs(x)
    np.minimum(a, _FAR, out=a)
    t = np.multiply(a, _P)
    t += _ONE
    np.divide(_ONE, t, out=t)
    tail = np.multiply(t, _COEFFICIENTS[0])
    for c in _COEFFICIENTS[1:-1]:
        tail += c
        tail *= t
    tail += _COEFFICIENTS[-1]
    t *= a
    tail *= t
    a *= a
    a *= _HALF
    np.exp(a, out=a)
    tail *= a
    # max(x, 0) as x - min(x, 0): -inf becomes NaN, the product -inf * 0 that the definition has there.
    np.minimum(x, _ZERO, out=a)
    np.subtract(x, a, out=out)
    out -= tail
