"""
Native core of isometal: array storage, the software Metal device, and facts about the build.
"""

from collections.abc import Callable, Sequence
import os
from typing import Any, Final

from typing_extensions import CapsuleType


def version() -> str: ...

def build_info() -> dict[str, Any]:
    """
    How this binary was built: version, compiler, cxx_standard, build_type, abi, platform, sanitizers,
    default_backend (None unless a release compiled one in).
    """

class Array:
    """
    Typed strided view of shared memory: the storage of the native backend.

    Made by asarray, from_bits and empty. Views share the memory; nothing but contiguous() copies.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def strides(self) -> tuple[int, ...]:
        """In elements; negative or 0 where a view needs it."""

    @property
    def dtype(self) -> str: ...

    @property
    def offset(self) -> int:
        """Elements between the start of the buffer and the first element."""

    @property
    def ndim(self) -> int: ...

    @property
    def size(self) -> int: ...

    @property
    def nbytes(self) -> int: ...

    @property
    def readonly(self) -> bool: ...

    @property
    def is_contiguous(self) -> bool:
        """Row-major without gaps."""

    def transpose(self, axes: Sequence[int] | None = None) -> Array:
        """View with the axes in that order; None reverses them."""

    def reshape(self, shape: int | Sequence[int]) -> Array:
        """View of another shape. ValueError where the strides allow none."""

    def broadcast_to(self, shape: int | Sequence[int]) -> Array:
        """
        View that repeats the array along new axes and axes of size 1, by strides of 0.
        """

    def slice(self, slices: Sequence[slice]) -> Array:
        """View of part of the array: one slice per axis, by Python's rules."""

    def contiguous(self) -> Array:
        """This array if it is contiguous, else a copy that is."""

    def wait(self) -> None:
        """
        Returns when a device has written the elements. Raises BackendError where it failed.
        """

    def view_bits(self) -> memoryview:
        """
        The same memory as unsigned integers of the element's width, for dtypes that a consumer lacks.
        """

    def __dlpack__(self, *, stream: None = None, max_version: tuple[int, int] | None = None, dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> CapsuleType: ...

    def __dlpack_device__(self) -> tuple[int, int]: ...

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """A NumPy array of the same memory; bfloat16 as ml_dtypes.bfloat16."""

    def __repr__(self) -> str: ...

def asarray(obj: Any, *, copy: bool | None = None) -> Array:
    """
    The memory of an object that exports DLPack or the buffer protocol, which it keeps alive.

    copy=None copies only memory that cannot be shared (misaligned), False raises ValueError instead, True always
    copies. A copy is contiguous and writable.
    """

def from_bits(obj: Any, dtype: str, *, copy: bool | None = None) -> Array:
    """
    As asarray, with the elements, whatever their type, taken as the bits of dtype: the way in for bfloat16.
    """

def empty(shape: int | Sequence[int], dtype: str) -> Array:
    """
    Uninitialised contiguous memory, page-aligned, in whole pages of 16 KiB.
    """

class SoftKernel:
    """
    A kernel of the software Metal device whose code is in memory (csrc/soft/kernel_abi.h).
    """

    def __init__(self, address: int, reflection: object, owner: object = None) -> None:
        """
        address: of the abi::Kernel. reflection: an isometal.soft.reflection.KernelReflection, by which dispatches are
        checked. owner: what keeps the code in memory; it lives as long as the kernel does.

        ValidationError where the tables at address break the ABI.
        """

    @property
    def name(self) -> str: ...

    @property
    def site_count(self) -> int: ...

    @property
    def threadgroup_bytes(self) -> int: ...

def soft_dispatch(kernel: SoftKernel, buffers: list[tuple[int, object]], threadgroup_lengths: Sequence[tuple[int, int]], grid: tuple[int, int, int], threadgroup: tuple[int, int, int], grid_is_threads: bool, mode: str = 'fast', seed: int = 0, threads: int = 0) -> None:
    """
    Runs the kernel over the grid, without the GIL, and returns when it is done.

    buffers: (index, object with contiguous memory, which is used in place, or None). threadgroup_lengths: (index,
    bytes). mode: 'fast' or 'shuffled', by seed. threads: OS threads at most; 0 for soft_default_threads().

    ValidationError for what Metal's API validation refuses, HangError for a barrier that not all threads reach,
    KeyboardInterrupt (or what else a signal handler raises) between two threadgroups.
    """

def soft_default_threads() -> int:
    """
    OS threads of a dispatch that does not say: ISOMETAL_SOFT_THREADS, or the processors of this process.

    SoftDeviceError where the variable is no number from 1 to 1024.
    """

def soft_set_compile_service(service: object | None) -> None:
    """
    Makes an isometal.soft.service.Service the one that the C++ device compiles kernels with; None removes it.
    """

def soft_probe_compile_service(metallib: bytes, function: str, constants: dict[int, tuple[str, bytes]]) -> dict[str, Any]:
    """
    For tests: what the C++ device gets when it opens a library and compiles a function.
    """

class MetalSession:
    """
    The Metal device through metal-cpp (csrc/metal_session.h): on this platform the software device. Import
    isometal.soft first: it brings the compiler. Libraries and pipelines are numbers. What Metal refuses raises
    SoftDeviceError; what goes wrong with a command buffer is its outcome.
    """

    def __init__(self) -> None: ...

    @property
    def device_name(self) -> str: ...

    page_bytes: Final[int] = ...
    """
    Buffers begin at a multiple of it and have a multiple of it as their size.
    """

    def load_library(self, metallib: bytes) -> int: ...

    def compile_library(self, source: str) -> int: ...

    def function_names(self, library: int) -> list[str]: ...

    def make_pipeline(self, library: int, function: str, constants: dict[int, tuple[str, bytes]]) -> int:
        """constants: index to type in MSL and bytes."""

    def max_threads(self, pipeline: int) -> int:
        """Threads that a threadgroup may have."""

    def submit(self, launches: list[tuple[int, list[tuple[int, object, int]], list[tuple[int, bytes]], list[tuple[int, int]], tuple[int, int, int], tuple[int, int, int], bool]]) -> int:
        """
        Commits a command buffer and returns its ticket at once. A launch is (pipeline, buffers as (index,
        writable object, offset), bytes for setBytes, threadgroup memory as (index, bytes), grid, threadgroup,
        whether the grid counts threads). The objects' memory is used in place and kept until wait().
        """

    def wait(self, ticket: int) -> tuple[str, int, str, float]:
        """
        Waits for the command buffer: ('completed' or 'error', MTLCommandBufferError, its text, seconds on the device).

        KeyboardInterrupt (or what else a signal handler raises) ends the wait, not the command buffer: the ticket stays
        good, its memory is kept, and a session that goes still waits for it.
        """

class Metal:
    """
    The Metal device of this process, and the ops on it. Arrays that it returns lie in memory of the device; ops return before they are computed.
    """

    def __init__(self, library: Callable[[str, bool], str | os.PathLike[str]]) -> None:
        """
        library(family, bfloat) is the Metal source of a kernel family, or the path of a metallib, for a device
        that has the type bfloat or one that has not. Raises BackendError where there is no device.
        """

    def info(self) -> dict[str, Any]:
        """
        kind (apple-gpu, apple-paravirtual or software), name, family, memory_bytes, bfloat.
        """

    def stats(self) -> dict[str, int]:
        """
        Bytes active, cached and at the peak; allocations and reuses; dispatches, barriers, command buffers.
        """

    def kernel_runs(self) -> list[tuple[str, str, dict[int, bool | int], int]]:
        """
        For tests: family, name and function constants of every kernel that has a pipeline, and how often it has run.
        """

    def adopt(self, array: Array, in_place: bool = False) -> Array | None:
        """
        The array on this device: itself, its memory in place, or a copy. None where in_place is impossible.
        """

    def from_dlpack(self, obj: Any) -> Array:
        """
        The array in a Metal buffer that obj exports by DLPack, device (8, 0), in place. Its producer must have
        finished its work. On the software device only what arrays of this device exported.
        """

    def empty(self, shape: int | Sequence[int], dtype: str) -> Array:
        """Uninitialised and contiguous."""

    def holds(self, array: Array) -> bool:
        """True for an array in memory of this device."""

    def flush(self) -> None:
        """Commit what is encoded; does not wait."""

    def synchronize(self) -> None:
        """Wait for everything. Raises BackendError where it failed."""

    def poison(self, bytes: int) -> None:
        """
        Fill the memory that the next results of so many bytes may take with 0xFF.
        """

    def force(self, family: str, variant: str) -> None:
        """
        For tests: use that variant of a kernel family wherever it can be, '' to undo.
        """

    def shut_down(self) -> None:
        """Wait, and refuse all further work."""

    def set_cache_limit(self, bytes: int) -> None:
        """How many bytes of dead arrays to keep for reuse."""

    def scaled_dot_product_attention(self, q: Array, k: Array, v: Array, scale: float, mask: Array | None = None, causal: bool = False) -> Array: ...

    def contiguous(self, x: Array) -> Array:
        """The array itself where it is contiguous, else a copy that is."""

    def reshape(self, x: Array, shape: int | Sequence[int]) -> Array:
        """A view where the strides allow one, else a copy."""

    def add(self, a: Array, b: Array) -> Array: ...

    def subtract(self, a: Array, b: Array) -> Array: ...

    def multiply(self, a: Array, b: Array) -> Array: ...

    def divide(self, a: Array, b: Array) -> Array: ...

    def negative(self, x: Array) -> Array: ...

    def silu(self, x: Array) -> Array: ...

    def gelu(self, x: Array) -> Array: ...

    def gelu_tanh(self, x: Array) -> Array: ...

    def gelu_fast(self, x: Array) -> Array: ...

    def astype(self, x: Array, dtype: str) -> Array: ...

    def causal_mask(self, q_len: int, kv_len: int, dtype: str) -> Array: ...

    def matmul(self, a: Array, b: Array) -> Array: ...

    def rms_norm(self, x: Array, weight: Array | None, eps: float) -> Array: ...

    def layer_norm(self, x: Array, weight: Array | None, bias: Array | None, eps: float) -> Array: ...

    def rope(self, x: Array, dims: int, traditional: bool, base: float, scale: float, offset: int, offsets: Array | None, freqs: Array | None) -> Array:
        """offsets, one for each batch entry, replace offset."""

    def sum(self, x: Array, axes: Sequence[int], keepdims: bool) -> Array: ...

    def mean(self, x: Array, axes: Sequence[int], keepdims: bool) -> Array: ...

    def max(self, x: Array, axes: Sequence[int], keepdims: bool) -> Array: ...

    def softmax(self, x: Array, axes: Sequence[int]) -> Array: ...
