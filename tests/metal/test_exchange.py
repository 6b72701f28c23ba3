"""Arrays in and out of the Metal backend: in place, by DLPack as host memory and as Metal buffers, lazily."""

from __future__ import annotations

import gc
import mmap
from typing import Any

import numpy as np
import pytest

import isometal as im
from isometal import _core
from isometal.backends.metal import MetalBackend

_PAGE = 16384
_METAL = (8, 0)


def _array(*shape: int) -> im.Array:
    return im.array(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), backend="metal")


def _pages(count: int, dtype: str = "float32") -> np.ndarray[Any, Any]:
    """Memory that a buffer can use in place."""
    memory = np.frombuffer(mmap.mmap(-1, (count + 1) * _PAGE), np.uint8)
    start = -memory.ctypes.data % _PAGE
    return memory[start : start + count * _PAGE].view(dtype)


class OnMetal:
    """Exports an array from its Metal buffer, as PyTorch does its tensors on `mps`."""

    def __init__(self, array: im.Array | _core.Array, **options: Any) -> None:
        self.array, self.options = array, options

    def __dlpack_device__(self) -> tuple[int, int]:
        return _METAL

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**{**options, "dl_device": _METAL, **self.options})


# -- in place ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_whole_pages_are_used_in_place_when_a_copy_is_forbidden(dtype: str) -> None:
    values = _pages(2, dtype)
    x = im.array(values, backend="metal", copy=False)
    assert np.shares_memory(x.numpy(), values)
    # The device reads what the memory holds when the work runs.
    values[3] = 1
    assert im.add(x, x).numpy()[3] == values[3] + values[3]


def test_bfloat16_is_used_in_place() -> None:
    values = _pages(1, "uint16").view(im.bfloat16)
    assert np.shares_memory(im.array(values, backend="metal", copy=False).numpy(), values)


def test_a_view_of_whole_pages_keeps_its_strides() -> None:
    values = _pages(1).reshape(64, 64)
    values[:] = np.arange(4096).reshape(64, 64)
    x = im.array(values.T[::-1], backend="metal", copy=False)
    assert np.shares_memory(x.numpy(), values)
    np.testing.assert_array_equal(im.negative(x).numpy(), -values.T[::-1])


