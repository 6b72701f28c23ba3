"""Exponential, logarithmic, trigonometric and power functions: computed in double, rounded once.

`UNARY` and `BINARY` map the operation in an intrinsic's name to its formula on doubles.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from isometal.soft.lower.intrinsics import cores, trigonometry
from isometal.soft.lower.intrinsics.builder import Value

Unary = Callable[[Value], Value]
Binary = Callable[[Value, Value], Value]


def _hyperbolic_sine(x: Value) -> Value:
    m = cores.expm1(x.call("fabs"))
    # e^x - e^-x from e^x - 1; where that overflows as a float its reciprocal no longer counts.
    return ((m + m / (m + 1.0)) * 0.5).call("copysign", x)


def _hyperbolic_cosine(x: Value) -> Value:
    e = cores.exp2(x.call("fabs") * cores.LOG2_E)
    return (e + 1.0 / e) * 0.5


def _hyperbolic_tangent(x: Value) -> Value:
    # From 20 on the result is 1; e^40 stays far from infinity.
    m = cores.expm1(cores.clamp(x.call("fabs") * 2.0, 0.0, 60.0))
    return (m / (m + 2.0)).call("copysign", x)


def _inverse_hyperbolic_sine(x: Value) -> Value:
    a = x.call("fabs")
    square = a * a
    result = cores.log1p(a + square / ((square + 1.0).call("sqrt") + 1.0))
    return a.compare("oeq", math.inf).select(a, result).call("copysign", x)


def _inverse_hyperbolic_cosine(x: Value) -> Value:
    t = x - 1.0
    result = cores.log1p(t + (t * (x + 1.0)).call("sqrt"))
    return x.compare("olt", 1.0).select(x.coerce(math.nan), result)


def _inverse_hyperbolic_tangent(x: Value) -> Value:
    a = x.call("fabs")
    return (cores.log1p(a * 2.0 / (1.0 - a)) * 0.5).call("copysign", x)


def _complement(x: Value) -> Value:
    """sqrt(1 - x^2), NaN where |x| > 1."""
    return ((1.0 - x) * (x + 1.0)).call("sqrt")


def _arcsine(x: Value) -> Value:
    return cores.arctangent2(x, _complement(x))


def _arccosine(x: Value) -> Value:
    return cores.arctangent2(_complement(x), x)


def _arctangent(x: Value) -> Value:
    return cores.arctangent2(x, x.coerce(1.0))


def _reciprocal_root(x: Value) -> Value:
    return 1.0 / x.call("sqrt")


def _power(x: Value, y: Value) -> Value:
    """C's pow with all its exceptions."""
    result = cores.exp2(y * cores.log2(x.call("fabs")))
    # The logarithm's product is NaN for these.
    certain = x.call("fabs").compare("oeq", 1.0) & y.call("fabs").compare("oeq", math.inf)
    certain = certain | y.compare("oeq", 0.0)
    result = certain.select(result.coerce(1.0), result)
    whole = y.compare("oeq", y.call("floor"))
    half = y * 0.5
    odd = whole & half.compare("une", half.call("floor"))
    negative = x.bits().compare("slt", 0)
    result = (odd & negative).select(-result, result)
    # -infinity is even's limit whatever y is.
    undefined = x.compare("olt", 0.0) & x.compare("one", -math.inf) & ~whole
    result = undefined.select(result.coerce(math.nan), result)
    return x.compare("oeq", 1.0).select(result.coerce(1.0), result)


def _positive_power(x: Value, y: Value) -> Value:
    return cores.exp2(y * cores.log2(x))


UNARY: dict[str, Unary] = {
    "exp": lambda x: cores.exp2(x * cores.LOG2_E),
    "exp2": cores.exp2,
    "exp10": lambda x: cores.exp2(x * cores.LOG2_10),
    "log": cores.log,
    "log2": cores.log2,
    "log10": cores.log10,
    "sin": trigonometry.sine,
    "cos": trigonometry.cosine,
    "tan": trigonometry.tangent,
    "sinpi": trigonometry.sine_pi,
    "cospi": trigonometry.cosine_pi,
    "tanpi": trigonometry.tangent_pi,
    "asin": _arcsine,
    "acos": _arccosine,
    "atan": _arctangent,
    "sinh": _hyperbolic_sine,
    "cosh": _hyperbolic_cosine,
    "tanh": _hyperbolic_tangent,
    "asinh": _inverse_hyperbolic_sine,
    "acosh": _inverse_hyperbolic_cosine,
    "atanh": _inverse_hyperbolic_tangent,
    "rsqrt": _reciprocal_root,
}

BINARY: dict[str, Binary] = {
    "pow": _power,
    "powr": _positive_power,
    "atan2": cores.arctangent2,
}
