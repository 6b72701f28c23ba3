"""The 20 ops: signature and docstring. Arguments are checked in check.py, arithmetic is in the backends.

Array-like means: an `Array`, a NumPy, MLX, PyTorch or JAX array, anything with DLPack or a buffer, nested lists, or
a weakly typed Python scalar. The operands' backend runs the op; without an `Array` among them, the default backend.
The semantics are MLX's. dtype errors are TypeErrors (`DTypeError`), errors of shapes and values ValueErrors
(`ShapeError`), operands on two backends a RuntimeError (`BackendError`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isometal import check
from isometal.array import Array

#: What an op takes; see the module docstring.
ArrayLike = Any
Axis = int | Sequence[int] | None


# -- elementwise ----------------------------------------------------------------------------------------------------
def add(a: ArrayLike, b: ArrayLike) -> Array:
    """a + b, elementwise.

    a, b     array-like of any supported dtype; shapes broadcast as in NumPy
    returns  the broadcast shape, the promoted dtype. Integers wrap around; on bool it is `or`
    raises   ShapeError where the shapes do not broadcast, DTypeError for unsupported dtypes
    formula  IEEE 754 addition, rounded once to the result dtype; `mlx.core.add`
    """
    backend, x, y = check.binary("add", a, b)
    return Array(backend.add(x, y), backend)


def subtract(a: ArrayLike, b: ArrayLike) -> Array:
    """a - b, elementwise.

    a, b     array-like of any supported dtype; shapes broadcast as in NumPy
    returns  the broadcast shape, the promoted dtype. Integers wrap around; on bool it is `xor`, as in MLX
    raises   ShapeError where the shapes do not broadcast, DTypeError for unsupported dtypes
    formula  IEEE 754 subtraction, rounded once to the result dtype; `mlx.core.subtract`
    """
    backend, x, y = check.binary("subtract", a, b)
    return Array(backend.subtract(x, y), backend)


def multiply(a: ArrayLike, b: ArrayLike) -> Array:
    """a * b, elementwise.

    a, b     array-like of any supported dtype; shapes broadcast as in NumPy
    returns  the broadcast shape, the promoted dtype. Integers wrap around; on bool it is `and`
    raises   ShapeError where the shapes do not broadcast, DTypeError for unsupported dtypes
    formula  IEEE 754 multiplication, rounded once to the result dtype; `mlx.core.multiply`
    """
    backend, x, y = check.binary("multiply", a, b)
    return Array(backend.multiply(x, y), backend)


def divide(a: ArrayLike, b: ArrayLike) -> Array:
    """a / b, elementwise true division.

    a, b     array-like of any supported dtype; shapes broadcast as in NumPy
    returns  the broadcast shape; the promoted dtype where that is floating, float32 for integers and bool.
             x/0 is inf or -inf, 0/0 NaN
    raises   ShapeError where the shapes do not broadcast, DTypeError for unsupported dtypes
    formula  IEEE 754 division; integers are converted to float32 first; `mlx.core.divide`
    """
    backend, x, y = check.divide(a, b)
    return Array(backend.divide(x, y), backend)


def negative(x: ArrayLike) -> Array:
    """-x, elementwise.

    x        array-like, floating or integer (uint32 wraps around)
    returns  x's shape and dtype; the sign of zero and of NaN flips too
    raises   DTypeError for bool and unsupported dtypes
    formula  `mlx.core.negative`
    """
    backend, data = check.negative(x)
    return Array(backend.negative(data), backend)


# -- matrix product -------------------------------------------------------------------------------------------------
def matmul(a: ArrayLike, b: ArrayLike) -> Array:
    """Matrix product, as `numpy.matmul`.

    a, b     floating array-like, (..., M, K) and (..., K, N); batch dims broadcast. A 1-D a is a row (K,), a 1-D b a
             column (K,); that dim is absent from the result
    returns  (..., M, N) in the promoted dtype; zeros where K is 0
    raises   ShapeError where inner dims differ, batch dims do not broadcast or an operand is 0-d; DTypeError for
             integers and bool
    formula  sum over k of a[..., m, k] * b[..., k, n], accumulated in float32; `mlx.core.matmul`
    """
    backend, x, y = check.matmul(a, b)
    return Array(backend.matmul(x, y), backend)


# -- activations ----------------------------------------------------------------------------------------------------
def silu(x: ArrayLike) -> Array:
    """Sigmoid linear unit, also called swish.

    x        floating array-like
    returns  x's shape and dtype
    raises   DTypeError for integers and bool
    formula  x / (1 + exp(-x)); Elfwing et al., arXiv:1702.03118; `mlx.nn.silu`
    """
    backend, data = check.silu(x)
    return Array(backend.silu(data), backend)


def gelu(x: ArrayLike, approx: str = "none") -> Array:
    """Gaussian error linear unit.

    x        floating array-like
    approx   "none", "tanh" (alias "precise") or "fast"
    returns  x's shape and dtype
    raises   ShapeError (a ValueError) for another approx, DTypeError for integers and bool
    formula  none: x * (1 + erf(x / sqrt(2))) / 2; tanh: x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)));
             fast: x / (1 + exp(-1.702 x)). Hendrycks and Gimpel, arXiv:1606.08415; `mlx.nn.gelu`, `gelu_approx`,
             `gelu_fast_approx`
    """
    backend, data, kind = check.gelu(x, approx)
    return Array(backend.gelu(data, kind), backend)


# -- softmax and mask -----------------------------------------------------------------------------------------------
def softmax(x: ArrayLike, axis: Axis = -1, precise: bool = False) -> Array:
    """Softmax over one axis, several, or all.

    x        floating array-like
    axis     int, sequence of ints, or None for all axes; negative axes count from the end
    precise  accumulate in float32 whatever the dtype
    returns  x's shape and dtype. A slice of -inf only, or with +inf, gives NaN, as in MLX
    raises   ShapeError for an axis out of range or named twice, DTypeError for integers and bool
    formula  exp(x - max(x)) / sum(exp(x - max(x))); `mlx.core.softmax`
    """
    backend, data, axes, exact = check.softmax(x, axis, precise)
    return Array(backend.softmax(data, axes, exact), backend)


def causal_mask(q_len: int, kv_len: int | None = None, *, dtype: object = "float32") -> Array:
    """Additive causal mask, aligned to the end.

    q_len    number of queries
    kv_len   number of keys; by default q_len
    dtype    float32, float16 or bfloat16
    returns  (q_len, kv_len): 0 where key j <= i + (kv_len - q_len), else the lowest finite value of dtype; made on the
             default backend
    raises   ShapeError for a negative length, DTypeError for a length that is no integer or another dtype
    formula  `mlx.nn.MultiHeadAttention.create_additive_causal_mask`, extended to q_len != kv_len
    """
    backend, queries, keys, wanted = check.causal_mask(q_len, kv_len, dtype)
    return Array(backend.causal_mask(queries, keys, wanted), backend)


# -- norms ----------------------------------------------------------------------------------------------------------
def rms_norm(x: ArrayLike, weight: ArrayLike | None = None, eps: float = 1e-5) -> Array:
    """Root mean square norm over the last axis.

    x        floating array-like (..., D)
    weight   floating array-like (D,), or None
    eps      added to the mean square; not negative
    returns  x's shape and dtype
    raises   ShapeError for a 0-d x, another weight shape or a bad eps; DTypeError for integers and bool
    formula  x / sqrt(mean(x^2) + eps) * weight, in float32; Zhang and Sennrich, arXiv:1910.07467;
             `mlx.core.fast.rms_norm`
    """
    backend, data, small, (w,) = check.norm("rms_norm", x, eps, weight=weight)
    return Array(backend.rms_norm(data, w, small), backend)


def layer_norm(
    x: ArrayLike, weight: ArrayLike | None = None, bias: ArrayLike | None = None, eps: float = 1e-5
) -> Array:
    """Layer norm over the last axis.

    x        floating array-like (..., D)
    weight   floating array-like (D,), or None
    bias     floating array-like (D,), or None
    eps      added to the variance; not negative
    returns  x's shape and dtype
    raises   ShapeError for a 0-d x, another weight or bias shape or a bad eps; DTypeError for integers and bool
    formula  (x - mean) / sqrt(var + eps) * weight + bias, var = mean((x - mean)^2), in float32 and in two passes;
             Ba et al., arXiv:1607.06450; `mlx.core.fast.layer_norm`
    """
    backend, data, small, (w, b) = check.norm("layer_norm", x, eps, weight=weight, bias=bias)
    return Array(backend.layer_norm(data, w, b, small), backend)


# -- positions ------------------------------------------------------------------------------------------------------
def rope(
    x: ArrayLike,
    dims: int,
    *,
    traditional: bool = False,
    base: float = 10000.0,
    scale: float = 1.0,
    offset: int | ArrayLike = 0,
    freqs: ArrayLike | None = None,
) -> Array:
    """Rotary position embedding.

    x            floating array-like (..., T, D), at least 2-D
    dims         how many of the D features rotate; even, at most D. The rest passes through
    traditional  True: pairs are (2i, 2i+1); False: (i, i + dims/2)
    base, scale  the angle of pair i at position p is p * scale * base^(-2i/dims), in radians
    offset       position of the first token: an int, or an integer array (x.shape[0],) with one for each batch entry
    freqs        floating array-like (dims/2,) that replaces base: the angle is p * scale / freqs[i]
    returns      x's shape and dtype
    raises       ShapeError for dims, ranks, shapes or values as above, DTypeError for other dtypes
    formula      Su et al., arXiv:2104.09864; `mlx.core.fast.rope`
    """
    backend, data, rotated, pairs, theta, stretch, start, f = check.rope(
        x, dims, traditional, base, scale, offset, freqs
    )
    return Array(backend.rope(data, rotated, pairs, theta, stretch, start, f), backend)


# -- reductions -----------------------------------------------------------------------------------------------------
def sum(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum over axes.

    x         array-like of any supported dtype
    axis      int, sequence of ints, or None for all axes; an empty sequence reduces nothing
    keepdims  keep reduced axes with size 1
    returns   x's dtype (int32 for bool; integers wrap around); 0 over an empty axis
    raises    ShapeError for an axis out of range or named twice, DTypeError for unsupported dtypes
    formula   float16 and bfloat16 accumulate in float32; `mlx.core.sum`
    """
    backend, data, axes, keep = check.reduction("sum", x, axis, keepdims)
    return Array(backend.sum(data, axes, keep), backend)


