"""The answer to a case, in float64 from the definition of each op; integers in exact wraparound arithmetic.

Written from OPS.md and the facts measured on MLX, not from any backend: no blocks, no float32, no shared code.
Inputs are the values that the operands really hold (rounded to their dtype). Parameters are the caller's Python floats:
MLX takes eps, scale and base as float32, which differs by 2^-25 relative at most; test_truth.py shows that this
stays far below every tolerance. Cases with large rope positions use values that float32 holds exactly, because there
an angle of 10^6 would multiply the difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from isometal import dtypes
from isometal.parity.model import Case, NDArray, Truth
from isometal.parity.rounding import FORMATS, round_to

if TYPE_CHECKING:
    from isometal.dtypes import DType
    from isometal.parity.operands import Operands

Inputs = Sequence[Any]
Params = Mapping[str, Any]

_erfc_of_objects = np.frompyfunc(math.erfc, 1, 1)


def truth(case: Case, operands: Operands) -> Truth:
    """The Truth of ``case`` on ``operands`` (what `operands.materialise(case)` returns)."""
    with np.errstate(all="ignore"):
        return _DEFINITIONS[case.op](operands.inputs, operands.params)


def _real(x: NDArray) -> NDArray:
    return np.asarray(x).astype(np.float64)


def _erfc(x: NDArray) -> NDArray:
    """The C library's erfc, correct to a unit or two of float64."""
    return np.asarray(_erfc_of_objects(x), np.float64)


def _row_mean(x: NDArray) -> NDArray:
    """Mean of the last axis, kept; NaN without NumPy's warning where there are no columns."""
    return np.asarray(x.sum(axis=-1, keepdims=True) / np.float64(x.shape[-1]))


# -- elementwise ----------------------------------------------------------------------------------------------------
def _result_dtype(inputs: Inputs) -> DType:
    """Promotion over arrays and weakly typed Python scalars."""
    arrays = [x.dtype for x in inputs if isinstance(x, np.ndarray)]
    scalars = [x for x in inputs if not isinstance(x, np.ndarray)]
    dtype = arrays[0] if arrays else dtypes.scalar_dtype(scalars[0])
    for other in arrays[1:]:
        dtype = dtypes.promote(dtype, other)
    for scalar in scalars if arrays else scalars[1:]:
        dtype = dtypes.promote_scalar(dtype, scalar)
    return dtype


def _converted(x: Any, dtype: DType) -> NDArray:
    """An operand in the dtype of the operation, rounded once; floating values come back as float64."""
    x = np.asarray(x)
    if not dtypes.is_floating(dtype):
        return np.asarray(x.astype(dtype))
    if dtype == dtypes.float32 and x.dtype.kind in "iu":
        # int64 does not fit float64; the conversion straight to float32 rounds once.
        return _real(x.astype(np.float32))
    return round_to(_real(x), dtype.name)


def _modular(a: NDArray, b: NDArray, op: Callable[[NDArray, NDArray], NDArray], dtype: DType) -> NDArray:
    """Integer arithmetic modulo 2^64, then modulo 2^32 for the narrow dtypes: two's complement wraparound."""
    wide = op(a.astype(np.int64).view(np.uint64), b.astype(np.int64).view(np.uint64))
    return wide.view(np.int64).astype(dtype)


def _binary(op: Callable[[NDArray, NDArray], NDArray], logical: Callable[..., NDArray]) -> Callable[..., Truth]:
    def define(inputs: Inputs, params: Params) -> Truth:
        dtype = _result_dtype(inputs)
        a, b = (_converted(x, dtype) for x in inputs)
        if dtypes.is_floating(dtype):
            # float64 holds 53 >= 2 * 24 + 2 bits: rounding its result to any of the dtypes is as rounding once.
            value = op(a, b)
        elif dtype == dtypes.bool_:
            value = logical(a, b)
        else:
            value = _modular(a, b, op, dtype)
        return Truth(np.asarray(value), dtype.name)

    return define


def _divide(inputs: Inputs, params: Params) -> Truth:
    dtype = _result_dtype(inputs)
    dtype = dtype if dtypes.is_floating(dtype) else dtypes.float32
    a, b = (_converted(x, dtype) for x in inputs)
    return Truth(np.asarray(a / b), dtype.name)


def _negative(inputs: Inputs, params: Params) -> Truth:
    (x,) = inputs
    if dtypes.is_floating(x.dtype):
        return Truth(-_real(x), x.dtype.name)
    return Truth(_modular(np.zeros_like(x), x, np.subtract, x.dtype), x.dtype.name)


# -- matmul ---------------------------------------------------------------------------------------------------------
def _matmul(inputs: Inputs, params: Params) -> Truth:
    dtype = _result_dtype(inputs)
    a, b = (_converted(x, dtype) for x in inputs)
    columns = b.ndim == 1
    rows = a.ndim == 1
    a, b = (a[None, :] if rows else a), (b[:, None] if columns else b)

    def product(a: NDArray, b: NDArray) -> NDArray:
        # einsum sums the products one by one: 0 * inf is NaN here, whatever a BLAS would skip.
        c = np.einsum("...ik,...kj->...ij", a, b)
        c = c[..., 0] if columns else c
        return np.asarray((c[..., 0] if columns else c[..., 0, :]) if rows else c)

    return Truth(product(a, b), dtype.name, magnitude=product(np.abs(a), np.abs(b)))


