"""Functions that take numbers apart, put them together or classify them, some of them through pointers."""

from __future__ import annotations

import math
from collections.abc import Callable

from isometal.soft.lower.intrinsics import trigonometry
from isometal.soft.lower.intrinsics.builder import Value
from isometal.soft.lower.intrinsics.definition import Call, Intrinsic
from isometal.soft.lower.intrinsics.precision import narrow, widen
from isometal.soft.lower.intrinsics.shape import Shape

# What ilogb gives for zero and NaN, as C has them.
_LOGARITHM_OF_ZERO = -(1 << 31)
_LOGARITHM_OF_NAN = (1 << 31) - 1
_PARTS = "argmem: write"


def find(operation: str, shape: Shape) -> Intrinsic | None:
    """The intrinsic `air.OPERATION.SHAPE` of this family, SHAPE being of floats."""
    integers = shape.with_element("i32")
    if operation == "ldexp":
        return Intrinsic(shape.text, ((shape.text, integers.text),), lambda c: _scale(c.value(0), c.value(1)))
    if operation == "ilogb":
        return Intrinsic(integers.text, ((shape.text,),), lambda c: _exponent(c.value(0)))
    if operation == "frexp":
        return Intrinsic(shape.text, ((shape.text, "ptr"),), _split_exponent, _PARTS)
    if operation == "modf":
        return Intrinsic(shape.text, ((shape.text, "ptr"),), _split_integral, _PARTS)
    if operation == "sincos":
        return Intrinsic(shape.text, ((shape.text, "ptr"),), _sine_and_cosine, _PARTS)
    if operation == "dot" and shape.count:
        return Intrinsic(shape.scalar.text, ((shape.text, shape.text),), lambda c: _dot(c.value(0), c.value(1)))
    classify = _CLASSES.get(operation)
    if classify is None:
        return None
    formula = classify
    return Intrinsic(shape.with_element("i1").text, ((shape.text,),), lambda c: formula(widen(c.value(0), "f32")))


def _scale(x: Value, exponent: Value) -> Value:
    """x 2^n, rounded once: in double the power and the product are exact."""
    limit = 400
    exponent = exponent.call("smax", -limit).call("smin", limit)
    power = ((exponent.cast("sext", "i64") + 1023) << 52).from_bits("f64")
    return narrow(widen(x, "f64") * power, x.shape.element)


def _float_parts(x: Value) -> tuple[Value, Value, Value]:
    """A number as a double, its bits, and the exponent that leaves a fraction in [1, 2) if it is finite and not 0."""
    wide = widen(x, "f64")
    bits = wide.bits()
    exponent = (bits.shift_right(52) & 0x7FF) - 1023
    return wide, bits, exponent.cast("trunc", "i32")


def _exponent(x: Value) -> Value:
    wide, _, exponent = _float_parts(x)
    exponent = wide.call("fabs").compare("oeq", math.inf).select(exponent.coerce(_LOGARITHM_OF_NAN), exponent)
    exponent = wide.compare("uno", 0.0).select(exponent.coerce(_LOGARITHM_OF_NAN), exponent)
    return wide.compare("oeq", 0.0).select(exponent.coerce(_LOGARITHM_OF_ZERO), exponent)


def _split_exponent(call: Call) -> Value:
    """frexp: a fraction in [1/2, 1) and an exponent; of zero, infinity and NaN themselves and 0."""
    x = call.value(0)
    wide, bits, exponent = _float_parts(x)
    fraction = ((bits & ~(0x7FF << 52)) | (1022 << 52)).from_bits("f64")
    size = wide.call("fabs")
    regular = size.compare("ogt", 0.0) & size.compare("olt", math.inf)
    call.builder.store(regular.select(exponent + 1, 0), call.name(1))
    return narrow(regular.select(fraction, wide), x.shape.element)


def _split_integral(call: Call) -> Value:
    """modf: both parts have the sign of the number."""
    x = widen(call.value(0), "f32")
    whole = x.call("trunc")
    element = call.value(0).shape.element
    call.builder.store(narrow(whole, element), call.name(1))
    infinite = whole.call("fabs").compare("oeq", math.inf)
    rest = infinite.select(x.coerce(0.0), x - whole)
    return narrow(rest.call("copysign", x), element)


def _sine_and_cosine(call: Call) -> Value:
    x = widen(call.value(0), "f64")
    element = call.value(0).shape.element
    call.builder.store(narrow(trigonometry.cosine(x), element), call.name(1))
    return narrow(trigonometry.sine(x), element)


def _dot(x: Value, y: Value) -> Value:
    """Products and sums in float, from the first element to the last."""
    products = widen(x, "f32") * widen(y, "f32")
    builder = x.builder
    total = builder.extract(products, 0)
    for index in range(1, products.shape.count):
        total = total + builder.extract(products, index)
    return narrow(total, x.shape.element)


def _is_normal(x: Value) -> Value:
    smallest = 2.0**-126
    size = x.call("fabs")
    return size.compare("oge", smallest) & size.compare("olt", math.inf)


_CLASSES: dict[str, Callable[[Value], Value]] = {
    "isnan": lambda x: x.compare("uno", 0.0),
    "isinf": lambda x: x.call("fabs").compare("oeq", math.inf),
    "isfinite": lambda x: x.call("fabs").compare("olt", math.inf),
    "isnormal": _is_normal,
    "signbit": lambda x: x.bits().compare("slt", 0),
}
