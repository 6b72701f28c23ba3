"""What isometal is timed against: each op as plain NumPy and as plain MLX, with the facade's signature.

The NumPy expression is the one that its user would write: a ufunc, a reduction, `np.matmul`, or the textbook formula
in whole-array arithmetic. float16 and bfloat16 (which NumPy has no BLAS for, and whose few bits a formula of several
steps would use up) are computed in float32 and rounded once, the conversions included in the time; elementwise
arithmetic, `max` and the shape ops work on the dtype itself. The MLX call is the op that the op table names.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import ml_dtypes
import numpy as np

from isometal import dtypes
from isometal.dtypes import DType

Function = Callable[..., Any]
#: A NumPy array; arithmetic on arrays of any dtype has no type that a checker could follow.
Values = Any


def _is_half(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype in (dtypes.float16, dtypes.bfloat16)


def _in_float32(function: Callable[..., Values]) -> Callable[..., Values]:
    """``function`` with half-precision operands converted to float32, its result to the first operand's dtype."""

    def widen(value: Any) -> Any:
        return value.astype(np.float32) if _is_half(value) else value

    @functools.wraps(function)
    def converted(first: Values, *rest: Any, **params: Any) -> Values:
        result = function(widen(first), *map(widen, rest), **{name: widen(v) for name, v in params.items()})
        return result.astype(first.dtype) if _is_half(first) else result

    return converted


# -- NumPy ------------------------------------------------------------------------------------------------------------


def _numpy_divide(a: Values, b: Values) -> Values:
    # Integers divide in float32, where NumPy alone would take float64.
    floating = dtypes.is_floating(a.dtype)
    return np.divide(a, b) if floating else np.divide(a.astype(np.float32), b.astype(np.float32))


def _silu(x: Values) -> Values:
    return x / (1 + np.exp(-x))


