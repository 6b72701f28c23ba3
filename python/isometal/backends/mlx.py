"""The `mlx` backend: a thin adapter onto Apple's MLX (`mlx.core`), the ground truth.

Ops run on MLX's default device. Importing this module imports MLX. Where MLX's own result would be outside the
semantics of the op table, the adapter says so and by how much it was measured (mlx 0.32.4, CPU).

Threads: MLX ties a stream, and with it all deferred work, to the thread that made it. On the CPU the adapter
therefore queues its ops on a stream of its own that every thread may use, and evaluates under a lock, so an array
that is built in one thread can be read in another. On a GPU it uses MLX's default stream; there an array must be
evaluated in the thread that built it, and anything else is a BackendError that says so.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal

import mlx.core as mx
import numpy as np

from isometal import dtypes
from isometal.backends.base import Axes, Backend, GeluApprox, NDArray, Shape, host_os, poison_heap
from isometal.backends.host import host_cpu
from isometal.dtypes import DType
from isometal.errors import BackendError

_TO_MLX: dict[DType, mx.Dtype] = {
    dtype: getattr(mx, "bool_" if name == "bool" else name) for name, dtype in dtypes.BY_NAME.items()
}
# Arrays of any dtype can come in; the facade refuses what it does not support by name.
_OTHERS = ("int8", "int16", "uint8", "uint16", "uint64", "float64", "complex64")
_TO_NUMPY: dict[mx.Dtype, DType] = {
    **{theirs: ours for ours, theirs in _TO_MLX.items()},
    **{getattr(mx, name): np.dtype(name) for name in _OTHERS},
}
_HALF = (mx.float16, mx.bfloat16)


def _shared_stream() -> Any:
    """A CPU stream that every thread may use; None (MLX's default stream) on a GPU, or where MLX has no such thing."""
    make = getattr(mx, "new_thread_unsafe_stream", None)
    return make(mx.cpu) if make is not None and mx.default_device() == mx.Device(mx.cpu) else None


_STREAM = _shared_stream()
#: Evaluation walks and changes the graph: two threads must not do that to one array at once.
_evaluating = threading.RLock()


def _on_stream() -> contextlib.AbstractContextManager[Any]:
    """For expressions of several ops, and those whose MLX function takes no stream."""
    return contextlib.nullcontext() if _STREAM is None else mx.stream(_STREAM)


def _on_cpu() -> bool:
    return _STREAM is not None or mx.default_device() == mx.Device(mx.cpu)


class MlxBackend:
    """The 20 ops on `mlx.core.array`."""

    name = "mlx"
    native: type = mx.array
    #: Metal does, and MLX has no say in it.
    flushes_subnormals = _STREAM is None

    # -- the way in and out ---------------------------------------------------------------------------------------
    def device(self) -> Mapping[str, str]:
        """MLX's default device."""
        if _on_cpu():
            return host_cpu()
        info = mx.device_info(mx.default_device()) if hasattr(mx, "device_info") else mx.metal.device_info()
        name = str(info.get("device_name", "unknown"))
        apple = "apple-paravirtual" if "paravirtual" in name.lower() else "apple-gpu"
        return {
            "kind": apple if mx.metal.is_available() else "gpu",
            "name": name,
            "family": str(info.get("architecture", "unknown")),
            "os": host_os(),
        }

    def from_numpy(self, array: NDArray, *, copy: bool | None = None) -> mx.array:
        """Always a copy: MLX owns its memory."""
        try:
            return mx.array(array)
        except ValueError:
            # MLX refuses negative strides. (np.ascontiguousarray would turn 0-d into 1-d.)
            return mx.array(np.array(array, order="C"))

    def from_native(self, obj: object) -> mx.array | None:
        return obj if isinstance(obj, mx.array) else None

    def to_numpy(self, data: mx.array) -> NDArray:
        """A view of MLX's memory, which it keeps alive."""
        if data.dtype == mx.bfloat16:
            bits = mx.view(data, mx.uint16, stream=_STREAM)
            self.eval(bits)
            return np.asarray(bits).view(dtypes.bfloat16)
        self.eval(data)
        return np.asarray(data)

    def shape(self, data: mx.array) -> Shape:
        return data.shape

    def dtype(self, data: mx.array) -> DType:
        return _TO_NUMPY[data.dtype]

    def astype(self, data: mx.array, dtype: DType) -> mx.array:
        return data.astype(_TO_MLX[dtype], stream=_STREAM)

    def getitem(self, data: mx.array, index: tuple[int | slice | None, ...]) -> mx.array:
        with _on_stream():
            return data[index]

    def eval(self, *data: mx.array) -> None:
        try:
            with _evaluating:
                mx.eval(*data)
        except (RuntimeError, ValueError) as error:
            raise _backend_error(error) from error

    def poison(self, nbytes: int) -> None:
        """Dirty both places that MLX takes memory from: the C heap, and its own cache of freed buffers."""
        poison_heap(nbytes)
        blocks = [mx.full((max(nbytes, 1),), 0xFF, mx.uint8, stream=_STREAM) for _ in range(2)]
        self.eval(*blocks)

    # -- elementwise ----------------------------------------------------------------------------------------------
    def add(self, x: mx.array, y: mx.array) -> mx.array:
        return mx.add(x, y, stream=_STREAM)

    def subtract(self, x: mx.array, y: mx.array) -> mx.array:
        return mx.subtract(x, y, stream=_STREAM)

    def multiply(self, x: mx.array, y: mx.array) -> mx.array:
        return mx.multiply(x, y, stream=_STREAM)

    def divide(self, x: mx.array, y: mx.array) -> mx.array:
        return mx.divide(x, y, stream=_STREAM)

    def negative(self, x: mx.array) -> mx.array:
        return mx.negative(x, stream=_STREAM)

    # -- products -------------------------------------------------------------------------------------------------
    def matmul(self, x: mx.array, y: mx.array) -> mx.array:
        return mx.matmul(x, y, stream=_STREAM)

    def scaled_dot_product_attention(
        self, q: mx.array, k: mx.array, v: mx.array, scale: float, mask: Literal["causal"] | mx.array | None
    ) -> mx.array:
        shape = (*q.shape[:3], v.shape[3])
        if math.prod(shape) == 0:
            # MLX refuses to group no query heads.
            return mx.zeros(shape, q.dtype, stream=_STREAM)
        # On the CPU MLX rounds scores and weights to half precision: 1.2 times the bound in float16, 1.7 times in
        # bfloat16. In float32 it is within 0.4. Metal's kernels accumulate in float32 by themselves.
        dtype = q.dtype
        if dtype in _HALF and _on_cpu():
            q, k, v = (_as(mx.float32, x) for x in (q, k, v))
            if isinstance(mask, mx.array) and mask.dtype == dtype:
                mask = _as(mx.float32, mask)
        out = mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=mask, stream=_STREAM)
        return _as(dtype, out)

    # -- activations: the formulas of mlx.nn, which wraps them in mx.compile and so needs a C++ compiler at run time --
    def silu(self, x: mx.array) -> mx.array:
        return mx.multiply(x, mx.sigmoid(x, stream=_STREAM), stream=_STREAM)

    def gelu(self, x: mx.array, approx: GeluApprox) -> mx.array:
        with _on_stream():
            return _GELU[approx](x)

    # -- softmax, mask, norms, positions --------------------------------------------------------------------------
    def softmax(self, x: mx.array, axes: Axes, precise: bool) -> mx.array:
        # In half precision MLX on the CPU adds up in half precision: 2.4 times the bound for rows of 1e5 float16,
        # 1.6 times for rows of 1000 bfloat16. With precise=True it is within 0.5.
        if x.size == 0:
            return x
        return mx.softmax(x, axis=axes, precise=precise or x.dtype in _HALF, stream=_STREAM)

    def causal_mask(self, q_len: int, kv_len: int, dtype: DType) -> mx.array:
        theirs = _TO_MLX[dtype]
        with _on_stream():
            hidden = mx.arange(kv_len) > mx.arange(q_len)[:, None] + (kv_len - q_len)
            return mx.where(hidden, mx.array(mx.finfo(theirs).min, theirs), mx.array(0, theirs))

    def rms_norm(self, x: mx.array, weight: mx.array | None, eps: float) -> mx.array:
        if x.size == 0:
            return x
        return _as(x.dtype, mx.fast.rms_norm(x, weight, eps, stream=_STREAM))

    def layer_norm(self, x: mx.array, weight: mx.array | None, bias: mx.array | None, eps: float) -> mx.array:
        if x.size == 0:
            return x
        return _as(x.dtype, mx.fast.layer_norm(x, weight, bias, eps, stream=_STREAM))

    def rope(
        self,
        x: mx.array,
        dims: int,
        traditional: bool,
        base: float,
        scale: float,
        offset: int | mx.array,
        freqs: mx.array | None,
    ) -> mx.array:
        if x.size == 0:
            return x
        # In half precision MLX on the CPU rounds cosine and sine before it multiplies: 1.2 times the float16 bound
        # at 2000 positions. In float32 it is within 0.5. It also wants at least three dimensions.
        dtype, shape = x.dtype, x.shape
        wide = _as(mx.float32, x) if _on_cpu() else x
        if len(shape) == 2:
            wide = mx.reshape(wide, (1, *shape), stream=_STREAM)
        turned = mx.fast.rope(
            wide,
            dims,
            traditional=traditional,
            base=base if freqs is None else None,
            scale=scale,
            offset=offset,
            freqs=freqs,
            stream=_STREAM,
        )
        return _as(dtype, turned if len(shape) > 2 else mx.reshape(turned, shape, stream=_STREAM))

    # -- reductions -----------------------------------------------------------------------------------------------
    def sum(self, x: mx.array, axes: Axes, keepdims: bool) -> mx.array:
        if x.size == 0:
            return mx.zeros(_reduced(x.shape, axes, keepdims), x.dtype, stream=_STREAM)
        return mx.sum(x, axis=axes, keepdims=keepdims, stream=_STREAM)

    def mean(self, x: mx.array, axes: Axes, keepdims: bool) -> mx.array:
        if x.size == 0:
            return mx.full(_reduced(x.shape, axes, keepdims), math.nan, x.dtype, stream=_STREAM)
        # In half precision MLX rounds the sum before it divides: inf for a mean of 1e5 float16 around 5.
        return _as(x.dtype, mx.mean(_as(mx.float32, x), axis=axes, keepdims=keepdims, stream=_STREAM))

    def max(self, x: mx.array, axes: Axes, keepdims: bool) -> mx.array:
        return mx.max(x, axis=axes, keepdims=keepdims, stream=_STREAM)

    # -- shape ops ------------------------------------------------------------------------------------------------
    def reshape(self, x: mx.array, shape: Shape) -> mx.array:
        return mx.reshape(x, shape, stream=_STREAM)

    def transpose(self, x: mx.array, axes: Axes) -> mx.array:
        return mx.transpose(x, axes, stream=_STREAM)

    def broadcast_to(self, x: mx.array, shape: Shape) -> mx.array:
        return mx.broadcast_to(x, shape, stream=_STREAM)


