"""Values in and out: NumPy, MLX, DLPack, buffers, lists and scalars. Zero-copy where both sides can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# As a module: array.py imports this one.
import isometal.array as arrays
from isometal import dtypes
from isometal.backends.base import Backend, Data, NDArray
from isometal.dtypes import DType
from isometal.errors import BackendError, DTypeError, ShapeError

#: The DLPack device type of host memory (dlpack.h, kDLCPU).
_DLPACK_CPU = 1
#: Metal buffers (kDLMetal), of the only device that there is.
DLPACK_METAL = (8, 0)


def to_backend(op: str, obj: Any, backend: Backend, dtype: DType | None = None, copy: bool | None = None) -> Data:
    """``obj`` as data of ``backend`` in ``dtype`` (by default its own, canonical one)."""
    if isinstance(obj, np.ndarray) and type(obj) is not np.ndarray:
        obj = _plain(op, obj)
    data = obj._data if type(obj) is arrays.Array and obj._backend is backend else backend.from_native(obj)
    if data is None:
        values = to_numpy(op, obj)
        converted = values.astype(_held_dtype(op, values, obj) if dtype is None else dtype, copy=False)
        copied = converted is not values
        if copy is False and copied:
            raise _copy_needed(f"{values.dtype} to {converted.dtype}")
        data = backend.from_numpy(converted, copy=None if copied else copy)
        if copy is False and not _shares_memory(backend, data, converted):
            raise _copy_needed(f"memory of {type(obj).__name__} on {backend.name}")
        return data
    held = backend.dtype(data)
    wanted = dtypes.canonical(held, op) if dtype is None else dtype
    if wanted == held:
        return backend.from_numpy(backend.to_numpy(data), copy=True) if copy else data
    if copy is False:
        raise _copy_needed(f"{held} to {wanted}")
    return backend.astype(data, wanted)


def scalar(op: str, value: float, dtype: DType, backend: Backend) -> Data:
    """A weakly typed Python scalar as 0-d data of ``dtype``; ShapeError where an integer does not fit."""
    return backend.from_numpy(_scalar_values(op, value, dtype))


def _scalar_values(op: str, value: float, dtype: DType) -> NDArray:
    try:
        # A float too large for the dtype is inf, as in IEEE conversion and in MLX.
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(value, np.float64).astype(dtype) if isinstance(value, float) else np.asarray(value, dtype)
    except OverflowError:
        raise ShapeError(f"[{op}] {value} does not fit in {dtype}; use a value in its range.") from None


def to_numpy(op: str, obj: Any) -> NDArray:
    """``obj`` as a NumPy array of its own dtype, sharing memory where possible."""
    if isinstance(obj, (np.ndarray, np.generic)):
        return _plain(op, obj)
    if type(obj) is arrays.Array:
        return obj._backend.to_numpy(obj._data)
    if isinstance(obj, (bool, int, float)):
        return _scalar_values(op, obj, dtypes.scalar_dtype(obj))
    if type(obj).__module__.partition(".")[0] == "mlx":
        from isometal import selection

        mlx = selection.get("mlx")
        data = mlx.from_native(obj)
        if data is not None:
            dtypes.canonical(mlx.dtype(data), op)
            return mlx.to_numpy(data)
    if hasattr(obj, "__dlpack__") and hasattr(obj, "__dlpack_device__"):
        return _from_dlpack(op, obj)
    if (
        isinstance(obj, (list, tuple))
        or hasattr(obj, "__array__")
        or hasattr(obj, "__array_interface__")
        or _has_buffer(obj)
    ):
        return _from_array_like(op, obj)
    raise DTypeError(
        f"[{op}] a value of type {type(obj).__name__} is not array-like; "
        "use an array, nested lists or a Python bool, int or float."
    )


def _plain(op: str, obj: NDArray | np.generic) -> NDArray:
    """A NumPy array without what a subclass adds; dropping a mask would be a wrong answer."""
    if isinstance(obj, np.ma.MaskedArray):
        raise DTypeError(f"[{op}] masked arrays are not supported; fill the array first: x.filled(value).")
    return np.asarray(obj)


def _from_array_like(op: str, obj: Any) -> NDArray:
    try:
        values = np.asarray(obj)
    except (ValueError, TypeError) as error:
        raise ShapeError(
            f"[{op}] the input is not a regular array: {error}; every row needs the same length."
        ) from None
    except OverflowError:
        raise ShapeError(f"[{op}] an integer in the list does not fit in int64; use smaller values.") from None
    if values.dtype == object or values.dtype.kind not in "biufcV":
        raise dtypes.unsupported(op, values.dtype)
    return values


def _from_dlpack(op: str, obj: Any) -> NDArray:
    device = obj.__dlpack_device__()
    if int(device[0]) != _DLPACK_CPU:
        raise BackendError(
            f"[{op}] the input lies on DLPack device {tuple(int(d) for d in device)}; move it to host memory first."
        )
    try:
        return np.from_dlpack(obj)
    except (BufferError, RuntimeError, TypeError, ValueError) as refused:
        first = refused
    # NumPy's importer knows no bfloat16; ours does.
    from isometal import _core

    try:
        return np.asarray(_core.asarray(obj))
    except (BufferError, RuntimeError, TypeError, ValueError):
        raise DTypeError(
            f"[{op}] the input cannot be read through DLPack: {first}; convert it to NumPy first."
        ) from first


def _held_dtype(op: str, values: NDArray, obj: Any) -> DType:
    """The dtype to hold ``values`` in. Lists of Python integers become int32 where they fit, as in MLX."""
    if isinstance(obj, (list, tuple)) and values.dtype == np.int64:
        small = values.size == 0 or (values.min() >= -(2**31) and values.max() < 2**31)
        return dtypes.int32 if small and not _holds_arrays(obj) else dtypes.int64
    return dtypes.canonical(values.dtype, op)


def _holds_arrays(obj: Any) -> bool:
    """True where a nested list ends in typed values, whose dtype counts."""
    while isinstance(obj, (list, tuple)):
        if not obj:
            return False
        obj = obj[0]
    return not isinstance(obj, int)


def _has_buffer(obj: Any) -> bool:
    if isinstance(obj, (str, bytes)):
        return False
    try:
        memoryview(obj)
    except TypeError:
        return False
    return True


def _shares_memory(backend: Backend, data: Data, values: NDArray) -> bool:
    return values.size == 0 or np.shares_memory(backend.to_numpy(data), values)


def _copy_needed(what: str) -> ShapeError:
    return ShapeError(f"[array] {what} needs a copy, and copy=False forbids it; pass copy=None or copy=True.")


def python_values(values: NDArray) -> Any:
    """Nested lists of Python scalars; ml_dtypes' own scalars would leak from bfloat16's tolist."""
    return (values.astype(np.float32) if values.dtype == dtypes.bfloat16 else values).tolist()


def dlpack_device(data: Data) -> tuple[int, int]:
    device = data.__dlpack_device__()
    return int(device[0]), int(device[1])


def dlpack_exporter(data: Data, options: Mapping[str, Any]) -> Any:
    """A DLPack capsule of ``data``; options as in the array API standard (stream, max_version, dl_device, copy)."""
    if not isinstance(data, np.ndarray):
        return data.__dlpack__(**options)
    if data.dtype == dtypes.bfloat16:
        from isometal import _core

        return _core.from_bits(data.view(np.uint16), "bfloat16").__dlpack__(**options)
    # Without a version the consumer cannot be told that memory is read-only, so it gets its own copy.
    if not data.flags.writeable and options.get("max_version") is None and options.get("copy") is not False:
        data = data.copy()
    return data.__dlpack__(**options)
