"""Dtypes: NumPy's spelling everywhere, ``bfloat16`` from ml_dtypes, MLX's promotion rules."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from isometal.errors import DTypeError
from isometal.optable import ALL_DTYPES, FLOATING

DType = np.dtype[Any]

float32: DType = np.dtype(np.float32)
float16: DType = np.dtype(np.float16)
bfloat16: DType = np.dtype(ml_dtypes.bfloat16)
int32: DType = np.dtype(np.int32)
int64: DType = np.dtype(np.int64)
uint32: DType = np.dtype(np.uint32)
bool_: DType = np.dtype(np.bool_)
_float64: DType = np.dtype(np.float64)

#: The supported dtypes by name, in the order of the op table.
BY_NAME: dict[str, DType] = {dtype.name: dtype for dtype in (float32, float16, bfloat16, int32, int64, uint32, bool_)}
#: The names by dtype: `numpy.dtype.name` is worked out in Python on every read, several microseconds each.
NAME_OF: dict[DType, str] = {dtype: name for name, dtype in BY_NAME.items()}
_SUPPORTED = frozenset(BY_NAME.values())
_FLOATING = frozenset(BY_NAME[name] for name in FLOATING)


def is_supported(dtype: DType) -> bool:
    return dtype in _SUPPORTED


def is_floating(dtype: DType) -> bool:
    """True for float32, float16, bfloat16 (NumPy's own kind test says no to bfloat16)."""
    return dtype in _FLOATING


def unsupported(op: str, dtype: object, supported: tuple[str, ...] = ALL_DTYPES) -> DTypeError:
    """The error for a dtype that ``op`` does not take."""
    return DTypeError(f"[{op}] dtype {dtype} is not supported; supported: {', '.join(supported)}.")


def as_dtype(value: object, op: str = "array") -> DType:
    """The supported dtype that ``value`` names: a string, a NumPy dtype or scalar type, an MLX dtype.

    Raises DTypeError where it names none.
    """
    # Most specific first: np.dtype(None) is float64, and an MLX or torch dtype prints as module.name.
    if isinstance(value, str):
        found = BY_NAME.get(value) or (bool_ if value == "bool_" else None)
        if found is None:
            raise unsupported(op, value)
        return found
    if isinstance(value, np.dtype):
        if value not in _SUPPORTED:
            raise unsupported(op, value)
        return value
    if isinstance(value, type):
        if value is bool:
            return bool_
        if value is int:
            return int32
        if value is float:
            return float32
        if issubclass(value, np.generic):
            return as_dtype(np.dtype(value), op)
    if value is not None and type(value).__name__.lower() == "dtype":
        return as_dtype(str(value).rpartition(".")[2], op)
    raise unsupported(op, repr(value))


def canonical(dtype: DType, op: str = "array") -> DType:
    """The dtype that an input of ``dtype`` is held in: itself, or float32 for float64 as in MLX.

    Raises DTypeError for the rest (complex, 8- and 16-bit integers, objects, strings).
    """
    if dtype in _SUPPORTED:
        # A byte-swapped dtype hashes differently, so what is found here is native.
        return dtype
    if dtype == _float64:
        return float32
    if dtype.byteorder in "<>" and (native := dtype.newbyteorder("=")) != dtype:
        return canonical(native, op)
    raise unsupported(op, dtype)


def promote(a: DType, b: DType) -> DType:
    """Result dtype of an op on two supported dtypes, as `mlx.core.result_type`.

    bool gives way to everything, integers to floating; float16 with bfloat16 gives float32, int32 with uint32 int64.
    """
    if a == b:
        return a
    if a == bool_:
        return b
    if b == bool_:
        return a
    if a in _FLOATING:
        return float32 if b in _FLOATING else a
    return b if b in _FLOATING else int64


def promote_scalar(dtype: DType, scalar: float) -> DType:
    """Result dtype of an op on an array of ``dtype`` and a weakly typed Python bool, int or float, as in MLX.

    A scalar changes the dtype only where its kind is higher: bool < int (int32) < float (float32).
    """
    if isinstance(scalar, bool) or dtype in _FLOATING:
        return dtype
    if isinstance(scalar, int):
        return int32 if dtype == bool_ else dtype
    return float32


def scalar_dtype(scalar: float) -> DType:
    """Dtype of a Python scalar that stands alone, as in `mlx.core.array(scalar)`."""
    if isinstance(scalar, bool):
        return bool_
    if isinstance(scalar, int):
        return int32 if -(2**31) <= scalar < 2**31 else int64
    return float32
