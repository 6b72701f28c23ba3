"""Checks that run before any backend: operands to one backend, dtypes, shapes, axes, parameters.

Each function takes what the caller gave and returns the backend and the arguments in the canonical form that
backends/base.py describes, or raises. That is why every backend gives the same error with the same text.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from functools import reduce
from typing import Literal, cast

import numpy as np

from isometal import dtypes, interchange, selection
from isometal.array import Array
from isometal.backends.base import Axes, Backend, Data, GeluApprox, Shape
from isometal.dtypes import DType
from isometal.errors import BackendError, DTypeError, ShapeError
from isometal.optable import ALL_DTYPES, FLOATING, NUMERIC

#: Sizes of an axis that every backend can address: MLX's shapes are int32.
_MAX_EXTENT = 2**31 - 1
_MAX_ELEMENTS = 2**63 - 1
#: NumPy stops at 64 dimensions; nothing has so many, and other array libraries stop here.
_MAX_NDIM = 32
#: Parameters reach kernels as float32.
_MAX_PARAMETER = float(np.finfo(np.float32).max)

_GELU: dict[object, GeluApprox] = {"none": "none", "tanh": "tanh", "precise": "tanh", "fast": "fast"}


# -- operands -------------------------------------------------------------------------------------------------------
def common_backend(op: str, *values: object) -> Backend:
    """The backend of the Arrays among ``values``, or the default one; BackendError where they are on two."""
    found: Backend | None = None
    for value in values:
        if type(value) is Array:
            if found is None:
                found = value._backend
            elif value._backend is not found:
                raise BackendError(
                    f"[{op}] operands are on two backends, {found.name} and {value.backend}; "
                    f'move one: .to("{found.name}") or .to("{value.backend}").'
                )
    return selection.current() if found is None else found


def operand(op: str, value: object, backend: Backend) -> Data:
    """One array-like operand as data of ``backend``, in its own dtype."""
    return value._data if type(value) is Array else interchange.to_backend(op, value, backend)


def _single(op: str, x: object, supported: tuple[str, ...]) -> tuple[Backend, Data]:
    backend = common_backend(op, x)
    data = operand(op, x, backend)
    _require_dtype(op, backend.dtype(data), supported)
    return backend, data


def _require_dtype(op: str, dtype: DType, supported: tuple[str, ...]) -> None:
    if supported is not ALL_DTYPES and dtypes.NAME_OF[dtype] not in supported:
        raise dtypes.unsupported(op, dtype, supported)


def _cast(backend: Backend, data: Data, dtype: DType) -> Data:
    return data if backend.dtype(data) == dtype else backend.astype(data, dtype)


def _promoted(op: str, backend: Backend, values: Sequence[object], supported: tuple[str, ...]) -> list[Data]:
    """Operands as data of one dtype, MLX's promotion; Python scalars are weakly typed."""
    held: list[Data | None] = []
    scalars: list[float] = []
    result: DType | None = None
    for value in values:
        if isinstance(value, (bool, int, float)):
            scalars.append(value)
            held.append(None)
            continue
        data = operand(op, value, backend)
        dtype = backend.dtype(data)
        _require_dtype(op, dtype, supported)
        result = dtype if result is None else dtypes.promote(result, dtype)
        held.append(data)
    if result is None:
        result = reduce(dtypes.promote, map(dtypes.scalar_dtype, scalars))
    else:
        result = reduce(dtypes.promote_scalar, scalars, result)
    _require_dtype(op, result, supported)
    return [
        interchange.scalar(op, cast("float", value), result, backend) if data is None else _cast(backend, data, result)
        for value, data in zip(values, held, strict=True)
    ]


# -- shapes ---------------------------------------------------------------------------------------------------------
def _broadcast(op: str, a: Shape, b: Shape) -> Shape:
    """The shape that ``a`` and ``b`` broadcast to (NumPy's rules)."""
    if a == b:
        return a
    rank = max(len(a), len(b))
    out = []
    for axis in range(-rank, 0):
        m = a[axis] if -axis <= len(a) else 1
        n = b[axis] if -axis <= len(b) else 1
        if m != n and m != 1 and n != 1:
            raise ShapeError(
                f"[{op}] shapes {a} and {b} do not broadcast: axis {axis} has {m} and {n}; "
                "the sizes must be equal or one of them 1."
            )
        out.append(n if m == 1 else m)
    return tuple(out)


