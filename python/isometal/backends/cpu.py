"""The `cpu` backend: every op in NumPy, the readable definition that the other backends are compared with.

float16 and bfloat16 are computed in float32 and rounded once, into the result. Sums that are long are added in pieces
or pairwise. Special values follow IEEE and MLX, and never raise a warning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import ml_dtypes
import numpy as np

from isometal.backends import erf
from isometal.backends.base import Axes, Backend, GeluApprox, NDArray, Shape, poison_heap
from isometal.backends.cpu_attention import attention
from isometal.backends.cpu_numeric import (
    Kernel,
    accurate_sum,
    elementwise,
    for_blas,
    quiet,
    quietly,
    rowwise,
    to_float32,
    unrepeated,
)
from isometal.backends.cpu_rope import rope
from isometal.backends.host import host_cpu
from isometal.dtypes import DType, float32, is_floating

#: Square of what a shift of a row may be, in standard deviations, before float32 shows it.
_NEGLIGIBLE = np.float32(1e-15)


class CpuBackend:
    """The 20 ops on `numpy.ndarray`."""

    name = "cpu"
    native: type = np.ndarray
    flushes_subnormals = False

    # -- the way in and out ---------------------------------------------------------------------------------------
    def device(self) -> Mapping[str, str]:
        return host_cpu()

    def from_numpy(self, array: NDArray, *, copy: bool | None = None) -> NDArray:
        return np.array(array) if copy else array

    def from_native(self, obj: object) -> NDArray | None:
        return obj if isinstance(obj, np.ndarray) else None

    def to_numpy(self, data: NDArray) -> NDArray:
        return data

    def shape(self, data: NDArray) -> Shape:
        return data.shape

    def dtype(self, data: NDArray) -> DType:
        return data.dtype

    def astype(self, data: NDArray, dtype: DType) -> NDArray:
        return data if data.dtype == dtype else quietly(data.astype, dtype)

    def getitem(self, data: NDArray, index: tuple[int | slice | None, ...]) -> NDArray:
        # The ellipsis keeps a fully indexed element an array, and a view.
        view_index = (*index, ...)
        return data[view_index]

    def eval(self, *data: NDArray) -> None:
        """NumPy computes at once."""

    def poison(self, nbytes: int) -> None:
        poison_heap(nbytes)

    # -- elementwise ----------------------------------------------------------------------------------------------
    # NumPy and ml_dtypes compute half precision in float32, whose 24 bits are enough for one correct rounding.
    def add(self, x: NDArray, y: NDArray) -> NDArray:
        return quietly(np.add, x, y)

    def subtract(self, x: NDArray, y: NDArray) -> NDArray:
        # MLX subtracts truth values modulo 2; NumPy refuses to.
        return quietly(np.logical_xor if x.dtype.kind == "b" else np.subtract, x, y)

    def multiply(self, x: NDArray, y: NDArray) -> NDArray:
        return quietly(np.multiply, x, y)

    def divide(self, x: NDArray, y: NDArray) -> NDArray:
        return quietly(np.divide, x, y)

    def negative(self, x: NDArray) -> NDArray:
        return quietly(np.negative, x)

    # -- products -------------------------------------------------------------------------------------------------
    @quiet
    def matmul(self, x: NDArray, y: NDArray) -> NDArray:
        if x.ndim < 2 or y.ndim < 2:
            # A vector that is not contiguous is copied: BLAS reads no negative strides.
            a, b = (for_blas(to_float32(z)) if z.ndim > 1 else np.ascontiguousarray(z, np.float32) for z in (x, y))
            product = a @ b
        elif x.ndim == y.ndim == 2:
            product = for_blas(to_float32(x)) @ for_blas(to_float32(y))
        else:
            product = _batched(x, y)
        return product if x.dtype == float32 else product.astype(x.dtype)

    @quiet
    def scaled_dot_product_attention(
        self, q: NDArray, k: NDArray, v: NDArray, scale: float, mask: Literal["causal"] | NDArray | None
    ) -> NDArray:
        return attention(q, k, v, scale, mask)

    # -- activations ----------------------------------------------------------------------------------------------
    @quiet
    def silu(self, x: NDArray) -> NDArray:
        return elementwise(_silu, x)

    @quiet
    def gelu(self, x: NDArray, approx: GeluApprox) -> NDArray:
        return elementwise(_GELU[approx], x)

    # -- softmax, mask, norms, positions --------------------------------------------------------------------------
    @quiet
    def softmax(self, x: NDArray, axes: Axes, precise: bool) -> NDArray:
        """Float32 whatever ``precise``: half precision loses nothing by it here."""
        if axes == (x.ndim - 1,):
            return rowwise(_softmax_rows, x)
        if x.size == 0:
            return x
        if x.ndim == 0:
            # NumPy makes scalars of 0-d intermediate results, and those cannot be written to.
            return self.softmax(x.reshape(1), (0,), precise).reshape(())
        wide = to_float32(x)
        e = wide - np.maximum.reduce(wide, axis=axes, keepdims=True)
        np.exp(e, out=e)
        e /= accurate_sum(e, axes).astype(np.float32, copy=False)
        return e if x.dtype == float32 else e.astype(x.dtype)

    def causal_mask(self, q_len: int, kv_len: int, dtype: DType) -> NDArray:
        visible = np.tri(q_len, kv_len, kv_len - q_len, dtype=np.bool_)
        lowest = ml_dtypes.finfo(dtype).min  # type: ignore[no-untyped-call]
        return np.where(visible, dtype.type(0), lowest)

    @quiet
    def rms_norm(self, x: NDArray, weight: NDArray | None, eps: float) -> NDArray:
        """x / sqrt(mean(x^2) + eps) * weight."""
        w = None if weight is None else to_float32(weight)

        def kernel(rows: NDArray, out: NDArray) -> None:
            np.multiply(rows, rows, out=out)
            np.multiply(rows, _reciprocal_root(_row_mean(out), eps), out=out)
            if w is not None:
                out *= w

        return rowwise(kernel, x)

    @quiet
    def layer_norm(self, x: NDArray, weight: NDArray | None, bias: NDArray | None, eps: float) -> NDArray:
        """(x - mean) / sqrt(variance + eps) * weight + bias, the variance from the centred rows."""
        w = None if weight is None else to_float32(weight)
        b = None if bias is None else to_float32(bias)

        def kernel(rows: NDArray, out: NDArray) -> None:
            np.subtract(rows, _row_mean(rows), out=out)
            # What rounding the mean has left of it counts where the mean is large against the deviations.
            rest = _row_mean(out)
            variance = _row_mean(out * out) - rest * rest
            if (rest * rest > _NEGLIGIBLE * variance).any():
                out -= rest
            out *= _reciprocal_root(variance, eps)
            if w is not None:
                out *= w
            if b is not None:
                out += b

        return rowwise(kernel, x)

    @quiet
    def rope(
        self,
        x: NDArray,
        dims: int,
        traditional: bool,
        base: float,
        scale: float,
        offset: int | NDArray,
        freqs: NDArray | None,
    ) -> NDArray:
        return rope(x, dims, traditional, base, scale, offset, freqs)

    # -- reductions -----------------------------------------------------------------------------------------------
    @quiet
    def sum(self, x: NDArray, axes: Axes, keepdims: bool) -> NDArray:
        if not is_floating(x.dtype):
            return _finish(np.add.reduce(x, axis=axes, dtype=x.dtype, keepdims=True), x, axes, keepdims)
        return _finish(accurate_sum(x, axes), x, axes, keepdims)

    @quiet
    def mean(self, x: NDArray, axes: Axes, keepdims: bool) -> NDArray:
        count = np.float32(math.prod(x.shape[axis] for axis in axes))
        return _finish(accurate_sum(x, axes) / count, x, axes, keepdims)

    @quiet
    def max(self, x: NDArray, axes: Axes, keepdims: bool) -> NDArray:
        # In float32 half precision is compared exactly, and several times faster.
        working = np.float32 if x.dtype.itemsize == 2 else x.dtype
        return _finish(np.maximum.reduce(x, axis=axes, dtype=working, keepdims=True), x, axes, keepdims)

    # -- shape ops: views where NumPy can make one ----------------------------------------------------------------
    def reshape(self, x: NDArray, shape: Shape) -> NDArray:
        return x.reshape(shape)

    def transpose(self, x: NDArray, axes: Axes) -> NDArray:
        return np.transpose(x, axes)

    def broadcast_to(self, x: NDArray, shape: Shape) -> NDArray:
        return np.broadcast_to(x, shape)


def _matrix(x: NDArray) -> NDArray:
    """A matmul operand as BLAS wants it; batch axes that only repeat are cut to length 1."""
    return for_blas(to_float32(unrepeated(x, x.ndim - 2)))


def _batched(x: NDArray, y: NDArray) -> NDArray:
    """x @ y in float32 where one of them has batch axes."""
    a, b = _matrix(x), _matrix(y)
    if b.ndim == 2 and a.flags.c_contiguous:
        # One large product instead of one per batch.
        product = (a.reshape(math.prod(a.shape[:-1]), a.shape[-1]) @ b).reshape(*a.shape[:-1], b.shape[-1])
    else:
        product = a @ b
    if a.shape == x.shape and b.shape == y.shape:
        return product
    return np.broadcast_to(product, np.broadcast_shapes(x.shape[:-2], y.shape[:-2]) + product.shape[-2:])


def _silu(x: NDArray, out: NDArray) -> None:
    """x / (1 + exp(-x))."""
    np.negative(x, out=out)
    _times_sigmoid(x, out)


def _gelu_tanh(x: NDArray, out: NDArray) -> None:
    """x / 2 (1 + tanh(u)) with u = sqrt(2 / pi) (x + 0.044715 x^3), as x / (1 + exp(-2 u))."""
    np.multiply(x, x, out=out)
    out *= np.float32(-2 * math.sqrt(2 / math.pi) * 0.044715)
    out += np.float32(-2 * math.sqrt(2 / math.pi))
    out *= x
    _times_sigmoid(x, out)


def _gelu_fast(x: NDArray, out: NDArray) -> None:
    """x / (1 + exp(-1.702 x))."""
    np.multiply(x, np.float32(-1.702), out=out)
    _times_sigmoid(x, out)


def _times_sigmoid(x: NDArray, out: NDArray) -> None:
    """out = x / (1 + exp(out))."""
    np.exp(out, out=out)
    out += np.float32(1)
    np.divide(x, out, out=out)


_GELU: Mapping[GeluApprox, Kernel] = {"none": erf.gelu, "tanh": _gelu_tanh, "fast": _gelu_fast}


def _softmax_rows(rows: NDArray, out: NDArray) -> None:
    np.subtract(rows, np.maximum.reduce(rows, axis=-1, keepdims=True), out=out)
    np.exp(out, out=out)
    out /= np.add.reduce(out, axis=-1, keepdims=True)


def _row_mean(rows: NDArray) -> NDArray:
    """Mean along the last axis, kept as length 1; added pairwise."""
    mean: NDArray = np.add.reduce(rows, axis=-1, keepdims=True) / np.float32(rows.shape[-1])
    return mean


def _reciprocal_root(mean_square: NDArray, eps: float) -> NDArray:
    """1 / sqrt(mean_square + eps), rounded to float32 once: it is one number per row."""
    return (1 / np.sqrt(mean_square.astype(np.float64) + eps)).astype(np.float32)


def _finish(total: NDArray, x: NDArray, axes: Axes, keepdims: bool) -> NDArray:
    """A reduction with its axes kept, rounded to x's dtype and brought into the shape that was asked for."""
    rounded: NDArray = total.astype(x.dtype, copy=False)
    return rounded if keepdims else rounded.squeeze(axes)


BACKEND: Backend = CpuBackend()
