"""Sine, cosine and tangent of doubles that are floats, right for every float however large."""

from __future__ import annotations

import math

from isometal.soft.lower.intrinsics import coefficients
from isometal.soft.lower.intrinsics.builder import Value
from isometal.soft.lower.intrinsics.cores import _SHIFTER, polynomial

_LARGE = 2.0**30
_SIGN = 1 << 63
_LOW_WORD = 0xFFFFFFFF
_TWO_52_BITS = 1075 << 52


def _reduce_moderate(x: Value) -> tuple[Value, Value]:
    """Cody and Waite: pi/2 in four parts, whose products with the quadrant are exact. For 0 <= x < 2^31."""
    shifted = x * (2 / math.pi) + _SHIFTER
    quadrant = shifted - _SHIFTER
    rest = x
    for part in coefficients.HALF_PI:
        rest = rest - quadrant * part
    return shifted.bits(), rest


def _reduce_large(x: Value) -> tuple[Value, Value]:
    """Payne and Hanek: of x 2/pi only what counts modulo 4, as a fraction of 64 bits. For x >= 2^30, finite.

    M. Payne, R. Hanek, "Radian reduction for trigonometric functions", SIGNUM Newsletter 18 (1983).
    """
    bits = x.bits()
    # x is an integer of 24 bits times 2^k; shift the digits of 2/pi by k - 2, so that x 2/pi / 4 remains.
    mantissa = (bits.shift_right(29) & 0x7FFFFF) | 0x800000
    shift = bits.shift_right(52) - (1023 + 23 + 2)
    odd = (shift & 32).compare("ne", 0)
    upper = (shift & 64).compare("ne", 0)
    within = shift & 31
    words = coefficients.TWO_OVER_PI
    pairs = [bits.coerce(words[k] << 32 | words[k + 1]) for k in range(len(words) - 1)]
    digits = []
    for k in range(3):
        pair = upper.select(odd.select(pairs[k + 3], pairs[k + 2]), odd.select(pairs[k + 1], pairs[k]))
        digits.append((pair << within).shift_right(32))
    fraction = ((mantissa * digits[0]) << 32) + mantissa * digits[1] + (mantissa * digits[2]).shift_right(32)
    quadrant = (fraction + (1 << 61)).shift_right(62)
    rest = fraction - (quadrant << 62)
    # The halves of a signed integer of 64 bits as doubles: not every target converts vectors of them.
    high = ((rest.shift_right(32) ^ 0x80000000) | _TWO_52_BITS).from_bits("f64") - (2.0**52 + 2.0**31)
    low = ((rest & _LOW_WORD) | _TWO_52_BITS).from_bits("f64") - 2.0**52
    return quadrant, (high * 2.0**32 + low) * (math.pi / 2 * 2.0**-62)


def _reduce(x: Value) -> tuple[Value, Value]:
    """The nearest multiple of pi/2, of whose number the last two bits count, and the distance from it. For x >= 0."""
    quadrant, rest = _reduce_moderate(x)
    large_quadrant, large_rest = _reduce_large(x)
    # Infinity takes the first way, where it becomes NaN.
    large = x.compare("oge", _LARGE) & x.compare("olt", math.inf)
    return large.select(large_quadrant, quadrant), large.select(large_rest, rest)


def _reduce_half_turns(x: Value) -> tuple[Value, Value]:
    """As _reduce, of pi x. The remainder of 2 is exact."""
    turn = x - (x * 0.5).call("floor") * 2.0
    shifted = turn * 2.0 + _SHIFTER
    rest = turn - (shifted - _SHIFTER) * 0.5
    return shifted.bits(), rest * math.pi


def _sine_and_cosine(rest: Value) -> tuple[Value, Value]:
    z = rest * rest
    return rest + rest * z * polynomial(z, coefficients.SINE), z * polynomial(z, coefficients.COSINE) + 1.0


def _flip(value: Value, sign: Value) -> Value:
    return (value.bits() ^ sign).from_bits("f64")


def _sine_at(quadrant: Value, rest: Value) -> Value:
    sine, cosine = _sine_and_cosine(rest)
    value = (quadrant & 1).compare("ne", 0).select(cosine, sine)
    return _flip(value, (quadrant & 2) << 62)


def _sign(x: Value) -> Value:
    return x.bits() & _SIGN


def sine(x: Value) -> Value:
    return _flip(_sine_at(*_reduce(x.call("fabs"))), _sign(x))


def cosine(x: Value) -> Value:
    quadrant, rest = _reduce(x.call("fabs"))
    return _sine_at(quadrant + 1, rest)


def tangent(x: Value) -> Value:
    return _flip(_tangent_at(*_reduce(x.call("fabs"))), _sign(x))


def _tangent_at(quadrant: Value, rest: Value) -> Value:
    """tan, or -1 / tan in odd quadrants."""
    sine_, cosine_ = _sine_and_cosine(rest)
    odd = (quadrant & 1).compare("ne", 0)
    numerator, denominator = odd.select(cosine_, sine_), odd.select(sine_, cosine_)
    return _flip(numerator / denominator, (quadrant & 1) << 63)


def sine_pi(x: Value) -> Value:
    """Zeros have the argument's sign: adding 0 makes them positive first."""
    return _flip(_sine_at(*_reduce_half_turns(x.call("fabs"))) + 0.0, _sign(x))


def cosine_pi(x: Value) -> Value:
    """Zeros are positive."""
    quadrant, rest = _reduce_half_turns(x.call("fabs"))
    return _sine_at(quadrant + 1, rest) + 0.0


def tangent_pi(x: Value) -> Value:
    return _flip(_tangent_at(*_reduce_half_turns(x.call("fabs"))), _sign(x))
