"""Elementary functions of doubles, good to about 2^-38: a float result is then right to 0.5001 units in the last place.

They are straight lines of additions, multiplications and selects, so LLVM vectorises loops over them; there are no
tables and no library calls. Nothing is fused, so all targets give the same bits. Arguments are floats, widened.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from isometal.soft.lower.intrinsics import coefficients
from isometal.soft.lower.intrinsics.builder import Value

LOG2_E = 1 / math.log(2.0)
LOG2_10 = math.log2(10.0)
LN_2 = math.log(2.0)
LOG10_2 = math.log10(2.0)

_INFINITY = math.inf
# Adding 1.5 x 2^52 to a double leaves the nearest integer in its low bits.
_SHIFTER = 1.5 * 2.0**52
_ONE = 1023 << 52
_ROOT_HALF = 0x3FE6A09E00000000  # the bits of sqrt(1/2), its low word cut
# Beyond this, powers of two are 0 or infinity as floats.
_EXPONENT_LIMIT = 300.0


def polynomial(x: Value, terms: Sequence[float]) -> Value:
    """Even and odd powers apart: half the latency of Horner's rule."""
    if len(terms) < 4:
        return _horner(x, terms)
    square = x * x
    return _horner(square, terms[0::2]) + x * _horner(square, terms[1::2])


def _horner(x: Value, terms: Sequence[float]) -> Value:
    result = x * terms[-1] + terms[-2] if len(terms) > 1 else x.coerce(terms[0])
    for term in reversed(terms[:-2]):
        result = result * x + term
    return result


def clamp(x: Value, low: float, high: float) -> Value:
    """NaN stays."""
    x = x.compare("olt", low).select(x.coerce(low), x)
    return x.compare("ogt", high).select(x.coerce(high), x)


def _powers(t: Value) -> tuple[Value, Value]:
    """2^n and 2^f - 1 where n + f = t, n is an integer and |f| <= 1/2."""
    t = clamp(t, -_EXPONENT_LIMIT, _EXPONENT_LIMIT)
    shifted = t + _SHIFTER
    fraction = t - (shifted - _SHIFTER)
    scale = ((shifted.bits() << 52) + _ONE).from_bits("f64")
    return scale, fraction * polynomial(fraction, coefficients.EXP2)


def exp2(t: Value) -> Value:
    scale, rest = _powers(t)
    return scale + scale * rest


def expm1(x: Value) -> Value:
    """e^x - 1, its relative error as small near 0 as elsewhere."""
    scale, rest = _powers(x * LOG2_E)
    return scale * rest + (scale - 1.0)


def _split(x: Value) -> tuple[Value, Value]:
    """Exponent n and 2 atanh(s) = ln(m) of a positive normal number x = 2^n m, sqrt(1/2) <= m < sqrt(2)."""
    bits = x.bits()
    biased = (bits + (_ONE - _ROOT_HALF)).shift_right(52)
    mantissa = (bits - (biased << 52) + _ONE).from_bits("f64")
    # The bits of 2^52 and an integer below it are the double of their sum.
    exponent = (biased | (1075 << 52)).from_bits("f64") - (2.0**52 + 1023)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    return exponent, (s + s * z * polynomial(z, coefficients.ATANH)) * 2.0


def _special(x: Value, result: Value) -> Value:
    """A logarithm with its values at 0, infinity, NaN and below 0."""
    exception = x.compare("olt", 0.0).select(x.coerce(math.nan), x)
    exception = x.compare("oeq", 0.0).select(x.coerce(-_INFINITY), exception)
    regular = x.compare("ogt", 0.0) & x.compare("olt", _INFINITY)
    return regular.select(result, exception)


def log(x: Value) -> Value:
    exponent, rest = _split(x)
    return _special(x, exponent * LN_2 + rest)


def log2(x: Value) -> Value:
    exponent, rest = _split(x)
    return _special(x, exponent + rest * LOG2_E)


def log10(x: Value) -> Value:
    exponent, rest = _split(x)
    return _special(x, exponent * LOG10_2 + rest * (LOG10_2 * LOG2_E))


def log1p(x: Value) -> Value:
    """ln(1 + x); what 1 + x lost is added back. W. Kahan's remedy, as a first-order term."""
    u = x + 1.0
    lost = x - (u - 1.0)
    corrected = log(u) + lost / u
    # An infinite u has nothing to correct.
    return u.compare("olt", _INFINITY).select(corrected, u)


def arctangent2(y: Value, x: Value) -> Value:
    """The angle of the point (x, y), as C's atan2 has it."""
    # Infinite coordinates become large ones, of which a finite one is an invisible part.
    limit = 2.0**900
    across, up = x.call("fabs"), y.call("fabs")
    across = across.compare("ogt", limit).select(x.coerce(limit), across)
    up = up.compare("ogt", limit).select(y.coerce(limit), up)
    steep = up.compare("ogt", across)
    large = steep.select(up, across)
    small = steep.select(across, up)
    # atan(b/a) = pi/4 + atan((b - a) / (b + a)) keeps the polynomial's argument below tan(pi/8).
    middle = small.compare("ogt", large * (math.sqrt(2.0) - 1))
    numerator = middle.select(small - large, small)
    denominator = middle.select(small + large, large)
    t = numerator / large.compare("oeq", 0.0).select(large.coerce(1.0), denominator)
    z = t * t
    angle = t + t * z * polynomial(z, coefficients.ATAN)
    angle = angle + middle.select(angle.coerce(math.pi / 4), 0.0)
    angle = steep.select(math.pi / 2 - angle, angle)
    behind = x.bits().compare("slt", 0)
    angle = behind.select(math.pi - angle, angle)
    angle = angle.call("copysign", y)
    return x.compare("uno", y).select(x + y, angle)
