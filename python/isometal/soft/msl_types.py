"""Types of MSL's buffers and constants, and what they are in NumPy and in MTLDataType."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Scalar", "data_type_name"]


@dataclass(frozen=True)
class Scalar:
    """A number of MSL, or a vector of them.

    Attributes:
        name: of the element, in MSL.
        dtype: NumPy's name of the element; ``bfloat16`` is that of ml_dtypes.
        size: of the element, in bytes.
        width: elements: 1, or 2 to 4 of a vector.
    """

    name: str
    dtype: str
    size: int
    width: int = 1

    @classmethod
    def of(cls, type_name: str) -> Scalar | None:
        """The type of that name, None where it names a struct or nothing. ``float4`` and ``packed_float4`` are one."""
        match = _NAME.fullmatch(type_name)
        if match is None:
            return None
        name = _ALIASES.get(match[1], match[1])
        if name not in _SCALARS:
            return None
        dtype, size = _SCALARS[name]
        return cls(name, dtype, size, int(match[2] or 1))


_NAME = re.compile(r"(?:metal::)?(?:packed_)?([a-z]+(?:\d+_t)?)([234])?")
_SCALARS = {
    "bool": ("bool", 1),
    "char": ("int8", 1),
    "uchar": ("uint8", 1),
    "short": ("int16", 2),
    "ushort": ("uint16", 2),
    "int": ("int32", 4),
    "uint": ("uint32", 4),
    "long": ("int64", 8),
    "ulong": ("uint64", 8),
    "half": ("float16", 2),
    "bfloat": ("bfloat16", 2),
    "float": ("float32", 4),
}
_ALIASES = {
    "int8_t": "char",
    "uint8_t": "uchar",
    "int16_t": "short",
    "uint16_t": "ushort",
    "int32_t": "int",
    "uint32_t": "uint",
    "int64_t": "long",
    "uint64_t": "ulong",
}

# MTLDataType: the number of each scalar; its vectors of 2, 3 and 4 follow.
_FIRST_DATA_TYPES = {"float": 3, "half": 16, "int": 29, "uint": 33, "short": 37, "ushort": 41, "char": 45, "uchar": 49}
_FIRST_DATA_TYPES |= {"bool": 53, "long": 81, "ulong": 85, "bfloat": 121}
_DATA_TYPES = {
    number + step: f"{name}{width}"
    for name, number in _FIRST_DATA_TYPES.items()
    for step, width in enumerate(("", "2", "3", "4"))
}


def data_type_name(number: int) -> str:
    """MSL's name of a type that the API numbers (MTLDataType). Raises KeyError where it is no scalar or vector."""
    return _DATA_TYPES[number]


def data_type_number(name: str) -> int:
    """The API's number of a type (MTLDataType), by MSL's name. Raises ValueError where it has none."""
    for number, known in _DATA_TYPES.items():
        if known == name:
            return number
    raise ValueError(f"{name} is no scalar or vector that the API numbers")
