"""Values of function constants: from what callers give to what the lowering takes."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence

from isometal.soft.errors import FunctionError
from isometal.soft.lower.constants import ConstantValue, Value
from isometal.soft.msl_types import Scalar
from isometal.soft.reflection import FunctionConstant

__all__ = ["Given", "constant_values", "from_bytes"]

Given = Value | Sequence[Value]
_FLOAT_FORMATS = {"half": "<e", "float": "<f", "bfloat": "<f"}
_INTEGER_FORMATS = {"char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I"}
_INTEGER_FORMATS |= {"long": "q", "ulong": "Q", "bool": "?"}


def constant_values(
    kernel: str, declared: Sequence[FunctionConstant], given: Mapping[int | str, Given]
) -> dict[int, ConstantValue]:
    """The values of a kernel's function constants, by index.

    Args:
        kernel: its name, for messages.
        declared: the constants that it has.
        given: values by index or by name. Other constants of the library may be among them; names must be known.

    Raises:
        FunctionError: a required constant without a value, an unknown name, a value that does not fit the type.
    """
    by_index = {constant.index: constant for constant in declared}
    by_name = {constant.name: constant for constant in declared}
    values: dict[int, ConstantValue] = {}
    for key, value in given.items():
        constant = by_name.get(key) if isinstance(key, str) else by_index.get(int(key))
        if constant is None:
            # Metal, too, takes values for constants that a function does not use, but a name that nobody has is a slip.
            if isinstance(key, str):
                raise FunctionError(f"[soft] kernel {kernel!r} has no function constant {key!r}; {_listed(declared)}.")
            continue
        if constant.index in values:
            raise FunctionError(f"[soft] kernel {kernel!r}: {_title(constant)} has two values; give one.")
        values[constant.index] = _convert(value, constant, kernel)
    missing = [constant for constant in declared if constant.required and constant.index not in values]
    if missing:
        named = ", ".join(f"{c.name} ({c.index}, {c.type_name})" for c in missing)
        raise FunctionError(f"[soft] kernel {kernel!r} has function constants without a value: {named}; give each one.")
    return values


def from_bytes(type_name: str, data: bytes) -> Given:
    """A value from its bytes in memory, as the API takes it. Raises FunctionError for an unknown type or size."""
    scalar = _scalar(type_name)
    code = _FLOAT_FORMATS.get(scalar.name) or f"<{_INTEGER_FORMATS[scalar.name]}"
    needed = scalar.size * scalar.width
    if len(data) < needed:
        raise FunctionError(f"[soft] a constant of type {type_name} has {len(data)} bytes; it needs {needed}.")
    if scalar.name == "bfloat":
        # The upper half of a float.
        data = b"".join(b"\0\0" + data[2 * i : 2 * i + 2] for i in range(scalar.width))
    size = struct.calcsize(code)
    values = [struct.unpack_from(code, data, size * i)[0] for i in range(scalar.width)]
    return values[0] if scalar.width == 1 else tuple(values)


def _title(constant: FunctionConstant) -> str:
    return f"function constant {constant.index} ({constant.name})"


def _listed(declared: Sequence[FunctionConstant]) -> str:
    return "it has " + (", ".join(f"{c.name} ({c.index})" for c in declared) or "none")


def _scalar(type_name: str) -> Scalar:
    scalar = Scalar.of(type_name)
    if scalar is None:
        raise FunctionError(f"[soft] a function constant of type {type_name} is not possible; scalars and vectors are.")
    return scalar


def _convert(value: Given, constant: FunctionConstant, kernel: str) -> ConstantValue:
    scalar = _scalar(constant.type_name)
    where = f"[soft] kernel {kernel!r}, {_title(constant)}"
    # NumPy's scalars and arrays become those of Python.
    plain = value.tolist() if hasattr(value, "tolist") else value
    if scalar.width == 1:
        return _number(plain, scalar, where)
    if isinstance(plain, str | bytes) or not isinstance(plain, Sequence) or len(plain) != scalar.width:
        raise FunctionError(f"{where}: {value!r}; {constant.type_name} needs {scalar.width} values.")
    return tuple(_number(element, scalar, where) for element in plain)


def _number(value: object, scalar: Scalar, where: str) -> Value:
    if not isinstance(value, bool | int | float):
        raise FunctionError(f"{where}: {value!r} is a {type(value).__name__}; {scalar.name} needs a number.")
    if scalar.name in _FLOAT_FORMATS:
        try:
            single: float = struct.unpack(_FLOAT_FORMATS[scalar.name], struct.pack(_FLOAT_FORMATS[scalar.name], value))[
                0
            ]
        except (OverflowError, struct.error):
            raise FunctionError(f"{where}: {value!r} does not fit {scalar.name}.") from None
        return single
    if isinstance(value, float) and (not math.isfinite(value) or value != int(value)):
        raise FunctionError(f"{where}: {value!r} is no integer; {scalar.name} needs one.")
    number = int(value)
    bits, signed = 8 * scalar.size, not scalar.name.startswith("u")
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    if scalar.name == "bool":
        low, high = 0, 1
    if not low <= number <= high:
        raise FunctionError(f"{where}: {value!r} does not fit {scalar.name}; {low} to {high} do.")
    return bool(number) if scalar.name == "bool" else number
