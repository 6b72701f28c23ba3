"""Arithmetic of the reference interpreter: one LLVM operation on one element at a time, exactly.

Integers are Python's, kept as unsigned numbers of their width; floating-point numbers are NumPy scalars. None stands
for a value that is undefined (poison, undef), and so does what is computed from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from reference.memory import FLOATS, ReferenceFault

_TINY = np.float32(2.0**-126)


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def unsigned(value: int, bits: int) -> int:
    return value & ((1 << bits) - 1)


def flushed(value: Any) -> Any:
    """A float32 denormal becomes a zero of its sign."""
    if isinstance(value, np.float32) and value != 0 and abs(value) < _TINY:
        return np.copysign(np.float32(0), value)
    return value


def integer_binary(opcode: str, bits: int) -> Callable[[int, int], int | None]:
    """A binary operation on integers of that width."""

    def divide(a: int, b: int, remainder: bool, of_signed: bool) -> int:
        if of_signed:
            a, b = signed(a, bits), signed(b, bits)
        if b == 0 or (of_signed and b == -1 and a == -(1 << (bits - 1))):
            raise ReferenceFault(f"{opcode} of {a} by {b}")
        quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        return unsigned(a - quotient * b if remainder else quotient, bits)

    def shift(a: int, b: int) -> int | None:
        if b >= bits:
            return None
        if opcode == "shl":
            return unsigned(a << b, bits)
        return a >> b if opcode == "lshr" else unsigned(signed(a, bits) >> b, bits)

    table: dict[str, Callable[[int, int], int | None]] = {
        "add": lambda a, b: unsigned(a + b, bits),
        "sub": lambda a, b: unsigned(a - b, bits),
        "mul": lambda a, b: unsigned(a * b, bits),
        "and": lambda a, b: a & b,
        "or": lambda a, b: a | b,
        "xor": lambda a, b: a ^ b,
        "udiv": lambda a, b: divide(a, b, False, False),
        "urem": lambda a, b: divide(a, b, True, False),
        "sdiv": lambda a, b: divide(a, b, False, True),
        "srem": lambda a, b: divide(a, b, True, True),
        "shl": shift,
        "lshr": shift,
        "ashr": shift,
    }
    return _strict(table[opcode])


def float_binary(opcode: str, flush: bool) -> Callable[[Any, Any], Any]:
    """A binary operation on floating-point numbers; float32 denormals count as zero where `flush` is set."""
    table: dict[str, Callable[[Any, Any], Any]] = {
        "fadd": lambda a, b: a + b,
        "fsub": lambda a, b: a - b,
        "fmul": lambda a, b: a * b,
        "fdiv": lambda a, b: a / b,
    }
    return _strict(_flushing(table[opcode]) if flush else table[opcode])


def integer_compare(predicate: str, bits: int) -> Callable[[Any, Any], Any]:
    compare = {"eq": "eq", "ne": "ne", "gt": "gt", "ge": "ge", "lt": "lt", "le": "le"}[predicate[-2:]]
    operation = _ORDER[compare]
    if predicate[0] == "s":
        return _strict(lambda a, b: int(operation(signed(a, bits), signed(b, bits))))
    return _strict(lambda a, b: int(operation(a, b)))


def float_compare(predicate: str, flush: bool) -> Callable[[Any, Any], Any]:
    if predicate in ("ord", "uno"):
        return _strict(lambda a, b: int((math.isnan(a) or math.isnan(b)) == (predicate == "uno")))
    operation = _ORDER[predicate[1:]]
    unordered = int(predicate[0] == "u")

    def compare(a: Any, b: Any) -> int:
        return unordered if math.isnan(a) or math.isnan(b) else int(operation(a, b))

    return _strict(_flushing(compare) if flush else compare)


_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "gt": lambda a, b: bool(a > b),
    "ge": lambda a, b: bool(a >= b),
    "lt": lambda a, b: bool(a < b),
    "le": lambda a, b: bool(a <= b),
}


def cast(opcode: str, source: str, target: str) -> Callable[[Any], Any]:
    """A cast between scalar types."""
    from_bits = int(source[1:]) if source[0] == "i" else 0
    to_bits = int(target[1:]) if target[0] == "i" else 0

    def to_integer(value: Any) -> int | None:
        if math.isnan(value) or math.isinf(value):
            return None
        whole = math.trunc(float(value))
        low = -(1 << (to_bits - 1)) if opcode == "fptosi" else 0
        if not low <= whole < low + (1 << to_bits):
            return None
        return unsigned(whole, to_bits)

    table: dict[str, Callable[[Any], Any]] = {
        "trunc": lambda v: unsigned(v, to_bits),
        "zext": lambda v: v,
        "sext": lambda v: unsigned(signed(v, from_bits), to_bits),
        "uitofp": lambda v: rounded(v, target),
        "sitofp": lambda v: rounded(signed(v, from_bits), target),
        "fptoui": to_integer,
        "fptosi": to_integer,
        "fpext": FLOATS.get(target, float),
        "fptrunc": FLOATS.get(target, float),
    }
    operation = table[opcode]
    return lambda v: None if v is None else operation(v)


def rounded(value: int, type_: str) -> Any:
    """An integer as a floating-point number, rounded once, to nearest even."""
    precision = {"half": 11, "bfloat": 8, "float": 24, "double": 53}[type_]
    excess = abs(value).bit_length() - precision
    if excess > 0:
        unit = 1 << excess
        quotient, rest = divmod(abs(value), unit)
        quotient += rest * 2 > unit or (rest * 2 == unit and quotient & 1)
        value = math.copysign(1, value) * quotient * unit if value else 0
    with np.errstate(over="ignore"):
        return FLOATS[type_](float(value))


def fused(a: np.float32, b: np.float32, c: np.float32) -> np.float32:
    """a * b + c, rounded once: the sum in float64 is rounded to odd, from which float32 rounds correctly."""
    product = float(a) * float(b)
    total = product + float(c)
    if math.isnan(total) or math.isinf(total):
        return np.float32(total)
    part = total - product
    error = (product - (total - part)) + (float(c) - part)
    if error and not np.float64(total).view(np.uint64) & 1:
        total = math.nextafter(total, math.copysign(math.inf, error))
    return np.float32(total)


def _strict(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(a: Any, b: Any) -> Any:
        return None if a is None or b is None else operation(a, b)

    return apply


def _flushing(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda a, b: flushed(operation(flushed(a), flushed(b)))