def _integer(op: str, name: str, value: object) -> int:
    if not isinstance(value, (bool, np.bool_)):
        try:
            return operator.index(cast("int", value))
        except TypeError:
            pass
    raise DTypeError(f"[{op}] {name} must be an integer, not {type(value).__name__}: {value!r}.")


def _real(op: str, name: str, value: object) -> float:
    """A finite Python float in the range of float32."""
    if isinstance(value, (bool, np.bool_, str, bytes)):
        raise DTypeError(f"[{op}] {name} must be a real number, not {type(value).__name__}: {value!r}.")
    try:
        number = float(cast("float", value))
    except (TypeError, ValueError):
        raise DTypeError(f"[{op}] {name} must be a real number, not {type(value).__name__}.") from None
    if not math.isfinite(number):
        raise ShapeError(f"[{op}] {name} is {number}; it must be finite.")
    if abs(number) > _MAX_PARAMETER:
        raise ShapeError(f"[{op}] {name} is {number}; it must fit in float32.")
    return number


def _integers(op: str, name: str, value: object) -> tuple[int, ...]:
    if isinstance(value, (str, bytes)):
        raise DTypeError(f"[{op}] {name} must be integers, not {type(value).__name__}: {value!r}.")
    try:
        items = tuple(cast("Sequence[object]", value))
    except TypeError:
        items = (value,)
    return tuple(_integer(op, name, item) for item in items)


def _target_shape(op: str, shape: object) -> Shape:
    """A requested shape; negative sizes are the caller's business."""
    wanted = _integers(op, "shape", shape)
    if len(wanted) > _MAX_NDIM:
        raise ShapeError(f"[{op}] shape has {len(wanted)} dimensions; at most {_MAX_NDIM} are possible.")
    if any(extent > _MAX_EXTENT for extent in wanted) or math.prod(abs(n) for n in wanted) > _MAX_ELEMENTS:
        raise ShapeError(
            f"[{op}] shape {wanted} is too large; an axis holds at most {_MAX_EXTENT} elements "
            f"and an array {_MAX_ELEMENTS}."
        )
    return wanted


def _axis(op: str, axis: object, ndim: int) -> int:
    index = _integer(op, "axis", axis)
    if not -ndim <= index < ndim:
        valid = f"valid axes are {-ndim} to {ndim - 1}" if ndim else "it has no axes"
        raise ShapeError(f"[{op}] axis {index} is out of range for an array of {ndim} dimensions; {valid}.")
    return index % ndim


def _axes(op: str, axis: object, ndim: int) -> Axes:
    """Axes made non-negative and sorted; None is all of them."""
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, (tuple, list)):
        axes = sorted(_axis(op, one, ndim) for one in axis)
        if len(set(axes)) < len(axes):
            raise ShapeError(f"[{op}] axis {tuple(axis)} names an axis twice; each may be named once.")
        return tuple(axes)
    return (_axis(op, axis, ndim),)


def _flag(op: str, name: str, value: object) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise DTypeError(f"[{op}] {name} must be True or False, not {type(value).__name__}: {value!r}.")


# -- elementwise ----------------------------------------------------------------------------------------------------
def binary(op: str, a: object, b: object) -> tuple[Backend, Data, Data]:
    # The common calls, two Arrays or two native arrays of one backend, dtype and shape, need no more than this.
    backend: Backend
    if type(a) is Array and type(b) is Array:
        backend, x, y = a._backend, a._data, b._data
        if backend is b._backend and x.dtype == y.dtype and x.shape == y.shape:
            return backend, x, y
    elif type(a) is type(b):
        backend, x, y = selection.current(), cast("Data", a), cast("Data", b)
        plain = type(a) is backend.native and x.dtype == y.dtype and x.shape == y.shape
        if plain and dtypes.is_supported(backend.dtype(x)):
            return backend, x, y
    backend = common_backend(op, a, b)
    x, y = _promoted(op, backend, (a, b), ALL_DTYPES)
    _broadcast(op, backend.shape(x), backend.shape(y))
    return backend, x, y


def divide(a: object, b: object) -> tuple[Backend, Data, Data]:
    backend, x, y = binary("divide", a, b)
    if dtypes.is_floating(backend.dtype(x)):
        return backend, x, y
    return backend, backend.astype(x, dtypes.float32), backend.astype(y, dtypes.float32)


