"""Functions of floats that need no approximation: rounding, minima, fused products, parts of numbers.

`UNARY`, `BINARY` and `TERNARY` map the operation in an intrinsic's name to its formula on values of its type.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from isometal.soft.lower.intrinsics.builder import Value
from isometal.soft.lower.intrinsics.precision import narrow, widen

Formula = Callable[..., Value]

FRACTION_BITS = {"f16": 10, "bf16": 7, "f32": 23}


def in_float(formula: Formula) -> Formula:
    """The formula on floats, for half and bfloat too: their results are rounded once."""

    def wide(*values: Value) -> Value:
        return narrow(formula(*(widen(v, "f32") for v in values)), values[0].shape.element)

    return wide


def in_double(formula: Formula) -> Formula:
    """The formula on doubles, rounded once."""

    def wide(*values: Value) -> Value:
        return narrow(formula(*(widen(v, "f64") for v in values)), values[0].shape.element)

    return wide


def is_less(x: Value, y: Value) -> Value:
    return widen(x, "f32").compare("olt", widen(y, "f32"))


def is_nan(x: Value) -> Value:
    return widen(x, "f32").compare("uno", 0.0)


def minimum(x: Value, y: Value) -> Value:
    """The smaller; a number rather than NaN."""
    if x.shape.element == "f32":
        return x.call("minnum", y)
    # LLVM's minnum of halfs is a library call.
    return is_nan(y).select(x, is_less(x, y).select(x, y))


def maximum(x: Value, y: Value) -> Value:
    """The larger; a number rather than NaN."""
    if x.shape.element == "f32":
        return x.call("maxnum", y)
    return is_nan(y).select(x, is_less(y, x).select(x, y))


def _minimum3(x: Value, y: Value, z: Value) -> Value:
    return minimum(minimum(x, y), z)


def _maximum3(x: Value, y: Value, z: Value) -> Value:
    return maximum(maximum(x, y), z)


def _median(x: Value, y: Value, z: Value) -> Value:
    return maximum(minimum(x, y), minimum(maximum(x, y), z))


def _clamp(x: Value, low: Value, high: Value) -> Value:
    return minimum(maximum(x, low), high)


def _saturate(x: Value) -> Value:
    return _clamp(x, x.coerce(0.0), x.coerce(1.0))


def _fraction(x: Value) -> Value:
    """x - floor(x), kept below 1; infinity has none."""
    element = x.shape.element
    wide = widen(x, "f32")
    part = wide - wide.call("floor")
    limit = 1 - 2.0 ** -(FRACTION_BITS[element] + 1)
    part = part.compare("ogt", limit).select(part.coerce(limit), part)
    part = wide.call("fabs").compare("oeq", math.inf).select(part.coerce(0.0), part)
    return narrow(part, element)


def _sign(x: Value) -> Value:
    """1 or -1 of a number, zeros as they are, 0 of NaN."""
    one = x.coerce(1.0).call("copysign", x)
    result = x.compare("oeq", 0.0).select(x, one)
    return x.compare("uno", 0.0).select(x.coerce(0.0), result)


def _step(edge: Value, x: Value) -> Value:
    return is_less(x, edge).select(x.coerce(0.0), 1.0)


def _mix(x: Value, y: Value, a: Value) -> Value:
    return x + (y - x) * a


def _smoothstep(low: Value, high: Value, x: Value) -> Value:
    t = _saturate((x - low) / (high - low))
    return t * t * (3.0 - t * 2.0)


def _positive_difference(x: Value, y: Value) -> Value:
    return x.compare("ole", y).select(x.coerce(0.0), x - y)


def _next_after(x: Value, y: Value) -> Value:
    """The neighbour of x in the direction of y; of a zero it is the smallest normal number, as subnormals are zero."""
    element = x.shape.element
    bits, fraction = x.bits(), FRACTION_BITS[element]
    sign = 1 << (x.shape.bits - 1)
    wide_x, wide_y = widen(x, "f32"), widen(y, "f32")
    smallest = 1 if element == "f16" else 1 << fraction
    # Bits count up away from zero.
    outwards = wide_x.compare("olt", wide_y) ^ bits.compare("slt", 0)
    moved = outwards.select(bits + 1, bits - 1)
    magnitude = moved & (sign - 1)
    moved = magnitude.compare("ult", smallest).select(moved & sign, moved)
    from_zero = wide_y.compare("olt", 0.0).select(bits.coerce(-sign + smallest), bits.coerce(smallest))
    moved = wide_x.compare("oeq", 0.0).select(from_zero, moved)
    result = moved.from_bits(element)
    result = wide_x.compare("oeq", wide_y).select(y, result)
    return is_nan(x).select(x, is_nan(y).select(y, result))


def fused(x: Value, y: Value, z: Value) -> Value:
    """x y + z, rounded once."""
    element = x.shape.element
    if element == "f32" and x.builder.features.fused_multiply_add:
        return x.call("fma", y, z)
    # The product is exact in double. Where the sum is not, its last bit becomes odd, so that the next rounding is the
    # only one that counts (rounding to odd, see precision.py).
    product, addend = widen(x, "f64") * widen(y, "f64"), widen(z, "f64")
    total = product + addend
    of_addend = total - product
    lost = (product - (total - of_addend)) + (addend - of_addend)
    bits = total.bits()
    beyond = (lost.bits() ^ bits).compare("slt", 0)
    odd = beyond.select(bits - 1, bits) | 1
    inexact = lost.call("fabs").compare("ogt", 0.0)
    return narrow(inexact.select(odd, bits).from_bits("f64"), element)


def _remainder(x: Value, y: Value) -> Value:
    """C's fmod, exact: the quotient is taken off in pieces of 24 bits, largest first."""
    builder = x.builder
    if x.shape.count:
        pairs = [(builder.extract(x, i), builder.extract(y, i)) for i in range(x.shape.count)]
        return builder.gather([_remainder(a, b) for a, b in pairs])
    signed, divisor = widen(x, "f64"), widen(y, "f64").call("fabs")
    dividend = signed.call("fabs")
    start, loop, done = builder.fresh("start"), builder.fresh("loop"), builder.fresh("done")
    before, after = f"%{builder.fresh('before')}", f"%{builder.fresh('after')}"
    builder.effect(f"br label %{start}\n{start}:\nbr label %{loop}\n{loop}:")
    rest = builder.emit(f"phi double [ {dividend.name}, %{start} ], [ {after}, %{loop} ]", dividend.shape, before)
    # The divisor times a power of two that leaves a quotient of at most 25 bits: products with it are exact.
    gap = rest.bits().shift_right(52) - divisor.bits().shift_right(52) - 24
    steps = gap.compare("sgt", 0).select(gap, 0)
    scaled = (divisor.bits() + (steps << 52)).from_bits("f64")
    left = rest - (rest / scaled).call("trunc") * scaled
    # The rounded quotient can be one too large.
    more, negative = left + scaled, left.compare("olt", 0.0)
    left = builder.emit(f"select {negative.typed}, {more.typed}, {left.typed}", left.shape, after)
    again = left.compare("oge", divisor) & divisor.compare("ogt", 0.0)
    builder.effect(f"br {again.typed}, label %{loop}, label %{done}\n{done}:")
    result = divisor.compare("oeq", math.inf).select(dividend, left)
    undefined = dividend.compare("oeq", math.inf) | divisor.compare("ueq", 0.0)
    result = undefined.select(result.coerce(math.nan), result)
    return narrow(result.call("copysign", signed), x.shape.element)


UNARY: dict[str, Formula] = {
    "fabs": lambda x: x.call("fabs"),
    "floor": in_float(lambda x: x.call("floor")),
    "ceil": in_float(lambda x: x.call("ceil")),
    "trunc": in_float(lambda x: x.call("trunc")),
    "rint": in_float(lambda x: x.call("roundeven")),
    "round": in_float(lambda x: x.call("round")),
    "sqrt": in_float(lambda x: x.call("sqrt")),
    "fract": _fraction,
    "saturate": _saturate,
    "sign": in_float(_sign),
}

BINARY: dict[str, Formula] = {
    "fmin": minimum,
    "fmax": maximum,
    "fmod": _remainder,
    "fdim": in_float(_positive_difference),
    "divide": in_float(lambda x, y: x / y),
    "copysign": lambda x, y: x.call("copysign", y),
    "nextafter": _next_after,
    "step": _step,
}

TERNARY: dict[str, Formula] = {
    "fma": fused,
    "fmin3": _minimum3,
    "fmax3": _maximum3,
    "fmedian3": _median,
    "clamp": _clamp,
    "mix": in_float(_mix),
    "smoothstep": in_float(_smoothstep),
}
