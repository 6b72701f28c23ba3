"""What a backend is: the 20 ops on its own data, and the way in and out.

`Data` is whatever the backend computes on: a `numpy.ndarray`, an `mlx.core.array`, a `_core.Array`. Arguments reach
a backend checked and in one canonical form (see check.py): dtypes already promoted, axes non-negative, sorted and
unique, shapes resolved. A backend therefore holds arithmetic only, no validation.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from isometal.dtypes import DType

Data = Any
NDArray = npt.NDArray[Any]
Shape = tuple[int, ...]
Axes = tuple[int, ...]
GeluApprox = Literal["none", "tanh", "fast"]


class Backend(Protocol):
    """A backend. One object per process, stateless to its callers, safe to call from several threads."""

    name: str
    #: The type of its data: an operand of exactly this type needs no conversion.
    native: type
    #: The device may take float32 and bfloat16 subnormals for zeros, in operands and results (Metal does).
    flushes_subnormals: bool

    # -- the way in and out ---------------------------------------------------------------------------------------
    def device(self) -> Mapping[str, str]:
        """What runs the ops: ``kind`` (host-cpu, apple-gpu, software, ...), ``name``, ``family``, ``os``."""

    def from_numpy(self, array: NDArray, *, copy: bool | None = None) -> Data:
        """Data of the same shape and dtype (a supported one), any strides.

        copy: True never shares memory with the array, False always does where the backend can at all (the caller
        looks; ShapeError where the backend knows better why not), None does what is best here.
        """

    def from_native(self, obj: object) -> Data | None:
        """``obj`` where it is data of this backend, or in its memory, of any dtype; else None. Never copies."""

    def to_numpy(self, data: Data) -> NDArray:
        """Values as a NumPy array, without a copy where possible; bfloat16 as ml_dtypes. Waits for the result."""

    def shape(self, data: Data) -> Shape: ...
    def dtype(self, data: Data) -> DType: ...
    def astype(self, data: Data, dtype: DType) -> Data: ...
    def getitem(self, data: Data, index: tuple[int | slice | None, ...]) -> Data:
        """Basic indexing; integers are in range and every axis is named."""

    def eval(self, *data: Data) -> None:
        """Wait until the data are computed. Errors of deferred work surface here, as BackendError."""

    def poison(self, nbytes: int) -> None:
        """Fill memory that the next output of ``nbytes`` is likely to reuse with 0xFF bytes (NaN in every float).

        The parity engine calls it before each run, so that an op that leaves elements unwritten cannot pass by
        finding an earlier run's right answer.
        """

    # -- elementwise: x and y have one dtype, shapes broadcast ------------------------------------------------------
    def add(self, x: Data, y: Data) -> Data: ...
    def subtract(self, x: Data, y: Data) -> Data: ...
    def multiply(self, x: Data, y: Data) -> Data: ...
    def divide(self, x: Data, y: Data) -> Data:
        """Floating only: integers arrive converted to float32."""

    def negative(self, x: Data) -> Data: ...

    # -- floating only from here ----------------------------------------------------------------------------------
    def matmul(self, x: Data, y: Data) -> Data:
        """As np.matmul, 1-D operands and broadcast batch dims included; one dtype; accumulates in float32."""

    def silu(self, x: Data) -> Data: ...
    def gelu(self, x: Data, approx: GeluApprox) -> Data: ...
    def softmax(self, x: Data, axes: Axes, precise: bool) -> Data: ...
    def causal_mask(self, q_len: int, kv_len: int, dtype: DType) -> Data: ...
    def rms_norm(self, x: Data, weight: Data | None, eps: float) -> Data:
        """weight may have another floating dtype than x; the result has x's."""

    def layer_norm(self, x: Data, weight: Data | None, bias: Data | None, eps: float) -> Data: ...
    def rope(
        self,
        x: Data,
        dims: int,
        traditional: bool,
        base: float,
        scale: float,
        offset: int | Data,
        freqs: Data | None,
    ) -> Data:
        """x (..., T, D), at least 2-D. offset: an int, or int32 data of shape (x.shape[0],) where x is at least 3-D.

        freqs: float32 data of shape (dims // 2,) that replaces base: the angle is position * scale / freqs.
        """

    # -- reductions and shape ops: every dtype ----------------------------------------------------------------------
    def sum(self, x: Data, axes: Axes, keepdims: bool) -> Data: ...
    def mean(self, x: Data, axes: Axes, keepdims: bool) -> Data: ...
    def max(self, x: Data, axes: Axes, keepdims: bool) -> Data: ...
    def reshape(self, x: Data, shape: Shape) -> Data: ...
    def transpose(self, x: Data, axes: Axes) -> Data:
        """axes: a permutation of range(ndim)."""

    def broadcast_to(self, x: Data, shape: Shape) -> Data: ...

    # -- attention ------------------------------------------------------------------------------------------------
    def scaled_dot_product_attention(
        self, q: Data, k: Data, v: Data, scale: float, mask: Literal["causal"] | Data | None
    ) -> Data:
        """q, k, v of one dtype, 4-D. mask: None, "causal", or 4-D data (bool, or additive of q's dtype)
        whose shape broadcasts to (B, Hq, Tq, Tkv)."""


def host_os() -> str:
    """Operating system and version, for device descriptions."""
    import platform

    return platform.platform(aliased=True, terse=False)


@functools.cache
def _keep_freed_memory() -> None:
    """Make glibc keep up to 64 MiB of freed memory, and take blocks up to 32 MiB from it, as from now on it does.

    Freeing a block that came from the system sets both thresholds by its size: M_MMAP_THRESHOLD in mallopt(3).
    """
    np.empty((32 << 20) - (64 << 10), np.uint8)


def poison_heap(nbytes: int) -> None:
    """Dirty the C heap with 0xFF bytes, so that the next allocations of ``nbytes`` are handed dirty memory.

    Works below 32 MiB on glibc; larger blocks are fresh zeroed pages that go back to the system when freed. Several
    blocks, for ops that allocate temporaries of their output's size, and because the heap may have several places for
    one; fewer of large ones, which together would be trimmed off the heap.
    """
    _keep_freed_memory()
    size = max(nbytes, 1)
    blocks = [np.full(size, 0xFF, np.uint8) for _ in range(max(1, min(4, (24 << 20) // size)))]
    del blocks