def _as(dtype: mx.Dtype, x: mx.array) -> mx.array:
    return x if x.dtype == dtype else x.astype(dtype, stream=_STREAM)


def _reduced(shape: Shape, axes: Axes, keepdims: bool) -> Shape:
    """Shape of a reduction without elements, which MLX is not asked for.

    Reducing an empty axis into a result that is not empty sometimes never returns (mlx 0.32.4, CPU: `sum`, `var` and
    `fast.layer_norm` of shapes (3, 0) and (2, 0, 3), in about one run of the suite in three). Ops along rows have
    nothing to compute there either.
    """
    if keepdims:
        return tuple(1 if axis in axes else extent for axis, extent in enumerate(shape))
    return tuple(extent for axis, extent in enumerate(shape) if axis not in axes)


def _backend_error(error: Exception) -> BackendError:
    """What MLX raised, as our own exception."""
    if "There is no Stream" in str(error):
        return BackendError(
            "[mlx] the array is not computed yet, and MLX can compute it only in the thread that built it; "
            "call .eval() (mx.eval for an MLX array) there before another thread uses it."
        )
    return BackendError(f"[mlx] MLX failed: {error}")


_GELU: dict[GeluApprox, Callable[[mx.array], mx.array]] = {
    "none": lambda x: x * (1 + mx.erf(x / math.sqrt(2))) / 2,
    "tanh": lambda x: 0.5 * x * (1 + mx.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "fast": lambda x: x * mx.sigmoid(1.702 * x),
}

BACKEND: Backend = MlxBackend()
