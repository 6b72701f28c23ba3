"""Conversions between float types that compile to instructions or to integer arithmetic, never to library calls.

Narrowing rounds once, to nearest, ties to even, from whatever precision it starts at. NaN stays NaN and becomes quiet.
"""

from __future__ import annotations

from isometal.soft.lower.intrinsics.builder import Value

_FLOAT_BITS_LOST = 29  # of a double's fraction when it becomes a float


def widen(value: Value, element: str) -> Value:
    """A half, bfloat or float as float (`f32`) or double (`f64`): exact."""
    if value.shape.bits == 16:
        value = _short_to_float(value)
    return value.cast("fpext", element) if value.shape.bits < int(element[1:]) else value


def narrow(value: Value, element: str) -> Value:
    """A float or double rounded to a type of less or equal precision."""
    if value.shape.element == element:
        return value
    if value.shape.element == "f64":
        if element != "f32":
            value = _round_to_odd(value)
        value = value.cast("fptrunc", "f32")
    if element == "bf16":
        return value.cast("fptrunc", "bf16") if value.builder.features.bfloat_conversion else _float_to_bfloat(value)
    if element == "f16":
        return value.cast("fptrunc", "f16") if value.builder.features.half_conversion else _float_to_half(value)
    return value


def convert(value: Value, element: str) -> Value:
    """A float type to any other, rounded to nearest."""
    if value.shape.element == element:
        return value
    wide = "f64" if "f64" in (element, value.shape.element) else "f32"
    return narrow(widen(value, wide), element)


def _short_to_float(value: Value) -> Value:
    features = value.builder.features
    if value.shape.element == "f16":
        return value.cast("fpext", "f32") if features.half_conversion else _half_to_float(value)
    if features.bfloat_conversion:
        return value.cast("fpext", "f32")
    # Not fpext: LLVM would compute in bfloat what is computed of its result (floor, minnum), and round by a call.
    return (value.bits().cast("zext", "i32") << 16).from_bits("f32")


def _round_to_odd(value: Value) -> Value:
    """A double that a float holds exactly, its last bit set where bits were lost: a later rounding is the only one.

    S. Boldo, G. Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd",
    IEEE Transactions on Computers 57 (2008).
    """
    bits = value.bits()
    lost = (1 << _FLOAT_BITS_LOST) - 1
    sticky = ((bits & lost) + lost) & (lost + 1)
    return ((bits & ~lost) | sticky).from_bits("f64")


def _float_to_bfloat(value: Value) -> Value:
    bits = value.bits()
    rounded = (bits + 0x7FFF + (bits.shift_right(16) & 1)).shift_right(16)
    quiet = bits.shift_right(16) | 0x40
    is_nan = value.compare("uno", 0.0)
    return is_nan.select(quiet, rounded).cast("trunc", "i16").from_bits("bf16")


def _half_to_float(value: Value) -> Value:
    bits = value.bits().cast("zext", "i32")
    magnitude = bits & 0x7FFF
    # The exponent's bias grows from 15 to 127, and once more by that for infinity and NaN.
    normal = (magnitude << 13) + (112 << 23)
    special = (magnitude << 13) + (224 << 23)
    subnormal = (magnitude.cast("uitofp", "f32") * 2.0**-24).bits()
    wide = magnitude.compare("ult", 0x400).select(subnormal, normal)
    wide = magnitude.compare("uge", 0x7C00).select(special, wide)
    return (wide | ((bits & 0x8000) << 16)).from_bits("f32")


def _float_to_half(value: Value) -> Value:
    bits = value.bits()
    magnitude = bits & 0x7FFFFFFF
    rebiased = magnitude - (112 << 23)
    normal = (rebiased + 0xFFF + (rebiased.shift_right(13) & 1)).shift_right(13)
    normal = magnitude.compare("uge", (127 + 16) << 23).select(bits.coerce(0x7C00), normal)
    # Below 2^-14 a half's unit is 2^-24, which is the unit of floats from 1/2 on: adding 1/2 rounds to it.
    subnormal = (magnitude.from_bits("f32") + 0.5).bits() - (126 << 23)
    half = magnitude.compare("ult", 113 << 23).select(subnormal, normal)
    quiet = (magnitude.shift_right(13) & 0x3FF) | 0x7E00
    half = magnitude.compare("ugt", 0x7F800000).select(quiet, half)
    return (half | (bits.shift_right(16) & 0x8000)).cast("trunc", "i16").from_bits("f16")
