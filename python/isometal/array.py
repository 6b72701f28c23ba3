"""`Array`: the one array type for callers, whatever the backend; and `array`, which makes one."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any, SupportsIndex, cast

import numpy as np

from isometal import dtypes, interchange, selection
from isometal.backends.base import Backend, Data, NDArray, Shape
from isometal.dtypes import DType
from isometal.errors import DTypeError, ShapeError


class Array:
    """An n-dimensional array on one backend. Made by `isometal.array` and by the ops; its values never change.

    Operators are the elementwise ops and `matmul`; ``a[...]`` takes integers, slices, None and an ellipsis.
    NumPy, DLPack and (from Python 3.12) the buffer protocol read it without a copy where the backend can. On the
    cpu backend an Array made from a NumPy array shares its memory: writing to that array changes the Array.
    """

    __slots__ = ("__weakref__", "_backend", "_data")

    # ndarray + Array comes to __radd__ instead of being converted by NumPy.
    __array_priority__ = 1000

    def __init__(self, data: Data, backend: Backend) -> None:
        self._data = data
        self._backend = backend

    # -- what it is -----------------------------------------------------------------------------------------------
    @property
    def shape(self) -> Shape:
        """The size of each axis; () of a 0-d array."""
        return self._backend.shape(self._data)

    @property
    def dtype(self) -> DType:
        """The NumPy dtype; bfloat16 is ml_dtypes'."""
        return self._backend.dtype(self._data)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return _product(self.shape)

    @property
    def nbytes(self) -> int:
        """What the elements take, in bytes; a view may lie in more."""
        return self.size * self.dtype.itemsize

    @property
    def backend(self) -> str:
        """Name of the backend that holds the values: cpu, mlx or metal."""
        return self._backend.name

    @property
    def T(self) -> Array:
        """The array with its axes reversed."""
        return _ops.transpose(self)

    # -- values out -----------------------------------------------------------------------------------------------
    def numpy(self) -> NDArray:
        """The values as a read-only NumPy array, without a copy where the backend can. Waits for the result."""
        view: NDArray = self._backend.to_numpy(self._data).view()
        view.flags.writeable = False
        return view

    def eval(self) -> Array:
        """Wait until the values are computed (mlx and metal compute lazily); returns the array itself."""
        self._backend.eval(self._data)
        return self

    def item(self) -> float | int | bool:
        """The only value as a Python scalar. ShapeError where the size is not 1."""
        if self.size != 1:
            raise ShapeError(f"[item] the array has {self.size} elements: shape {self.shape}; it must have exactly 1.")
        return cast("float | int | bool", interchange.python_values(self.numpy().reshape(())))

    def tolist(self) -> Any:
        """The values as nested lists of Python scalars (a scalar for a 0-d array)."""
        return interchange.python_values(self.numpy())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        values = self.numpy()
        if dtype is not None and np.dtype(dtype) != values.dtype:
            if copy is False:
                raise ShapeError(f"[array] {values.dtype} as {np.dtype(dtype)} needs a copy; pass copy=None or True.")
            return values.astype(dtype)
        return values.copy() if copy else values

    def __dlpack__(self, **kwargs: Any) -> Any:
        """As in the array API standard. On metal, dl_device=(8, 0) asks for the Metal buffer (an id<MTLBuffer>, as MLX
        and PyTorch take it) instead of its host memory; on the software device only isometal can take that.
        """
        self.eval()
        if kwargs.get("copy") and tuple(kwargs.get("dl_device") or ()) == interchange.DLPACK_METAL:
            return self.copy().__dlpack__(**{**kwargs, "copy": None})
        return interchange.dlpack_exporter(self._data, kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return interchange.dlpack_device(self._data)

    def __buffer__(self, flags: int) -> memoryview:
        # bfloat16 has no code in the buffer protocol: it goes out as its bits.
        values = self.numpy()
        return memoryview(cast("Any", values.view(np.uint16) if values.dtype == dtypes.bfloat16 else values))

    # -- to other arrays ------------------------------------------------------------------------------------------
    def to(self, backend: str) -> Array:
        """The same values on another backend (the array itself where it is there already).

        Raises BackendNameError for an unknown name, BackendError where that backend cannot run.
        """
        target = selection.get(backend)
        if target is self._backend:
            return self
        return Array(target.from_numpy(self.numpy()), target)

    def astype(self, dtype: object) -> Array:
        """The values converted to ``dtype`` (rounded to nearest even; the array itself where it has it already).

        Raises DTypeError for a dtype that is not supported.
        """
        wanted = dtypes.as_dtype(dtype, "astype")
        return self if wanted == self.dtype else Array(self._backend.astype(self._data, wanted), self._backend)

    def copy(self) -> Array:
        """A copy that shares no memory with this array."""
        return Array(self._backend.from_numpy(self.numpy(), copy=True), self._backend)

    def reshape(self, *shape: Any) -> Array:
        """`isometal.reshape`; takes one sequence or the sizes one by one."""
        return _ops.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Array:
        """`isometal.transpose`; takes one sequence or the axes one by one."""
        return _ops.transpose(self, (axes[0] if len(axes) == 1 else axes) if axes else None)

    def sum(self, axis: Any = None, keepdims: bool = False, *, dtype: None = None, out: None = None) -> Array:
        """`isometal.sum`; ``dtype`` and ``out`` are there because `numpy.sum` passes them."""
        _no_numpy_options("sum", dtype, out)
        return _ops.sum(self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False, *, dtype: None = None, out: None = None) -> Array:
        """`isometal.mean`; ``dtype`` and ``out`` are there because `numpy.mean` passes them."""
        _no_numpy_options("mean", dtype, out)
        return _ops.mean(self, axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False, *, dtype: None = None, out: None = None) -> Array:
        """`isometal.max`; ``dtype`` and ``out`` are there because `numpy.max` passes them."""
        _no_numpy_options("max", dtype, out)
        return _ops.max(self, axis, keepdims)

    def __getitem__(self, index: Any) -> Array:
        """Part of the array, a view where the backend can. Integers drop their axis, None adds one of size 1.

        Raises ShapeError for an integer out of range or too many indices, DTypeError for arrays and bool, which are no
        basic indices.
        """
        return Array(self._backend.getitem(self._data, _basic_index(index, self.shape)), self._backend)

    def __len__(self) -> int:
        if not self.shape:
            raise DTypeError("[len] a 0-d array has no length; use .item() for its value.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Array]:
        return (self[i] for i in range(len(self)))

    # -- operators ------------------------------------------------------------------------------------------------
    def __add__(self, other: Any) -> Array:
        return _ops.add(self, other)

    def __radd__(self, other: Any) -> Array:
        return _ops.add(other, self)

    def __sub__(self, other: Any) -> Array:
        return _ops.subtract(self, other)

    def __rsub__(self, other: Any) -> Array:
        return _ops.subtract(other, self)

    def __mul__(self, other: Any) -> Array:
        return _ops.multiply(self, other)

    def __rmul__(self, other: Any) -> Array:
        return _ops.multiply(other, self)

    def __truediv__(self, other: Any) -> Array:
        return _ops.divide(self, other)

    def __rtruediv__(self, other: Any) -> Array:
        return _ops.divide(other, self)

    def __matmul__(self, other: Any) -> Array:
        return _ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Array:
        return _ops.matmul(other, self)

    def __neg__(self) -> Array:
        return _ops.negative(self)

    # -- scalars, comparison, printing ----------------------------------------------------------------------------
    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __index__(self) -> int:
        if dtypes.is_floating(self.dtype) or self.ndim:
            raise DTypeError(f"[index] an array of {self.dtype} and shape {self.shape} is no index; a 0-d integer is.")
        return int(self.item())

    def __eq__(self, other: object) -> bool:
        raise _no_comparison("==")

    def __ne__(self, other: object) -> bool:
        raise _no_comparison("!=")

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        values = self.numpy()
        if values.dtype == dtypes.bfloat16:
            values = values.astype(np.float32)
        text = np.array2string(values, separator=", ", prefix="array(")
        return f"array({text}, dtype={self.dtype}, backend={self.backend})"

    def __copy__(self) -> Array:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Array:
        return self.copy()

    def __reduce__(self) -> Any:
        raise DTypeError("[array] arrays are not pickled; save .numpy() with numpy.save or safetensors.")


def array(obj: Any, dtype: object = None, *, backend: str | None = None, copy: bool | None = None) -> Array:
    """Make an `Array`.

    obj      an Array; a NumPy, MLX, PyTorch or JAX array; anything with DLPack or a buffer; nested lists; a scalar
    dtype    the dtype to convert to; by default the input's own. float64 becomes float32, integers in lists and
             Python integers int32 (int64 where they need it), as in MLX
    backend  cpu, mlx or metal; by default the backend of ``obj`` if it is an Array, else the default backend
    copy     True: share no memory with obj; False: share it, error where that is impossible; None: what suits the
             backend (cpu shares where it can, mlx and metal copy)

    Where memory is shared, writing to obj changes the Array. On metal the work that reads it may begin later, at the
    latest when something waits for its result: write again only after `eval` of all that was computed from it. There
    copy=False needs memory in whole pages of 16 KiB, or in a Metal buffer (DLPack, on an Apple GPU).

    Raises DTypeError for other dtypes, ShapeError for ragged lists and for a copy that ``copy=False`` forbids,
    BackendError where the backend cannot run.
    """
    if backend is not None:
        target = selection.get(selection.check_name(backend))
    else:
        target = obj._backend if type(obj) is Array else selection.current()
    wanted = None if dtype is None else dtypes.as_dtype(dtype)
    return Array(interchange.to_backend("array", obj, target, wanted, copy), target)


def eval(*arrays: Array) -> None:
    """Wait until the values of all ``arrays`` are computed."""
    for one in arrays:
        one.eval()


def _product(shape: Shape) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size


def _no_numpy_options(op: str, dtype: object, out: object) -> None:
    if dtype is not None or out is not None:
        raise DTypeError(f"[{op}] dtype and out are NumPy's options; use numpy.{op}(a.numpy(), ...).")


def _no_comparison(symbol: str) -> DTypeError:
    return DTypeError(f"[array] {symbol} is not an op; compare values with numpy: a.numpy() {symbol} b.numpy().")


def _basic_index(index: Any, shape: Shape) -> tuple[int | slice | None, ...]:
    """The index with every axis named, integers made non-negative; ShapeError or DTypeError where it is not basic."""
    parts = index if isinstance(index, tuple) else (index,)
    named = len(parts) - sum(part is None or part is Ellipsis for part in parts)
    if named > len(shape):
        raise ShapeError(f"[index] {named} indices for an array of {len(shape)} dimensions; give at most {len(shape)}.")
    if sum(part is Ellipsis for part in parts) > 1:
        raise ShapeError("[index] more than one ellipsis; give at most one.")
    if not any(part is Ellipsis for part in parts):
        parts = (*parts, Ellipsis)
    out: list[int | slice | None] = []
    axis = 0
    for part in parts:
        if part is None:
            out.append(None)
        elif part is Ellipsis:
            missing = len(shape) - named
            out.extend([slice(None)] * missing)
            axis += missing
        elif isinstance(part, slice):
            out.append(part)
            axis += 1
        else:
            out.append(_integer_index(part, axis, shape[axis]))
            axis += 1
    return tuple(out)


def _integer_index(part: SupportsIndex, axis: int, extent: int) -> int:
    try:
        if isinstance(part, (bool, np.bool_)):
            raise TypeError
        position = operator.index(part)
    except TypeError:
        raise DTypeError(
            f"[index] {type(part).__name__} is no basic index; use integers, slices, None and an ellipsis."
        ) from None
    if not -extent <= position < extent:
        raise ShapeError(
            f"[index] index {position} is out of range for axis {axis} of size {extent}; "
            f"valid are {-extent} to {extent - 1}."
        )
    return position % extent


# At the end: ops needs Array, and the operators above need ops.
from isometal import ops as _ops  # noqa: E402