def mean(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Arithmetic mean over axes.

    x         array-like of any supported dtype
    axis      int, sequence of ints, or None for all axes; an empty sequence reduces nothing
    keepdims  keep reduced axes with size 1
    returns   x's dtype where floating, else float32; NaN over an empty axis
    raises    ShapeError for an axis out of range or named twice, DTypeError for unsupported dtypes
    formula   sum / count, accumulated in float32; `mlx.core.mean`
    """
    backend, data, axes, keep = check.reduction("mean", x, axis, keepdims)
    return Array(backend.mean(data, axes, keep), backend)


def max(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Maximum over axes; NaN where a slice holds one.

    x         array-like of any supported dtype
    axis      int, sequence of ints, or None for all axes; an empty sequence reduces nothing
    keepdims  keep reduced axes with size 1
    returns   x's dtype
    raises    ShapeError for an empty axis, an axis out of range or named twice; DTypeError for unsupported dtypes
    formula   `mlx.core.max`
    """
    backend, data, axes, keep = check.reduction("max", x, axis, keepdims)
    return Array(backend.max(data, axes, keep), backend)


# -- shape ops ------------------------------------------------------------------------------------------------------
def reshape(x: ArrayLike, shape: int | Sequence[int]) -> Array:
    """The same elements, in row-major order, in another shape; a view where possible.

    x        array-like of any supported dtype
    shape    sizes; one of them may be -1 and is worked out
    returns  x's dtype
    raises   ShapeError where the number of elements differs or -1 is ambiguous
    formula  `mlx.core.reshape`
    """
    backend, data, resolved = check.reshape(x, shape)
    return Array(backend.reshape(data, resolved), backend)


def transpose(x: ArrayLike, axes: Sequence[int] | None = None) -> Array:
    """Axes in another order; a view where possible.

    x        array-like of any supported dtype
    axes     a permutation of the axes, negative ones allowed; None reverses them
    returns  result axis i is x's axis axes[i]
    raises   ShapeError where axes is no permutation
    formula  `mlx.core.transpose`
    """
    backend, data, order = check.transpose(x, axes)
    return Array(backend.transpose(data, order), backend)


def broadcast_to(x: ArrayLike, shape: int | Sequence[int]) -> Array:
    """x repeated along axes of size 1 and new leading axes; a view where possible.

    x        array-like of any supported dtype
    shape    the result's shape; aligned from the last axis, each of x's sizes is equal or 1
    returns  x's dtype
    raises   ShapeError where x's shape does not broadcast to shape
    formula  `mlx.core.broadcast_to`
    """
    backend, data, wanted = check.broadcast_to(x, shape)
    return Array(backend.broadcast_to(data, wanted), backend)


# -- attention ------------------------------------------------------------------------------------------------------
def scaled_dot_product_attention(
    q: ArrayLike, k: ArrayLike, v: ArrayLike, *, scale: float, mask: str | ArrayLike | None = None
) -> Array:
    """Attention with grouped queries; memory does not grow with Tq * Tkv.

    q        floating array-like (B, Hq, Tq, D)
    k        (B, Hkv, Tkv, D); Hq a multiple of Hkv, query head h reads key head h // (Hq // Hkv)
    v        (B, Hkv, Tkv, Dv)
    scale    factor of the scores, usually D ** -0.5
    mask     None; "causal" (aligned to the end: query i sees key j <= i + Tkv - Tq); a bool array, True where a key
             is seen; or an additive array. Arrays broadcast to (B, Hq, Tq, Tkv)
    returns  (B, Hq, Tq, Dv) in the promoted dtype. A query that sees no key: the mean of all values (bool, causal),
             NaN (additive -inf), as in MLX; zeros where Tkv is 0
    raises   ShapeError for shapes that do not match or an unknown mask name, DTypeError for other dtypes or a mask that
             does not promote to the result dtype
    formula  softmax(scale * q k^T + mask) v, softmax in float32; Vaswani et al., arXiv:1706.03762, in blocks with
             online softmax (Milakov and Gimelshein, arXiv:1805.02867); `mlx.core.fast.scaled_dot_product_attention`
    """
    backend, queries, keys, values, factor, held = check.attention(q, k, v, scale, mask)
    return Array(backend.scaled_dot_product_attention(queries, keys, values, factor, held), backend)