def negative(x: object) -> tuple[Backend, Data]:
    return _single("negative", x, NUMERIC)


def silu(x: object) -> tuple[Backend, Data]:
    return _single("silu", x, FLOATING)


def gelu(x: object, approx: object) -> tuple[Backend, Data, GeluApprox]:
    if not isinstance(approx, str) or approx not in _GELU:
        raise ShapeError(f"[gelu] approx={approx!r} is unknown; choose one of none, tanh, precise, fast.")
    backend, data = _single("gelu", x, FLOATING)
    return backend, data, _GELU[approx]


# -- matmul ---------------------------------------------------------------------------------------------------------
def matmul(a: object, b: object) -> tuple[Backend, Data, Data]:
    backend = common_backend("matmul", a, b)
    x, y = _promoted("matmul", backend, (a, b), FLOATING)
    m, n = backend.shape(x), backend.shape(y)
    if not m or not n:
        raise ShapeError(f"[matmul] operands need at least 1 dimension: a has shape {m}, b has shape {n}.")
    inner = n[-2] if len(n) > 1 else n[0]
    if m[-1] != inner:
        which = "b.shape[-2]" if len(n) > 1 else "b.shape[0]"
        raise ShapeError(
            f"[matmul] inner dimensions differ: a has shape {m}, b has shape {n}; a.shape[-1] must equal {which}."
        )
    _broadcast("matmul", m[:-2], n[:-2])
    return backend, x, y


# -- softmax, norms, reductions -------------------------------------------------------------------------------------
def softmax(x: object, axis: object, precise: object) -> tuple[Backend, Data, Axes, bool]:
    exact = _flag("softmax", "precise", precise)
    backend, data = _single("softmax", x, FLOATING)
    return backend, data, _axes("softmax", axis, len(backend.shape(data))), exact


def norm(op: str, x: object, eps: object, **vectors: object) -> tuple[Backend, Data, float, list[Data | None]]:
    """x (..., D) and its optional vectors of shape (D,), None where left out."""
    small = _real(op, "eps", eps)
    if small < 0:
        raise ShapeError(f"[{op}] eps is {small}; it must not be negative.")
    backend = common_backend(op, x, *vectors.values())
    data = operand(op, x, backend)
    _require_dtype(op, backend.dtype(data), FLOATING)
    shape = backend.shape(data)
    if not shape:
        raise ShapeError(f"[{op}] x has no dimensions; it needs at least 1, the axis to normalise.")
    held: list[Data | None] = []
    for name, value in vectors.items():
        if value is None:
            held.append(None)
            continue
        vector = operand(op, value, backend)
        _require_dtype(op, backend.dtype(vector), FLOATING)
        if backend.shape(vector) != shape[-1:]:
            raise ShapeError(
                f"[{op}] {name} has shape {backend.shape(vector)}, x has shape {shape}; "
                f"{name} must have shape {shape[-1:]}."
            )
        held.append(vector)
    return backend, data, small, held


def reduction(op: str, x: object, axis: object, keepdims: object) -> tuple[Backend, Data, Axes, bool]:
    keep = _flag(op, "keepdims", keepdims)
    backend, data = _single(op, x, ALL_DTYPES)
    dtype, shape = backend.dtype(data), backend.shape(data)
    axes = _axes(op, axis, len(shape))
    if op == "sum" and dtype == dtypes.bool_:
        data = backend.astype(data, dtypes.int32)
    elif op == "mean" and not dtypes.is_floating(dtype):
        data = backend.astype(data, dtypes.float32)
    elif op == "max":
        for one in axes:
            if shape[one] == 0:
                raise ShapeError(f"[max] axis {one} has size 0 in shape {shape}; a maximum needs at least 1 element.")
    return backend, data, axes, keep


# -- causal mask, rope ----------------------------------------------------------------------------------------------
def causal_mask(q_len: object, kv_len: object, dtype: object) -> tuple[Backend, int, int, DType]:
    op = "causal_mask"
    queries = _integer(op, "q_len", q_len)
    keys = queries if kv_len is None else _integer(op, "kv_len", kv_len)
    for name, length in (("q_len", queries), ("kv_len", keys)):
        if not 0 <= length <= _MAX_EXTENT:
            raise ShapeError(f"[{op}] {name} is {length}; it must be 0 to {_MAX_EXTENT}.")
    wanted = dtypes.as_dtype(dtype, op)
    _require_dtype(op, wanted, FLOATING)
    return selection.current(), queries, keys, wanted