# -- activations, softmax, mask -------------------------------------------------------------------------------------
def _sigmoid(x: NDArray) -> NDArray:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _silu(inputs: Inputs, params: Params) -> Truth:
    (x,) = inputs
    # The product keeps MLX's answer at -inf: -inf * 0 is NaN.
    return Truth(_real(x) * _sigmoid(_real(x)), x.dtype.name)


def _gelu(inputs: Inputs, params: Params) -> Truth:
    (operand,) = inputs
    x = _real(operand)
    approx = params.get("approx", "none")
    if approx == "none":
        # (1 + erf(x / sqrt 2)) / 2, written with erfc so that nothing cancels in the left tail.
        value = x * (0.5 * _erfc(-x * math.sqrt(0.5)))
    elif approx in ("tanh", "precise"):
        # (1 + tanh u) / 2 = sigmoid(2u), for the same reason; Hendrycks and Gimpel, arXiv:1606.08415.
        value = x * _sigmoid(2.0 * math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))
    else:
        value = x * _sigmoid(1.702 * x)
    return Truth(np.asarray(value), operand.dtype.name)


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    chosen = (axis,) if isinstance(axis, int) else tuple(axis)
    return tuple(a % ndim for a in chosen)


def _softmax_of(x: NDArray, axes: tuple[int, ...]) -> NDArray:
    """-inf throughout gives -inf - -inf = NaN, as in MLX; so does any +inf or NaN."""
    if x.size == 0:
        return x
    weights = np.exp(x - x.max(axis=axes, keepdims=True))
    return np.asarray(weights / weights.sum(axis=axes, keepdims=True))


def _softmax(inputs: Inputs, params: Params) -> Truth:
    (x,) = inputs
    return Truth(_softmax_of(_real(x), _axes(params.get("axis", -1), x.ndim)), x.dtype.name)


def _causal_mask(inputs: Inputs, params: Params) -> Truth:
    arguments = dict(zip(("q_len", "kv_len"), inputs, strict=False)) | dict(params)
    dtype = arguments.get("dtype", "float32")
    q_len = arguments["q_len"]
    kv_len = arguments.get("kv_len")
    kv_len = q_len if kv_len is None else kv_len
    value = np.zeros((q_len, kv_len))
    for i in range(q_len):
        value[i, max(0, i + kv_len - q_len + 1) :] = -FORMATS[dtype].max
    return Truth(value, dtype)


# -- norms, rope ----------------------------------------------------------------------------------------------------
def _affine(value: NDArray, weight: NDArray | None, bias: NDArray | None) -> NDArray:
    value = value if weight is None else value * _real(weight)
    return value if bias is None else value + _real(bias)


def _padded(inputs: Inputs, count: int) -> list[Any]:
    """Operands left out at the end are None."""
    return [*inputs, *[None] * (count - len(inputs))]


def _rms_norm(inputs: Inputs, params: Params) -> Truth:
    operand, weight = _padded(inputs, 2)
    x = _real(operand)
    scale = 1.0 / np.sqrt(_row_mean(x * x) + params.get("eps", 1e-5))
    return Truth(_affine(x * scale, weight, None), operand.dtype.name)


def _layer_norm(inputs: Inputs, params: Params) -> Truth:
    operand, weight, bias = _padded(inputs, 3)
    x = _real(operand)
    centred = x - _row_mean(x)
    variance = _row_mean(centred * centred)
    return Truth(_affine(centred / np.sqrt(variance + params.get("eps", 1e-5)), weight, bias), operand.dtype.name)


def _rope(inputs: Inputs, params: Params) -> Truth:
    (operand,) = inputs
    x = _real(operand)
    dims = int(params["dims"])
    half = dims // 2
    offset = np.asarray(params.get("offset", 0), np.float64)
    positions = (offset[..., None] + np.arange(x.shape[-2])) * params.get("scale", 1.0)
    freqs = params.get("freqs")
    if freqs is not None:
        inverse = 1.0 / _real(freqs)
    else:
        inverse = np.array([float(params.get("base", 10000.0)) ** (-2.0 * i / dims) for i in range(half)])
    angle = positions[..., None] * inverse
    if offset.ndim:
        # One offset per batch: (B, T, half) -> (B, 1, ..., T, half).
        angle = angle.reshape(angle.shape[0], *[1] * (x.ndim - 3), *angle.shape[1:])
    first, second = (slice(0, dims, 2), slice(1, dims, 2)) if params.get("traditional") else (
        slice(0, half), slice(half, dims))  # fmt: skip
    x1, x2 = x[..., first], x[..., second]
    value = x.copy()
    value[..., first] = x1 * np.cos(angle) - x2 * np.sin(angle)
    value[..., second] = x1 * np.sin(angle) + x2 * np.cos(angle)
    slack = np.zeros(x.shape)
    slack[..., first] = slack[..., second] = _rope_slack(x1, x2, angle, inverse, operand.dtype.name)
    return Truth(value, operand.dtype.name, mlx_slack=slack)


