"""Binary arithmetic, negative, matmul."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from isometal import dtypes
from isometal.dtypes import DType
from isometal.parity.definitions.common import Inputs, Params, converted, lost_to_flushing, real, result_dtype
from isometal.parity.model import NDArray, Truth


def _modular(a: NDArray, b: NDArray, op: Callable[[NDArray, NDArray], NDArray], dtype: DType) -> NDArray:
    """Integer arithmetic modulo 2^64, then modulo 2^32 for the narrow dtypes: two's complement wraparound."""
    wide = op(a.astype(np.int64).view(np.uint64), b.astype(np.int64).view(np.uint64))
    return wide.view(np.int64).astype(dtype)


def binary(op: Callable[[NDArray, NDArray], NDArray], logical: Callable[..., NDArray]) -> Callable[..., Truth]:
    def define(inputs: Inputs, params: Params) -> Truth:
        dtype = result_dtype(inputs)
        a, b = (converted(x, dtype) for x in inputs)
        if dtypes.is_floating(dtype):
            # float64 holds 53 >= 2 * 24 + 2 bits: rounding its result to any of the dtypes is as rounding once.
            value = op(a, b)
        elif dtype == dtypes.bool_:
            value = logical(a, b)
        else:
            value = _modular(a, b, op, dtype)
        return Truth(np.asarray(value), dtype.name)

    return define


def divide(inputs: Inputs, params: Params) -> Truth:
    dtype = result_dtype(inputs)
    dtype = dtype if dtypes.is_floating(dtype) else dtypes.float32
    a, b = (converted(x, dtype) for x in inputs)
    return Truth(np.asarray(a / b), dtype.name)


def negative(inputs: Inputs, params: Params) -> Truth:
    (x,) = inputs
    if dtypes.is_floating(x.dtype):
        return Truth(-real(x), x.dtype.name)
    return Truth(_modular(np.zeros_like(x), x, np.subtract, x.dtype), x.dtype.name)


def matmul(inputs: Inputs, params: Params) -> Truth:
    dtype = result_dtype(inputs)
    a, b = (converted(x, dtype) for x in inputs)
    columns = b.ndim == 1
    rows = a.ndim == 1
    a, b = (a[None, :] if rows else a), (b[:, None] if columns else b)

    def product(a: NDArray, b: NDArray) -> NDArray:
        # einsum sums the products one by one: 0 * inf is NaN here, whatever a BLAS would skip.
        c = np.einsum("...ik,...kj->...ij", a, b)
        c = c[..., 0] if columns else c
        return np.asarray((c[..., 0] if columns else c[..., 0, :]) if rows else c)

    magnitude = product(np.abs(a), np.abs(b))
    flushed = lost_to_flushing(2 * a.shape[-1], magnitude)
    return Truth(product(a, b), dtype.name, magnitude, flush_slack=flushed)