def rope(
    x: object, dims: object, traditional: object, base: object, scale: object, offset: object, freqs: object
) -> tuple[Backend, Data, int, bool, float, float, int | Data, Data | None]:
    op = "rope"
    pairs = _flag(op, "traditional", traditional)
    rotated = _integer(op, "dims", dims)
    theta, stretch = _real(op, "base", base), _real(op, "scale", scale)
    if theta <= 0:
        raise ShapeError(f"[{op}] base is {theta}; it must be positive.")
    backend = common_backend(op, x, offset, freqs)
    data = operand(op, x, backend)
    _require_dtype(op, backend.dtype(data), FLOATING)
    shape = backend.shape(data)
    if len(shape) < 2:
        raise ShapeError(f"[{op}] x has shape {shape}; it needs at least 2 dimensions, (..., T, D).")
    if rotated <= 0 or rotated % 2 or rotated > shape[-1]:
        raise ShapeError(
            f"[{op}] dims is {rotated}, x has shape {shape}; dims must be even, positive, at most {shape[-1]}."
        )
    held = None
    if freqs is not None:
        held = operand(op, freqs, backend)
        _require_dtype(op, backend.dtype(held), FLOATING)
        if backend.shape(held) != (rotated // 2,):
            raise ShapeError(
                f"[{op}] freqs has shape {backend.shape(held)}, dims is {rotated}; "
                f"freqs must have shape ({rotated // 2},)."
            )
        held = _cast(backend, held, dtypes.float32)
    return backend, data, rotated, pairs, theta, stretch, _offset(backend, offset, shape), held


def _offset(backend: Backend, offset: object, shape: Shape) -> int | Data:
    """A position offset: an int, or int32 data with one offset for each entry of x's first axis."""
    op = "rope"
    if isinstance(offset, (int, np.integer)) and not isinstance(offset, bool):
        position = int(offset)
        if not -(2**31) <= position < 2**31:
            raise ShapeError(f"[{op}] offset is {position}; it must fit in int32.")
        return position
    if isinstance(offset, (bool, float)):
        raise DTypeError(
            f"[{op}] offset must be an integer or an integer array, not {type(offset).__name__}: {offset!r}."
        )
    data = operand(op, offset, backend)
    _require_dtype(op, backend.dtype(data), ("int32", "int64", "uint32"))
    given = backend.shape(data)
    if given == () or (given == (1,) and shape[0] != 1):
        return int(backend.to_numpy(data).reshape(()))
    if len(shape) < 3 or given != shape[:1]:
        raise ShapeError(
            f"[{op}] offset has shape {given}, x has shape {shape}; "
            "offset must be one integer or have shape (x.shape[0],), and x then needs at least 3 dimensions."
        )
    return _cast(backend, data, dtypes.int32)


# -- shape ops ------------------------------------------------------------------------------------------------------
def reshape(x: object, shape: object) -> tuple[Backend, Data, Shape]:
    backend, data = _single("reshape", x, ALL_DTYPES)
    old, wanted = backend.shape(data), _target_shape("reshape", shape)
    size = math.prod(old)
    if wanted.count(-1) > 1 or any(extent < -1 for extent in wanted):
        raise ShapeError(f"[reshape] shape {wanted} is not valid; sizes are 0 or more, and at most one may be -1.")
    resolved = wanted
    if -1 in wanted:
        known = math.prod(extent for extent in wanted if extent != -1)
        if known == 0:
            raise ShapeError(f"[reshape] shape {wanted} leaves -1 undetermined; give every size where one is 0.")
        resolved = tuple(size // known if extent == -1 else extent for extent in wanted)
    if math.prod(resolved) != size:
        raise ShapeError(
            f"[reshape] an array of shape {old} has {size} elements; shape {wanted} does not hold exactly as many."
        )
    return backend, data, resolved


def transpose(x: object, axes: object) -> tuple[Backend, Data, Axes]:
    backend, data = _single("transpose", x, ALL_DTYPES)
    ndim = len(backend.shape(data))
    if axes is None:
        return backend, data, tuple(range(ndim))[::-1]
    order = _integers("transpose", "axes", axes)
    if len(order) != ndim:
        raise ShapeError(
            f"[transpose] {len(order)} axes for an array of {ndim} dimensions: {order}; name each axis once."
        )
    normal = tuple(_axis("transpose", axis, ndim) for axis in order)
    if len(set(normal)) < ndim:
        raise ShapeError(f"[transpose] axes {order} name an axis twice; each axis must be named once.")
    return backend, data, normal


def broadcast_to(x: object, shape: object) -> tuple[Backend, Data, Shape]:
    backend, data = _single("broadcast_to", x, ALL_DTYPES)
    old, wanted = backend.shape(data), _target_shape("broadcast_to", shape)
    if any(extent < 0 for extent in wanted):
        raise ShapeError(f"[broadcast_to] shape {wanted} has a negative size; sizes are 0 or more.")
    fits = len(old) <= len(wanted) and all(m in (1, n) for m, n in zip(reversed(old), reversed(wanted), strict=False))
    if not fits:
        raise ShapeError(
            f"[broadcast_to] shape {old} does not broadcast to {wanted}; "
            "aligned from the last axis, each size must be equal or 1."
        )
    return backend, data, wanted


# -- attention ------------------------------------------------------------------------------------------------------
def attention(
    q: object, k: object, v: object, scale: object, mask: object
) -> tuple[Backend, Data, Data, Data, float, Literal["causal"] | Data | None]:
    op = "scaled_dot_product_attention"
    factor = _real(op, "scale", scale)
    causal = isinstance(mask, str)
    if causal and mask != "causal":
        raise ShapeError(f'[{op}] mask {mask!r} is unknown; use None, "causal", a bool array or an additive array.')
    backend = common_backend(op, q, k, v, mask)
    # Scalars are no operands here: they would promote to 0-d arrays that the rank check rejects anyway.
    queries, keys, values = _promoted(op, backend, (q, k, v), FLOATING)
    qs, ks, vs = backend.shape(queries), backend.shape(keys), backend.shape(values)
    for name, shape in (("q", qs), ("k", ks), ("v", vs)):
        if len(shape) != 4:
            raise ShapeError(
                f"[{op}] {name} has shape {shape}; it must have 4 dimensions, (batch, heads, length, dim)."
            )
    shapes = f"q has shape {qs}, k has shape {ks}, v has shape {vs}"
    if not qs[0] == ks[0] == vs[0]:
        raise ShapeError(f"[{op}] batch sizes differ: {shapes}; shape[0] must be equal.")
    if ks[1] != vs[1] or ks[2] != vs[2]:
        raise ShapeError(f"[{op}] keys and values differ: {shapes}; k and v must have equal heads and lengths.")
    if qs[3] != ks[3]:
        raise ShapeError(f"[{op}] head dimensions differ: {shapes}; q.shape[-1] must equal k.shape[-1].")
    if ks[1] == 0 or qs[1] % ks[1]:
        raise ShapeError(f"[{op}] heads do not group: {shapes}; q's heads must be a multiple of k's.")
    if mask is None or causal:
        return backend, queries, keys, values, factor, "causal" if causal else None
    held = _mask(op, backend, mask, (qs[0], qs[1], qs[2], ks[2]), backend.dtype(queries))
    return backend, queries, keys, values, factor, held


def _mask(op: str, backend: Backend, mask: object, scores: Shape, dtype: DType) -> Data:
    """A mask as 4-D data, bool or of ``dtype``, that broadcasts to the shape of the scores."""
    data = operand(op, mask, backend)
    given, shape = backend.dtype(data), backend.shape(data)
    if given != dtypes.bool_ and not (dtypes.is_floating(given) and dtypes.promote(given, dtype) == dtype):
        raise DTypeError(f"[{op}] mask has dtype {given}; use bool, or an additive mask that promotes to {dtype}.")
    fits = len(shape) <= 4 and all(m in (1, n) for m, n in zip(reversed(shape), reversed(scores), strict=False))
    if not fits:
        raise ShapeError(f"[{op}] mask has shape {shape}; it must broadcast to (B, Hq, Tq, Tkv) = {scores}.")
    if len(shape) < 4:
        data = backend.reshape(data, (1,) * (4 - len(shape)) + shape)
    return data if given == dtypes.bool_ else _cast(backend, data, dtype)