def _rope_slack(x1: NDArray, x2: NDArray, angle: NDArray, inverse: NDArray, dtype: str) -> NDArray:
    return np.zeros(np.broadcast_shapes(x1.shape, angle.shape))


# -- reductions, shape ops --------------------------------------------------------------------------------------------
def _sum(inputs: Inputs, params: Params) -> Truth:
    (x,) = inputs
    axes, keep = _axes(params.get("axis"), x.ndim), bool(params.get("keepdims", False))
    if dtypes.is_floating(x.dtype):
        real = _real(x)
        return Truth(
            np.asarray(real.sum(axis=axes, keepdims=keep)),
            x.dtype.name,
            magnitude=np.asarray(np.abs(real).sum(axis=axes, keepdims=keep)),
        )
    dtype = dtypes.int32 if x.dtype == dtypes.bool_ else x.dtype
    total = x.astype(np.int64).view(np.uint64).sum(axis=axes, keepdims=keep)
    return Truth(np.asarray(total).view(np.int64).astype(dtype), dtype.name)


def _mean(inputs: Inputs, params: Params) -> Truth:
    (x,) = inputs
    axes, keep = _axes(params.get("axis"), x.ndim), bool(params.get("keepdims", False))
    count = math.prod(x.shape[a] for a in axes)
    real = _real(x)
    dtype = x.dtype if dtypes.is_floating(x.dtype) else dtypes.float32
    value = np.asarray(real.sum(axis=axes, keepdims=keep) / np.float64(count))
    return Truth(
        value, dtype.name, magnitude=np.asarray(np.abs(real).sum(axis=axes, keepdims=keep) / np.float64(count))
    )


def _max(inputs: Inputs, params: Params) -> Truth:
    (x,) = inputs
    real = _real(x) if dtypes.is_floating(x.dtype) else x
    value = real.max(axis=_axes(params.get("axis"), x.ndim), keepdims=bool(params.get("keepdims", False)))
    return Truth(np.asarray(value), x.dtype.name)


def _moved(x: NDArray, value: NDArray) -> Truth:
    return Truth(np.asarray(_real(value) if dtypes.is_floating(x.dtype) else value), x.dtype.name)


def _reshape(inputs: Inputs, params: Params) -> Truth:
    return _moved(inputs[0], np.reshape(inputs[0], params["shape"]))


def _transpose(inputs: Inputs, params: Params) -> Truth:
    return _moved(inputs[0], np.transpose(inputs[0], params.get("axes")))


def _broadcast_to(inputs: Inputs, params: Params) -> Truth:
    return _moved(inputs[0], np.broadcast_to(inputs[0], params["shape"]))


# -- attention --------------------------------------------------------------------------------------------------------
def _attention(inputs: Inputs, params: Params) -> Truth:
    dtype = _result_dtype(inputs)
    q, k, v = (_converted(x, dtype) for x in inputs)
    batch, heads, q_len, _ = q.shape
    kv_len = k.shape[2]
    # Grouped queries: query head h reads key and value head h // (Hq / Hkv).
    owner = np.arange(heads) // (heads // k.shape[1])
    k, v = k[:, owner], v[:, owner]
    if kv_len == 0:
        return Truth(np.zeros((batch, heads, q_len, v.shape[-1])), dtype.name)
    scores = np.einsum("bhid,bhjd->bhij", q, k) * params["scale"]
    mask = params.get("mask")
    if isinstance(mask, str):
        mask = np.arange(kv_len) <= np.arange(q_len)[:, None] + (kv_len - q_len)
    if mask is None:
        pass
    elif mask.dtype == np.bool_:
        # A score that no other can be below: a row without any visible key is uniform over all keys, as in MLX.
        scores = np.where(mask, scores, -np.finfo(np.float64).max)
    else:
        scores = scores + _converted(mask, dtype)
    weights = _softmax_of(scores, (3,))
    value = np.einsum("bhij,bhjd->bhid", weights, v)
    return Truth(value, dtype.name, mlx_slack=None)


_DEFINITIONS: dict[str, Callable[[Inputs, Params], Truth]] = {
    "add": _binary(np.add, np.logical_or),
    "subtract": _binary(np.subtract, np.logical_xor),
    "multiply": _binary(np.multiply, np.logical_and),
    "divide": _divide,
    "negative": _negative,
    "matmul": _matmul,
    "silu": _silu,
    "gelu": _gelu,
    "softmax": _softmax,
    "causal_mask": _causal_mask,
    "rms_norm": _rms_norm,
    "layer_norm": _layer_norm,
    "rope": _rope,
    "sum": _sum,
    "mean": _mean,
    "max": _max,
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast_to,
    "scaled_dot_product_attention": _attention,
}
