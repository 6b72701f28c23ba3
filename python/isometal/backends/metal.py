"""The `metal` backend: our own Metal kernels, on Apple's GPU or on the software Metal device.

Its data are `_core.Array` in memory of the device. Ops return before they are computed; what reads an array waits.
"""

from __future__ import annotations

import atexit
from collections.abc import Mapping
from typing import Literal

import numpy as np

from isometal import _core, devices, dtypes
from isometal.backends.base import Axes, Backend, GeluApprox, NDArray, Shape, host_os
from isometal.dtypes import DType
from isometal.errors import BackendError, ShapeError
from isometal.interchange import DLPACK_METAL

#: Of Apple silicon: what a buffer that uses memory in place must consist of.
_PAGE = 16384
_BFLOAT16_BITS = np.dtype(np.uint16)


class MetalBackend:
    """The 20 ops on `_core.Array`."""

    name = "metal"
    native: type = _core.Array
    flushes_subnormals = True

    def __init__(self) -> None:
        self._metal = devices.open_device()
        info = self._metal.info()
        self._device = {key: str(info[key]) for key in ("kind", "name", "family")} | {"os": host_os()}
        atexit.register(self._metal.shut_down)

    # -- the way in and out ---------------------------------------------------------------------------------------
    def device(self) -> Mapping[str, str]:
        return self._device

    def from_numpy(self, array: NDArray, *, copy: bool | None = None) -> _core.Array:
        """A copy unless ``copy`` is False: work is asynchronous, and what is written afterwards must not reach it."""
        if array.dtype == dtypes.bfloat16:
            host = _core.from_bits(array.view(_BFLOAT16_BITS), "bfloat16")
        else:
            host = _core.asarray(array)
        data = self._metal.adopt(host, in_place=copy is False and array.size > 0)
        if data is None:
            raise ShapeError(
                f"[array] {array.nbytes} bytes at {array.ctypes.data:#x} cannot be used in place on metal, and "
                f"copy=False forbids a copy; they must fill whole pages of {_PAGE} bytes from a page on."
            )
        return data

    def from_native(self, obj: object) -> _core.Array | None:
        """Also what another library exports from a Metal buffer by DLPack, in place."""
        if isinstance(obj, _core.Array):
            return obj if self._metal.holds(obj) else None
        if not _exports_metal(obj):
            return None
        try:
            return self._metal.from_dlpack(obj)
        except (BackendError, ShapeError):
            # Another device's, private to it, or on the host after all: what the way through NumPy makes of it counts.
            return None

    def to_numpy(self, data: _core.Array) -> NDArray:
        """A view of the device's memory, which it keeps alive."""
        # The buffer protocol could tell of a failure as a BufferError only.
        data.wait()
        return np.asarray(data)

    def shape(self, data: _core.Array) -> Shape:
        return data.shape

    def dtype(self, data: _core.Array) -> DType:
        return dtypes.BY_NAME[data.dtype]

    def astype(self, data: _core.Array, dtype: DType) -> _core.Array:
        return self._metal.astype(data, dtypes.NAME_OF[dtype])

    def getitem(self, data: _core.Array, index: tuple[int | slice | None, ...]) -> _core.Array:
        """A view."""
        slices = [slice(part, part + 1) if isinstance(part, int) else part for part in index if part is not None]
        view = data.slice(slices)
        lengths = iter(view.shape)
        shape = []
        for part in index:
            if part is None:
                shape.append(1)
            elif isinstance(part, int):
                next(lengths)
            else:
                shape.append(next(lengths))
        return view.reshape(shape)

    def eval(self, *data: _core.Array) -> None:
        for array in data:
            array.wait()

    def poison(self, nbytes: int) -> None:
        """Fill the memory that the next outputs of that size take."""
        self._metal.poison(nbytes)

    # -- elementwise ----------------------------------------------------------------------------------------------
    def add(self, x: _core.Array, y: _core.Array) -> _core.Array:
        return self._metal.add(x, y)

    def subtract(self, x: _core.Array, y: _core.Array) -> _core.Array:
        return self._metal.subtract(x, y)

    def multiply(self, x: _core.Array, y: _core.Array) -> _core.Array:
        return self._metal.multiply(x, y)

    def divide(self, x: _core.Array, y: _core.Array) -> _core.Array:
        return self._metal.divide(x, y)

    def negative(self, x: _core.Array) -> _core.Array:
        return self._metal.negative(x)

    def silu(self, x: _core.Array) -> _core.Array:
        return self._metal.silu(x)

    def gelu(self, x: _core.Array, approx: GeluApprox) -> _core.Array:
        if approx == "none":
            return self._metal.gelu(x)
        return self._metal.gelu_tanh(x) if approx == "tanh" else self._metal.gelu_fast(x)

    def causal_mask(self, q_len: int, kv_len: int, dtype: DType) -> _core.Array:
        return self._metal.causal_mask(q_len, kv_len, dtypes.NAME_OF[dtype])

    # -- matmul ---------------------------------------------------------------------------------------------------
    def matmul(self, x: _core.Array, y: _core.Array) -> _core.Array:
        return self._metal.matmul(x, y)

    # -- softmax, norms, positions --------------------------------------------------------------------------------
    def softmax(self, x: _core.Array, axes: Axes, precise: bool) -> _core.Array:
        """Float32 whatever ``precise``."""
        return self._metal.softmax(x, axes)

    def rms_norm(self, x: _core.Array, weight: _core.Array | None, eps: float) -> _core.Array:
        return self._metal.rms_norm(x, weight, eps)

    def layer_norm(
        self, x: _core.Array, weight: _core.Array | None, bias: _core.Array | None, eps: float
    ) -> _core.Array:
        return self._metal.layer_norm(x, weight, bias, eps)

    def rope(
        self,
        x: _core.Array,
        dims: int,
        traditional: bool,
        base: float,
        scale: float,
        offset: int | _core.Array,
        freqs: _core.Array | None,
    ) -> _core.Array:
        start, starts = (offset, None) if isinstance(offset, int) else (0, offset)
        return self._metal.rope(x, dims, traditional, base, scale, start, starts, freqs)

    # -- reductions -----------------------------------------------------------------------------------------------
    def sum(self, x: _core.Array, axes: Axes, keepdims: bool) -> _core.Array:
        return self._metal.sum(x, axes, keepdims)

    def mean(self, x: _core.Array, axes: Axes, keepdims: bool) -> _core.Array:
        return self._metal.mean(x, axes, keepdims)

    def max(self, x: _core.Array, axes: Axes, keepdims: bool) -> _core.Array:
        return self._metal.max(x, axes, keepdims)

    # -- shape ops: views where the strides allow one -------------------------------------------------------------
    def reshape(self, x: _core.Array, shape: Shape) -> _core.Array:
        return self._metal.reshape(x, shape)

    def transpose(self, x: _core.Array, axes: Axes) -> _core.Array:
        return x.transpose(axes)

    def broadcast_to(self, x: _core.Array, shape: Shape) -> _core.Array:
        return x.broadcast_to(shape)

    # -- attention ------------------------------------------------------------------------------------------------
    def scaled_dot_product_attention(
        self,
        q: _core.Array,
        k: _core.Array,
        v: _core.Array,
        scale: float,
        mask: Literal["causal"] | _core.Array | None,
    ) -> _core.Array:
        if isinstance(mask, str):
            return self._metal.scaled_dot_product_attention(q, k, v, scale, causal=True)
        return self._metal.scaled_dot_product_attention(q, k, v, scale, mask)


def _exports_metal(obj: object) -> bool:
    device = getattr(obj, "__dlpack_device__", None) if not isinstance(obj, np.ndarray) else None
    return device is not None and int(device()[0]) == DLPACK_METAL[0]


BACKEND: Backend = MetalBackend()