def test_memory_used_in_place_lives_as_long_as_the_device_reads_it() -> None:
    values = _pages(4)
    values[:] = 3
    y = im.multiply(*2 * [im.array(values, backend="metal", copy=False)])
    del values
    gc.collect()
    assert y.numpy().tolist() == [9.0] * (4 * _PAGE // 4)


def test_read_only_memory_stays_read_only() -> None:
    values = _pages(1)
    values.flags.writeable = False
    x = im.array(values, backend="metal", copy=False)
    assert np.shares_memory(x.numpy(), values)
    assert x._data.readonly
    with pytest.raises(BufferError, match="read-only"):
        x.__dlpack__()


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(_pages(2)[1 : 1 + _PAGE // 4], id="not at a page"),
        pytest.param(_pages(2)[: _PAGE // 4 + 1], id="part of a page"),
        pytest.param(np.zeros(3, np.float32), id="small"),
    ],
)
def test_other_memory_is_refused_when_a_copy_is_forbidden(values: np.ndarray[Any, Any]) -> None:
    with pytest.raises(im.ShapeError, match="cannot be used in place on metal, and copy=False forbids a copy"):
        im.array(values, backend="metal", copy=False)
    assert im.array(values, backend="metal").shape == values.shape


def test_nothing_is_shared_without_elements() -> None:
    assert im.array(np.zeros((0, 3), np.float32), backend="metal", copy=False).shape == (0, 3)


# -- DLPack -----------------------------------------------------------------------------------------------------------


def test_host_memory_is_what_dlpack_gives_by_default() -> None:
    x = im.add(_array(4, 5), 1.0)
    assert x.__dlpack_device__() == (1, 0)
    out = np.from_dlpack(x)
    assert np.shares_memory(out, x.numpy())
    np.testing.assert_array_equal(out, np.arange(1, 21).reshape(4, 5))
    # A view goes out with its strides, and the memory lives on.
    out = np.from_dlpack(x.T[::-1, 1:])
    del x
    gc.collect()
    np.testing.assert_array_equal(out, np.arange(1, 21).reshape(4, 5).T[::-1, 1:])


@pytest.mark.parametrize("options", [{}, {"max_version": None}, {"max_version": (1, 1)}])
def test_a_metal_buffer_comes_back_as_the_same_memory(options: dict[str, Any]) -> None:
    x = im.add(_array(4, 5), 1.0)[1:, ::-2]
    back = im.array(OnMetal(x, **options), backend="metal", copy=False)
    assert np.shares_memory(back.numpy(), x.numpy())
    expected = (np.arange(1, 21).reshape(4, 5)[1:, ::-2]).astype(np.float32)
    del x
    np.testing.assert_array_equal(back.numpy(), expected)
    with im.use_backend("metal"):
        np.testing.assert_array_equal(im.negative(OnMetal(back)).numpy(), -expected)


def test_a_copy_for_metal_is_another_buffer() -> None:
    x = _array(6)
    back = im.array(OnMetal(x, copy=True), backend="metal")
    assert not np.shares_memory(back.numpy(), x.numpy())
    assert back.tolist() == x.tolist()
    assert not np.shares_memory(im.array(OnMetal(x), backend="metal", copy=True).numpy(), x.numpy())


def test_metal_tensors_tell_buffer_and_offset() -> None:
    import ctypes

    x = _array(4, 5)
    pointers = []
    for part in (x, x[1:, 2:]):
        capsule = part.__dlpack__(dl_device=_METAL)
        get = ctypes.pythonapi.PyCapsule_GetPointer
        get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        tensor = get(capsule, b"dltensor")
        # data, device type and id, ndim, dtype, shape, strides, byte_offset
        assert (ctypes.c_int32 * 2).from_address(tensor + 8)[:] == [8, 0]
        pointers.append((ctypes.c_void_p.from_address(tensor).value, ctypes.c_uint64.from_address(tensor + 40).value))
    assert pointers[0][0] == pointers[1][0] != x.numpy().ctypes.data
    assert [offset for _, offset in pointers] == [0, 4 * 7]


def test_a_metal_buffer_of_another_device_is_refused() -> None:
    other = MetalBackend()
    theirs = OnMetal(other.from_numpy(np.zeros(4, np.float32)))
    with pytest.raises(im.BackendError, match=r"lies on DLPack device \(8, 0\); move it to host memory first"):
        im.array(theirs, backend="metal")
    with pytest.raises(im.BackendError, match="in a Metal buffer of another library"):
        _core_device()._metal.from_dlpack(theirs)


def test_a_producer_that_says_metal_and_gives_host_memory_is_refused() -> None:
    x = _array(3)
    with pytest.raises(ValueError, match=r"is on DLPack device \(1, 0\), but its producer said Metal"):
        _core_device()._metal.from_dlpack(OnMetal(x, dl_device=(1, 0)))


def test_other_backends_do_not_take_metal_buffers() -> None:
    with pytest.raises(im.BackendError, match=r"\[array\] the input lies on DLPack device \(8, 0\)"):
        im.array(OnMetal(_array(3)), backend="cpu")


def test_host_memory_has_no_metal_buffer() -> None:
    with pytest.raises(BufferError, match="lies in host memory, not in a Metal buffer"):
        _core.asarray(np.zeros(3, np.float32)).__dlpack__(dl_device=_METAL)
    with pytest.raises(BufferError, match="a copy would lie in host memory"):
        _array(3)._data.__dlpack__(dl_device=_METAL, copy=True)
    with pytest.raises(BufferError, match=r"dl_device is \(2, 0\)"):
        _array(3).__dlpack__(dl_device=(2, 0))


def _core_device() -> Any:
    from isometal import selection

    return selection.get("metal")


# -- laziness and views -----------------------------------------------------------------------------------------------


def test_work_is_committed_when_somebody_reads_or_evaluates() -> None:
    metal = _core_device()._metal
    metal.synchronize()
    buffers = metal.stats()["command_buffers"]
    x = _array(8)
    y = im.add(x, x)
    assert metal.stats()["command_buffers"] == buffers
    assert y.shape == (8,)
    assert metal.stats()["command_buffers"] == buffers
    assert y.eval() is y
    assert metal.stats()["command_buffers"] == buffers + 1
    assert y.tolist() == [2.0 * i for i in range(8)]
    z = im.multiply(y, y)
    im.eval(y, z)
    assert metal.stats()["command_buffers"] == buffers + 2
    # Nothing is under way: reading commits nothing.
    assert float(z[1]) == 4
    assert metal.stats()["command_buffers"] == buffers + 2


def test_views_run_no_kernel_and_copy_nothing() -> None:
    metal = _core_device()._metal
    x = im.add(_array(6, 8), 0.0).eval()
    before = metal.stats()
    views = [
        x.T,
        x.transpose(1, 0),
        x.reshape(2, 3, 8),
        x.reshape(-1),
        x.reshape(6, 1, 8).transpose(2, 0, 1),
        im.broadcast_to(x, (4, 6, 8)),
        x[1:4, ::-2],
        x[None, 2],
        x[..., 3],
        x[5:1:-2].T[1:],
        im.array(x),
        x.astype("float32"),
        x.to("metal"),
    ]
    values = [view.numpy() for view in views]
    after = metal.stats()
    for figure in ("dispatches", "command_buffers", "allocations", "reuses", "active_bytes"):
        assert after[figure] == before[figure]
    base = x.numpy()
    assert all(np.shares_memory(value, base) for value in values)
    np.testing.assert_array_equal(values[4], base.reshape(6, 1, 8).transpose(2, 0, 1))
    np.testing.assert_array_equal(values[9], base[5:1:-2].T[1:])


def test_a_reshape_that_no_view_has_is_one_copy() -> None:
    metal = _core_device()._metal
    x = _array(6, 8)
    before = metal.stats()["dispatches"]
    flat = x.T.reshape(-1)
    assert metal.stats()["dispatches"] == before + 1
    np.testing.assert_array_equal(flat.numpy(), x.numpy().T.reshape(-1))