def _erf(x: Values) -> Values:
    """Abramowitz and Stegun, formula 7.1.26, |error| <= 1.5e-7: NumPy has no erf, and one call of `math.erf` per
    element would be a peer that anything beats."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.copysign(1 - series * np.exp(-x * x), x)


def _gelu(x: Values, approx: str = "none") -> Values:
    if approx == "none":
        return 0.5 * x * (1 + _erf(x * math.sqrt(0.5)))
    if approx == "fast":
        return x / (1 + np.exp(-1.702 * x))
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def _softmax(x: Values, axis: Any = -1, precise: bool = False) -> Values:
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def _lowest(dtype: DType) -> float:
    """The finite minimum of a floating dtype."""
    limits: Any = ml_dtypes.finfo
    return float(limits(dtype).min)


def _causal_mask(q_len: int, kv_len: int | None = None, *, dtype: str = "float32") -> Values:
    kv_len = q_len if kv_len is None else kv_len
    wanted = dtypes.as_dtype(dtype)
    return np.triu(np.full((q_len, kv_len), _lowest(wanted), wanted), kv_len - q_len + 1)


def _rms_norm(x: Values, weight: Values | None = None, eps: float = 1e-5) -> Values:
    normed = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(eps))
    return normed if weight is None else normed * weight


def _layer_norm(x: Values, weight: Values | None = None, bias: Values | None = None, eps: float = 1e-5) -> Values:
    centred = x - np.mean(x, axis=-1, keepdims=True)
    normed = centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + np.float32(eps))
    if weight is not None:
        normed = normed * weight
    return normed if bias is None else normed + bias


def _rope(
    x: Values,
    dims: int,
    *,
    traditional: bool = False,
    base: float = 10000.0,
    scale: float = 1.0,
    offset: Any = 0,
    freqs: Values | None = None,
) -> Values:
    half = dims // 2
    # NumPy's default, float64, for the small table of angles: in float32 they are off by |angle| * 2**-24.
    position = np.arange(x.shape[-2]) + (
        offset.reshape(-1, *(1,) * (x.ndim - 2)) if isinstance(offset, np.ndarray) else offset
    )
    inverse = base ** (-np.arange(half) / half) if freqs is None else 1 / freqs.astype(np.float64)
    theta = position[..., None] * scale * inverse
    cos, sin = np.cos(theta).astype(x.dtype), np.sin(theta).astype(x.dtype)
    pair = (slice(0, dims, 2), slice(1, dims, 2)) if traditional else (slice(half), slice(half, dims))
    first, second = x[..., pair[0]], x[..., pair[1]]
    out = x.copy()
    out[..., pair[0]] = first * cos - second * sin
    out[..., pair[1]] = first * sin + second * cos
    return out


def _attention(q: Values, k: Values, v: Values, *, scale: float, mask: Any = None) -> Values:
    batch, q_heads, q_len, _ = q.shape
    kv_heads, kv_len = k.shape[1], k.shape[2]
    grouped = q.reshape(batch, kv_heads, q_heads // kv_heads, q_len, -1)
    scores = np.matmul(grouped, k[:, :, None].swapaxes(-1, -2)) * np.float32(scale)
    if isinstance(mask, np.ndarray):
        mask = mask.reshape((1,) * (4 - mask.ndim) + mask.shape)
        heads = (kv_heads, q_heads // kv_heads) if mask.shape[1] == q_heads else (1, 1)
        mask = mask.reshape(mask.shape[0], *heads, *mask.shape[2:])
    elif mask is not None:
        mask = np.tri(q_len, kv_len, kv_len - q_len, dtype=np.bool_)
    if mask is not None:
        scores = np.where(mask, scores, np.float32(-np.inf)) if mask.dtype == np.bool_ else scores + mask
    return np.matmul(_softmax(scores), v[:, :, None]).reshape(batch, q_heads, q_len, -1)


def _accumulator(x: Values) -> DType:
    """dtype that `sum` accumulates in: float32 for floating input, int32 for bool, else its own."""
    if dtypes.is_floating(x.dtype):
        return dtypes.float32
    return dtypes.int32 if x.dtype == dtypes.bool_ else x.dtype


def _sum(x: Values, axis: Any = None, keepdims: bool = False) -> Values:
    total = np.sum(x, axis=axis, keepdims=keepdims, dtype=_accumulator(x))
    return np.asarray(total.astype(x.dtype) if _is_half(x) else total)


def _mean(x: Values, axis: Any = None, keepdims: bool = False) -> Values:
    average = np.mean(x, axis=axis, keepdims=keepdims, dtype=np.float32)
    return np.asarray(average.astype(x.dtype) if _is_half(x) else average)


#: Op name -> the plain NumPy expression.
NUMPY: Mapping[str, Function] = MappingProxyType(
    {
        "add": np.add,
        "subtract": np.subtract,
        "multiply": np.multiply,
        "divide": _numpy_divide,
        "negative": np.negative,
        "matmul": _in_float32(np.matmul),
        "silu": _in_float32(_silu),
        "gelu": _in_float32(_gelu),
        "softmax": _in_float32(_softmax),
        "causal_mask": _causal_mask,
        "rms_norm": _in_float32(_rms_norm),
        "layer_norm": _in_float32(_layer_norm),
        "rope": _in_float32(_rope),
        "sum": _sum,
        "mean": _mean,
        "max": np.max,
        "reshape": np.reshape,
        "transpose": np.transpose,
        "broadcast_to": np.broadcast_to,
        "scaled_dot_product_attention": _in_float32(_attention),
    }
)


# -- MLX --------------------------------------------------------------------------------------------------------------


def to_mlx(value: Any) -> Any:
    """A NumPy array as an MLX array of the same dtype (a copy); anything else unchanged."""
    import mlx.core as mx

    if not isinstance(value, np.ndarray):
        return value
    if value.dtype == dtypes.bfloat16:
        return mx.view(mx.array(value.view(np.uint16)), mx.bfloat16)
    return mx.array(value)


@functools.cache
def mlx() -> Mapping[str, Function] | None:
    """Op name -> the plain MLX call (lazy: evaluate its result), or None where MLX is not installed."""
    try:
        import mlx.core as mx
    except (ImportError, OSError):
        return None

    # mlx.nn's silu and gelu are compiled at run time, on a CPU with the system's C++ compiler: the same formulas,
    # uncompiled, run everywhere.
    def silu(x: Any) -> Any:
        return x * mx.sigmoid(x)

    def gelu(x: Any, approx: str = "none") -> Any:
        if approx == "none":
            return x * (1 + mx.erf(x / math.sqrt(2))) / 2
        if approx == "fast":
            return x * mx.sigmoid(1.702 * x)
        return 0.5 * x * (1 + mx.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

    # MLX's own default is all axes.
    def softmax(x: Any, axis: Any = -1, precise: bool = False) -> Any:
        return mx.softmax(x, axis=axis, precise=precise)

    def causal_mask(q_len: int, kv_len: int | None = None, *, dtype: str = "float32") -> Any:
        kv_len = q_len if kv_len is None else kv_len
        wanted = getattr(mx, dtype)
        hidden = mx.arange(kv_len - q_len, kv_len)[:, None] < mx.arange(kv_len)
        return mx.where(hidden, mx.array(mx.finfo(wanted).min, wanted), mx.array(0, wanted))

    def rope(x: Any, dims: int, *, traditional: bool = False, base: float = 10000.0, scale: float = 1.0,
             offset: Any = 0, freqs: Any = None) -> Any:  # fmt: skip
        wanted = base if freqs is None else None
        return mx.fast.rope(x, dims, traditional=traditional, base=wanted, scale=scale, offset=offset, freqs=freqs)

    def rms_norm(x: Any, weight: Any = None, eps: float = 1e-5) -> Any:
        return mx.fast.rms_norm(x, weight, eps)

    def layer_norm(x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
        return mx.fast.layer_norm(x, weight, bias, eps)

    own = {
        "silu": silu,
        "gelu": gelu,
        "softmax": softmax,
        "causal_mask": causal_mask,
        "rope": rope,
        "rms_norm": rms_norm,
        "layer_norm": layer_norm,
        "scaled_dot_product_attention": mx.fast.scaled_dot_product_attention,
    }
    # Every other op goes by the same name, with the same arguments.
    return MappingProxyType({**{name: getattr(mx, name) for name in NUMPY if name not in own}, **own})
