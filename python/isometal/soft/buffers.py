"""What callers bind to a kernel's arguments, as memory: arrays as they are, values converted to the argument's type.

Nothing is copied that a kernel writes to, and nothing is converted silently: an array of another dtype or one that is
not contiguous is refused. Whether the memory is large enough, aligned and writable is a rule of all dispatches
(csrc/soft/dispatch_rules.h).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from isometal.soft.errors import ValidationError
from isometal.soft.msl_types import Scalar
from isometal.soft.reflection import Argument, Field

__all__ = ["numpy_dtype", "to_memory"]

_RAW_FORMATS = ("B", "b", "c")
#: `float4x3`: a matrix, its element, and the length of its columns.
_MATRIX = re.compile(r"^(half|float)[234]x([234])$")


def numpy_dtype(scalar: Scalar) -> np.dtype[Any]:
    """NumPy's dtype of a scalar's or a vector's elements."""
    if scalar.dtype == "bfloat16":
        import ml_dtypes

        brain: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return brain
    return np.dtype(scalar.dtype)


def to_memory(kernel: str, argument: Argument, value: object) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The bytes to bind for a buffer argument: those of the value itself wherever it has memory.

    Args:
        kernel: its name, for messages.
        argument: of kind ``buffer``.
        value: an array of the argument's dtype; `bytes`, `bytearray` or a `memoryview` of bytes, taken as they are;
            an object with the array interface; and, for what a kernel only reads, a number, nested lists, or for a
            struct a mapping of its members.

    Raises:
        ValidationError: it does not fit, with what would.
    """
    return _Binder(kernel, argument).memory(value)


class _Binder:
    def __init__(self, kernel: str, argument: Argument) -> None:
        self._kernel = kernel
        self._argument = argument
        self._scalar = Scalar.of(argument.type_name)

    def memory(self, value: object) -> np.ndarray[Any, np.dtype[np.uint8]]:
        raw = self._raw(value)
        if raw is None:
            array = self._array(value)
            self._check_type(array)
            if not array.flags.c_contiguous:
                self._fail(f"an array of shape {array.shape} that is not contiguous", "pass np.ascontiguousarray(...)")
            raw = array.reshape(-1).view(np.uint8)
        return raw

    def _fail(self, what: str, right: str) -> NoReturn:
        argument = self._argument
        raise ValidationError(
            f"[soft] kernel {self._kernel!r}, {argument.title} of type {argument.type_name}: {what}; {right}."
        )

    def _raw(self, value: object) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
        """Memory that has no type of its own."""
        if isinstance(value, memoryview) and (value.format not in _RAW_FORMATS or not value.c_contiguous):
            return None
        if isinstance(value, bytes | bytearray | memoryview):
            return np.frombuffer(value, np.uint8)
        return None

    def _array(self, value: object) -> np.ndarray[Any, Any]:
        if isinstance(value, np.ndarray):
            return value
        if self._argument.writes:
            if not _has_memory(value):
                self._fail(f"a {type(value).__name__}, but the kernel writes to it", "pass an array to write to")
            array = np.asarray(value)
            # A protocol may have handed out a copy, and results would be lost.
            if not _shares(array, value):
                self._fail(f"a {type(value).__name__} that hands out a copy", "pass a NumPy array to write to")
            return array
        if isinstance(value, Mapping):
            return self._struct(value)
        if _has_memory(value):
            return np.asarray(value)
        return self._converted(value)

    def _converted(self, value: object) -> np.ndarray[Any, Any]:
        """Numbers, and lists of numbers, in the argument's type."""
        if self._scalar is None:
            fields = ", ".join(field.name for field in self._argument.fields)
            wanted = f"a mapping of its members ({fields})" if fields else "an array with elements of its size"
            self._fail(f"a {type(value).__name__}", f"pass bytes or {wanted}")
        if not isinstance(value, bool | int | float | Sequence) or isinstance(value, str):
            self._fail(f"a {type(value).__name__}", "pass an array, bytes or numbers")
        return self._numbers(value, self._scalar, "")

    def _numbers(self, value: object, scalar: Scalar, member: str) -> np.ndarray[Any, Any]:
        dtype = numpy_dtype(scalar)
        where = f"{member} = " if member else ""
        try:
            given = np.asarray(value)
        except ValueError:
            self._fail(f"{where}{value!r:.80}", "pass numbers, all rows of one length")
        if given.size and (given.dtype.kind not in "biuf" or (given.dtype.kind == "f" and dtype.kind in "biu")):
            self._fail(f"{where}{value!r:.80}", f"{scalar.name} is needed")
        if dtype.kind in "biu" and given.size:
            low, high = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
            if int(given.min()) < low or int(given.max()) > high:
                self._fail(f"{where}{value!r:.80}", f"{scalar.name} holds {low} to {high}")
        if scalar.width > 1 and given.shape[-1:] != (scalar.width,):
            self._fail(f"{where}{value!r:.80}", f"{scalar.width} numbers make a {scalar.name}{scalar.width}")
        with np.errstate(over="ignore"):
            converted: np.ndarray[Any, Any] = given.astype(dtype)
        if dtype.kind not in "biu" and (np.isinf(converted) & np.isfinite(given)).any():
            self._fail(f"{where}{value!r:.80}", f"too large for {scalar.name}")
        return converted

    def _check_type(self, array: np.ndarray[Any, Any]) -> None:
        scalar, argument = self._scalar, self._argument
        if scalar is None:
            self._check_struct(array)
            return
        expected = numpy_dtype(scalar)
        if array.dtype != expected:
            self._fail(f"an array of {array.dtype}", f"{expected} is needed")
        # A row of three numbers takes the place of four, unless the type is packed.
        if argument.type_size == 4 * scalar.size and scalar.width == 3 and array.shape[-1:] == (3,):
            self._fail(f"an array of shape {array.shape}", f"each {argument.type_name} takes the place of four numbers")

    def _check_struct(self, array: np.ndarray[Any, Any]) -> None:
        """Structs and matrices take elements of their size, or of the one type that all members have."""
        dtype, size = array.dtype, self._argument.type_size
        names = _leaf_types(self._argument.fields) or {self._argument.type_name}
        members = {Scalar.of(_MATRIX.sub(r"\1", name)) for name in names}
        uniform = next(iter(members)) if len(members) == 1 else None
        fits = dtype.itemsize == size or dtype == np.uint8 or (uniform and dtype == numpy_dtype(uniform))
        if not fits or dtype.hasobject:
            self._fail(f"an array of {dtype}", f"elements of {size} bytes, or bytes, are needed")
        matrix = _MATRIX.match(self._argument.type_name)
        if matrix and matrix[2] == "3" and dtype.itemsize < size and array.shape[-1:] == (3,):
            self._fail(f"an array of shape {array.shape}", "each column takes the place of four numbers")

    # -- structs ------------------------------------------------------------------------------------------------------

    def _struct(self, value: Mapping[Any, object]) -> np.ndarray[Any, Any]:
        argument = self._argument
        if not argument.fields:
            self._fail("a mapping, but its members are not known", "pass bytes, or an array with elements of its size")
        target = np.zeros(argument.type_size, np.uint8)
        self._fill(target, argument.fields, value, "")
        return target

    def _fill(
        self, target: np.ndarray[Any, Any], fields: Sequence[Field], value: Mapping[Any, object], prefix: str
    ) -> None:
        names = [field.name for field in fields]
        missing = [name for name in names if name not in value]
        unknown = [str(key) for key in value if key not in names]
        if missing or unknown:
            what = " and ".join(
                f"{label} {', '.join(prefix + name for name in found)}"
                for label, found in (("without", missing), ("with unknown", unknown))
                if found
            )
            self._fail(f"a mapping {what}", f"its members are {', '.join(names)}")
        for field in fields:
            self._fill_member(target, field, value[field.name], prefix + field.name)

    def _fill_member(self, target: np.ndarray[Any, Any], field: Field, value: object, member: str) -> None:
        scalar = Scalar.of(field.type_name)
        length = max(field.length, 1)
        place = target[field.offset : field.offset + field.size * length]
        if place.size != field.size * length:
            self._fail(f"its member {member} lies beyond its {target.size} bytes", "the AIR is damaged")
        if isinstance(value, Mapping) and field.fields and not field.length:
            self._fill(place, field.fields, value, f"{member}.")
            return
        if scalar is None:
            self._fail(f"its member {member} is of type {field.type_name}", "pass the struct as bytes")
        numbers = self._numbers(value, scalar, member)
        shape = ((field.length,) if field.length else ()) + ((scalar.width,) if scalar.width > 1 else ())
        if numbers.shape != shape:
            self._fail(f"{member} = {value!r:.80}", f"its shape is {shape}")
        rows = np.ascontiguousarray(numbers).view(np.uint8).reshape(length, -1)
        place.reshape(length, field.size)[:, : rows.shape[1]] = rows


def _has_memory(value: object) -> bool:
    if isinstance(value, str):
        return False
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        return True
    try:
        memoryview(value)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def _shares(array: np.ndarray[Any, Any], value: object) -> bool:
    """Whether the array is the memory of a value that has the buffer protocol."""
    try:
        with memoryview(value) as view:  # type: ignore[arg-type]
            return np.shares_memory(np.frombuffer(view, np.uint8), array) or array.nbytes == 0
    except (TypeError, ValueError, BufferError):
        return False


def _leaf_types(fields: Sequence[Field]) -> set[str]:
    return {name for field in fields for name in (_leaf_types(field.fields) or {field.type_name})}
