"""Function constants: the values that a pipeline gives become initialisers, and LLVM folds the rest.

AIR keeps a constant as ``@_Z<name>.MTL_FC_INIT_<index>_b``, externally initialised, from which a global constructor
copies it to where the kernel reads it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

from isometal.soft.errors import LoweringError
from isometal.soft.ir import Module
from isometal.soft.ir.types import vector

Value = bool | int | float
ConstantValue = Value | tuple[Value, ...]

_INITIALISER = re.compile(r"\.MTL_FC_INIT_(\d+)_")


def specialise(module: Module, values: Mapping[int, ConstantValue]) -> None:
    """Give each function constant its value, in place; those without a value are zero, as AIR's undef allows.

    Args:
        module: a module in AIR, address spaces and all.
        values: by index.

    Raises:
        LoweringError: a value that does not fit the constant's type.
    """
    for variable in module.globals.values():
        match = _INITIALISER.search(variable.name)
        if match is None or variable.keyword < 0:
            continue
        type_ = variable.type
        value = values.get(int(match[1]))
        text = "zeroinitializer" if value is None else literal(type_, value, variable.name)
        keyword = variable.keyword
        at = variable.tokens.index("undef") if "undef" in variable.tokens else -1
        if at < keyword:
            raise LoweringError(f"[soft] function constant {variable.name}: initialiser is not undef.")
        variable.tokens[at : at + 1] = text.split(" ")


def literal(type_: str, value: ConstantValue, name: str) -> str:
    """A value as LLVM writes constants of that type. Raises LoweringError where it does not fit."""
    elements = vector(type_)
    if elements:
        count, element = elements
        if not isinstance(value, tuple) or len(value) != count:
            raise LoweringError(f"[soft] function constant {name}: {value!r}; a tuple of {count} is needed.")
        return "< " + " , ".join(f"{element} {literal(element, v, name)}" for v in value) + " >"
    if isinstance(value, tuple):
        raise LoweringError(f"[soft] function constant {name}: {value!r}; one value is needed.")
    try:
        return _scalar(type_, value)
    except (ValueError, OverflowError, TypeError, struct.error) as error:
        raise LoweringError(f"[soft] function constant {name}: {value!r} does not fit {type_}.") from error


def _scalar(type_: str, value: Value) -> str:
    """A value as LLVM writes it. Raises what Python raises where it does not fit."""
    if type_ == "float":
        # LLVM writes float constants as the bits of the double of the same value.
        (single,) = struct.unpack("<f", struct.pack("<f", value))
        return f"0x{struct.unpack('<Q', struct.pack('<d', single))[0]:016X}"
    if type_ == "half":
        return f"0xH{struct.unpack('<H', struct.pack('<e', value))[0]:04X}"
    if type_ == "bfloat":
        return f"0xR{_bfloat_bits(value):04X}"
    if type_[0] == "i" and type_[1:].isdigit():
        bits = int(type_[1:])
        number = int(value)
        if number != value or not -(1 << (bits - 1)) <= number < (1 << bits):
            raise OverflowError
        return str(number)
    raise TypeError


def _bfloat_bits(value: Value) -> int:
    """Rounded to nearest, ties to even."""
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    if bits & 0x7FFFFFFF > 0x7F800000:
        return int(bits >> 16 | 0x40)  # a NaN, whose last bits may be all that makes it one
    rounded = int((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
    if rounded & 0x7FFF == 0x7F80 and bits & 0x7FFFFFFF != 0x7F800000:
        raise OverflowError
    return rounded
