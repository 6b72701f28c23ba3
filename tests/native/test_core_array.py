"""isometal._core.Array: what goes in comes out, without a copy, and nothing hostile gets through."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from isometal import _core

NATIVE = ["float32", "float16", "int32", "int64", "uint32", "bool"]
BIG = 2**62


def counting(shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray[Any, Any]:
    return np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)


def address(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


VIEWS = {
    "whole": lambda a: a,
    "transposed": lambda a: a.T,
    "reversed": lambda a: a[::-1, ::-1, ::-1],
    "strided": lambda a: a[:, 1::2, ::-3],
    "offset": lambda a: a[1:, 2:, 3:],
    "empty": lambda a: a[:, 2:2],
    "scalar": lambda a: a[1, 1, 1],
    "broadcast": lambda a: np.broadcast_to(a, (2, *a.shape)),
}


class TestExchange:
    @pytest.mark.parametrize("dtype", NATIVE)
    @pytest.mark.parametrize("view", VIEWS)
    def test_numpy_round_trip_shares_memory(self, dtype: str, view: str) -> None:
        source = np.asarray(VIEWS[view](counting((3, 4, 5), dtype)))
        array = _core.asarray(source, copy=False)
        assert (array.shape, array.dtype, array.ndim) == (source.shape, dtype, source.ndim)
        assert (array.size, array.nbytes) == (source.size, source.nbytes)
        assert array.readonly is not source.flags.writeable
        if source.size:
            assert array.strides == tuple(s // source.itemsize for s in source.strides)
        # A read-only array cannot be told to consumers that ask for DLPack without a version.
        for back in (np.asarray(array), *([np.from_dlpack(array)] if source.flags.writeable else [])):
            assert back.dtype == source.dtype
            np.testing.assert_array_equal(back, source)
            if source.size:
                assert address(back) == address(source)

    def test_writes_are_seen_on_both_sides(self) -> None:
        source = counting((4,))
        back = np.asarray(_core.asarray(source))
        back[2] = 99
        assert source[2] == 99

    def test_read_only_stays_read_only(self) -> None:
        source = counting((4,))
        source.flags.writeable = False
        array = _core.asarray(source)
        assert array.readonly
        assert not np.asarray(array).flags.writeable
        with pytest.raises(BufferError, match=r"^\[array\] the memory is read-only"):
            array.__dlpack__()
        assert _core.asarray(_Exporter(array, (1, 0)), copy=False).readonly
        assert not _core.asarray(source, copy=True).readonly
        assert "readonly" in repr(array)

    def test_the_buffer_protocol_without_numpy(self) -> None:
        data = bytearray(16)
        array = _core.asarray(memoryview(data).cast("i"))
        assert (array.dtype, array.shape, array.readonly) == ("int32", (4,), False)
        np.asarray(array)[1] = -1
        assert data[4:8] == b"\xff" * 4
        with pytest.raises(BufferError):
            data.append(0)  # the array holds the buffer
        del array
        gc.collect()
        data.append(0)

    @pytest.mark.parametrize("copy", [None, False, True])
    def test_copy_argument(self, copy: bool | None) -> None:
        source = counting((3, 4)).T
        array = _core.asarray(source, copy=copy)
        assert np.shares_memory(np.asarray(array), source) is (copy is not True)
        assert array.is_contiguous is (copy is True)
        again = _core.asarray(array, copy=copy)
        assert np.shares_memory(np.asarray(again), np.asarray(array)) is (copy is not True)

    def test_memory_that_cannot_be_shared_is_copied_or_refused(self) -> None:
        raw = np.zeros(33, np.uint8)
        misaligned = raw[1:].view(np.float32)
        misaligned[:] = np.arange(8)
        fields = np.zeros(4, dtype=[("a", "<f4"), ("b", "<i2")])
        fields["a"] = np.arange(4)
        for source in (misaligned, fields["a"]):
            with pytest.raises(ValueError, match=r"^\[array\] copy=False, but .*; pass copy=None"):
                _core.asarray(source, copy=False)
            array = _core.asarray(source)
            np.testing.assert_array_equal(np.asarray(array), source)
            assert not np.shares_memory(np.asarray(array), source)

    def test_the_producer_lives_as_long_as_a_view(self) -> None:
        class Tracked(np.ndarray[Any, Any]):
            pass

        source = counting((6,)).view(Tracked)
        alive = weakref.ref(source)
        view = _core.asarray(source).slice([slice(4, None, -2)])
        del source
        gc.collect()
        assert alive() is not None
        np.testing.assert_array_equal(np.asarray(view), [4, 2, 0])
        del view
        gc.collect()
        assert alive() is None

    def test_a_numpy_view_keeps_the_array_alive(self) -> None:
        # Freed memory would be caught by the sanitizer build.
        views = [np.asarray(_core.asarray(counting((64,)), copy=True)) for _ in range(8)]
        views += [np.from_dlpack(_core.asarray(counting((64,)), copy=True)) for _ in range(8)]
        gc.collect()
        for view in views:
            np.testing.assert_array_equal(view, np.arange(64))

    def test_no_references_leak(self) -> None:
        source = counting((8,))
        before = sys.getrefcount(source)
        for _ in range(50):
            array = _core.asarray(source)
            np.asarray(array)
            array.__dlpack__()
            array.view_bits()
            with pytest.raises(ValueError):
                array.reshape(3)
        del array
        gc.collect()
        assert sys.getrefcount(source) == before


class TestBfloat16:
    def test_bits_in_and_numpy_out(self) -> None:
        source = np.array([[1.5, -2.0], [np.inf, 3.0]], ml_dtypes.bfloat16)
        array = _core.from_bits(source.view(np.uint16), "bfloat16", copy=False)
        assert array.dtype == "bfloat16"
        back = np.asarray(array)
        assert back.dtype == source.dtype
        assert address(back) == address(source)
        np.testing.assert_array_equal(back, source)
        np.testing.assert_array_equal(np.asarray(array.transpose()), source.T)

    def test_view_bits_shows_the_width(self) -> None:
        for dtype, bits in {"bfloat16": "H", "float16": "H", "float32": "I", "int64": "Q", "bool": "B"}.items():
            view = _core.empty((2, 3), dtype).transpose().view_bits()
            assert (view.format, view.shape, view.readonly) == (bits, (3, 2), False)
        assert np.asarray(_core.asarray(np.float32([1.0])).view_bits())[0] == 0x3F800000

    def test_buffer_protocol_refuses_instead_of_guessing(self) -> None:
        with pytest.raises(BufferError, match=r"^\[array\] the buffer protocol has no bfloat16; use view_bits"):
            memoryview(_core.empty((2,), "bfloat16"))

    def test_array_method_converts(self) -> None:
        array = _core.from_bits(np.array([0x3F80], np.uint16), "bfloat16")
        assert np.asarray(array, dtype=np.float32).tolist() == [1.0]
        assert not np.shares_memory(np.array(array), np.asarray(array))
        with pytest.raises(ValueError, match=r"^\[array\] copy=False, but bfloat16 to .* needs a copy"):
            array.__array__(np.float32, copy=False)

    def test_bits_must_have_the_width(self) -> None:
        with pytest.raises(TypeError, match=r"^\[array\] elements float32 of 4 bytes are not the bits of bfloat16"):
            _core.from_bits(np.zeros(2, np.float32), "bfloat16")
        with pytest.raises(TypeError, match=r"float64 is not supported"):
            _core.from_bits(np.zeros(2), "float64")

    def test_unusable_dtype_says_what_to_do(self) -> None:
        with pytest.raises(TypeError, match=r"^\[array\] cannot read ndarray: .*from_bits"):
            _core.asarray(np.zeros(2, ml_dtypes.bfloat16))


class TestMlx:
    @pytest.mark.parametrize("dtype", [*NATIVE, "bfloat16"])
    def test_mlx_memory_is_shared(self, dtype: str) -> None:
        mx = pytest.importorskip("mlx.core", reason="MLX is not installed")
        source = mx.array([[1, 0, 3], [4, 5, 0]]).astype(getattr(mx, "bool_" if dtype == "bool" else dtype))
        array = _core.asarray(source.T, copy=False)
        assert (array.dtype, array.shape, array.strides) == (dtype, (3, 2), (1, 3))
        assert np.asarray(array).astype(np.float32).tolist() == source.T.astype(mx.float32).tolist()


class TestViews:
    @pytest.fixture
    def source(self) -> np.ndarray[Any, Any]:
        return counting((3, 4, 5), "int32")

    @pytest.mark.parametrize("axes", [None, (0, 1, 2), (2, 0, 1), (-1, -3, -2)])
    def test_transpose(self, source: np.ndarray[Any, Any], axes: tuple[int, ...] | None) -> None:
        view = np.asarray(_core.asarray(source).transpose(axes))
        np.testing.assert_array_equal(view, source.transpose(axes))
        assert np.shares_memory(view, source)

    @pytest.mark.parametrize(
        "slices",
        [
            (slice(None), slice(None), slice(None)),
            (slice(None, None, -1), slice(1, -1), slice(4, None, -2)),
            (slice(-100, 100), slice(100, -100, -3), slice(2, 1)),
            (slice(None, None, 10**30), slice(None, None, -(10**30)), slice(-(10**30), 10**30)),
        ],
    )
    def test_slice_is_python_slicing(self, source: np.ndarray[Any, Any], slices: tuple[slice, ...]) -> None:
        array = _core.asarray(source).slice(slices)
        np.testing.assert_array_equal(np.asarray(array), source[slices])
        assert np.shares_memory(np.asarray(array), source) is (array.size > 0)

    def test_broadcast(self, source: np.ndarray[Any, Any]) -> None:
        array = _core.asarray(source[:, :1]).broadcast_to((2, 3, 4, 5))
        assert array.strides == (0, 20, 0, 1)
        np.testing.assert_array_equal(np.asarray(array), np.broadcast_to(source[:, :1], (2, 3, 4, 5)))

    def test_reshape_views_or_refuses(self, source: np.ndarray[Any, Any]) -> None:
        array = _core.asarray(source)
        assert np.shares_memory(np.asarray(array.reshape((6, 10))), source)
        assert array.reshape(60).shape == (60,)
        turned = array.transpose()
        with pytest.raises(ValueError, match=r"^\[array\] no view of shape .*; call contiguous\(\) first"):
            turned.reshape(60)
        np.testing.assert_array_equal(np.asarray(turned.contiguous().reshape(60)), source.T.ravel())

    def test_contiguous_copies_only_if_needed(self, source: np.ndarray[Any, Any]) -> None:
        array = _core.asarray(source)
        assert np.shares_memory(np.asarray(array.contiguous()), source)
        dense = array.transpose().contiguous()
        assert dense.is_contiguous
        assert not np.shares_memory(np.asarray(dense), source)
        np.testing.assert_array_equal(np.asarray(dense), source.T)

    def test_empty_is_page_aligned(self) -> None:
        arrays = [_core.empty(shape, "float16") for shape in ((), 3, (0, 4), (100, 100))]
        assert [a.shape for a in arrays] == [(), (3,), (0, 4), (100, 100)]
        assert all(address(np.asarray(a)) % 16384 == 0 for a in arrays)
        assert not any(a.readonly for a in arrays)


class TestDlpack:
    def test_protocol_arguments(self) -> None:
        array = _core.asarray(counting((2, 2)))
        assert array.__dlpack_device__() == (1, 0)
        assert '"dltensor"' in repr(array.__dlpack__())
        assert '"dltensor"' in repr(array.__dlpack__(max_version=(0, 8)))
        assert '"dltensor_versioned"' in repr(array.__dlpack__(max_version=(1, 2), dl_device=(1, 0), copy=False))
        for bad in ((2, 0), (1, 1), (1,)):
            with pytest.raises(BufferError, match=r"^\[array\] dl_device"):
                array.__dlpack__(dl_device=bad)
        with pytest.raises(ValueError, match=r"^\[array\] stream is 1"):
            array.__dlpack__(stream=1)
        with pytest.raises(ValueError, match=r"^\[array\] max_version"):
            array.__dlpack__(max_version=(1, 0, 0))
        with pytest.raises(TypeError, match=r"^\[array\] copy is 1"):
            array.__dlpack__(copy=1)

    def test_copy_true_exports_a_copy_and_says_so(self) -> None:
        array = _core.asarray(counting((2, 2)))
        taken = _core.asarray(_Exporter(array, (1, 0), copy=True))
        assert not np.shares_memory(np.asarray(taken), np.asarray(array))
        with pytest.raises(ValueError, match=r"copy=False, but the producer copied"):
            _core.asarray(_Exporter(array, (1, 0), copy=True), copy=False)

    @pytest.mark.parametrize("version", [None, (1, 0)])
    def test_own_capsules_are_read_back(self, version: tuple[int, int] | None) -> None:
        array = _core.asarray(counting((3, 4)))
        view = array.slice([slice(None, None, -1), slice(1, 3)])
        back = _core.asarray(_Exporter(view, version))
        np.testing.assert_array_equal(np.asarray(back), counting((3, 4))[::-1, 1:3])
        assert np.shares_memory(np.asarray(back), np.asarray(array))

    def test_a_capsule_is_taken_once(self) -> None:
        capsule = _core.asarray(counting((2,))).__dlpack__()
        producer = _Raw(lambda: capsule)
        _core.asarray(producer)
        with pytest.raises(TypeError, match=r"^\[array\] __dlpack__ returned PyCapsule"):
            _core.asarray(producer)

    def test_devices_other_than_the_cpu_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"^\[array\] the memory is on DLPack device \(2, 0\)"):
            _core.asarray(_Raw(lambda: None, device=(2, 0)))

    @pytest.mark.parametrize("device", [None, (1,), (1, 0, 0), ("cpu", 0), (10**30, 0), "cpu"])
    def test_devices_that_are_none(self, device: object) -> None:
        with pytest.raises(TypeError, match=r"^\[array\] __dlpack_device__ returned"):
            _core.asarray(_Raw(lambda: None, device=device))

    @pytest.mark.parametrize("result", [None, 3, "dltensor", np.zeros(2)])
    def test_results_that_are_no_capsule(self, result: object) -> None:
        with pytest.raises(TypeError, match=r"^\[array\] __dlpack__ returned"):
            _core.asarray(_Raw(lambda: result))

    def test_errors_of_the_producer_come_through(self) -> None:
        def fail() -> object:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            _core.asarray(_Raw(fail))

    def test_a_producer_from_before_max_version(self) -> None:
        class Old:
            def __dlpack__(self, stream: None = None) -> object:
                return counting((2,)).__dlpack__()

        assert np.asarray(_core.asarray(Old(), copy=False)).tolist() == [0, 1]


class _Exporter:
    """Exports an array in a DLPack version and copy mode of its own choice."""

    def __init__(self, array: _core.Array, version: tuple[int, int] | None, copy: bool | None = None) -> None:
        self._call = lambda: array.__dlpack__(max_version=version, copy=copy)

    def __dlpack__(self, **_: object) -> object:
        return self._call()


class _Raw:
    def __init__(self, call: Any, device: object = (1, 0)) -> None:
        self._call = call
        self._device = device

    def __dlpack__(self, **_: object) -> object:
        return self._call()

    def __dlpack_device__(self) -> object:
        return self._device


class TestHostile:
    @pytest.mark.parametrize(
        ("shape", "error", "message"),
        [
            ((-1,), ValueError, "negative dimension in shape (-1,)"),
            ((BIG, 4), ValueError, "too many elements"),
            ((BIG,), ValueError, "too many bytes"),
            ((BIG, BIG, 0), ValueError, "too many elements"),
            ((2**40,) * 40, ValueError, "at most 32"),
            (range(10**12), ValueError, "at most 32"),
            ((10**30,), ValueError, "beyond 64 bits"),
            ((2.0,), TypeError, "holds 2.0; every entry must be an integer"),
            ("23", TypeError, "must be a sequence of integers"),
            (None, TypeError, "must be a sequence of integers"),
            ({2, 3}, TypeError, "must be a sequence of integers"),
        ],
    )
    def test_shapes(self, shape: Any, error: type[Exception], message: str) -> None:
        array = _core.asarray(counting((1,)))
        for call in (lambda: _core.empty(shape, "float32"), lambda: array.broadcast_to(shape)):
            with pytest.raises(error) as caught:
                call()
            assert str(caught.value).startswith("[array] ")
            assert message in str(caught.value)

    def test_more_memory_than_there_is(self) -> None:
        with pytest.raises(MemoryError, match=r"^\[array\] cannot allocate"):
            _core.empty(2**55, "int32")
        with pytest.raises(MemoryError, match=r"^\[array\] cannot allocate"):
            _core.asarray(counting((1,))).broadcast_to((2**55,)).contiguous()

    @pytest.mark.parametrize(
        ("call", "error"),
        [
            (lambda a: a.transpose((0,)), ValueError),
            (lambda a: a.transpose((0, 0)), ValueError),
            (lambda a: a.transpose((0, 2**70)), ValueError),
            (lambda a: a.transpose("01"), TypeError),
            (lambda a: a.transpose(1), TypeError),
            (lambda a: a.slice([slice(None)]), ValueError),
            (lambda a: a.slice([slice(None, None, 0), slice(None)]), ValueError),
            (lambda a: a.slice([slice("a"), slice(None)]), TypeError),
            (lambda a: a.slice([1, 2]), TypeError),
            (lambda a: a.slice(slice(None)), TypeError),
            (lambda a: a.slice([slice(None)] * 100), ValueError),
            (lambda a: a.reshape((5,)), ValueError),
            (lambda a: a.reshape((-1,)), ValueError),
            (lambda a: a.broadcast_to((3, 2)), ValueError),
            (lambda a: a.broadcast_to(()), ValueError),
            (lambda a: _core.empty((2,), "float64"), TypeError),
            (lambda a: _core.empty((2,), np.float32), TypeError),
            (lambda a: _core.asarray(a, copy="no"), TypeError),
        ],
    )
    def test_arguments(self, call: Any, error: type[Exception]) -> None:
        with pytest.raises(error, match=r"^\[array\] .*; .*\.$"):
            call(_core.asarray(counting((2, 3))))

    @pytest.mark.parametrize(
        "source",
        [
            np.zeros(2),
            np.zeros(2, np.complex64),
            np.zeros(2, ">f4"),
            np.zeros(2, "S4"),
            np.zeros(2, "S0"),
            np.zeros(2, object),
            np.zeros(2, [("a", "f4")]),
            np.zeros(2, "M8[s]"),
            np.ndarray,
            _core.Array,
            [1.0, 2.0],
            "text",
            b"bytes",
            None,
            1.5,
        ],
        ids=repr,
    )
    def test_sources(self, source: object) -> None:
        with pytest.raises(TypeError, match=r"^\[array\] .*; .*\.$|^\[array\] .*; supported: "):
            _core.asarray(source)

    def test_a_sequence_that_fails(self) -> None:
        class Failing:
            def __len__(self) -> int:
                return 2

            def __getitem__(self, index: int) -> int:
                raise RuntimeError("from the sequence")

        with pytest.raises(RuntimeError, match="from the sequence"):
            _core.empty(Failing(), "float32")  # type: ignore[arg-type]

    def test_an_array_is_not_made_by_its_class(self) -> None:
        with pytest.raises(TypeError):
            _core.Array()
        hollow = _core.Array.__new__(_core.Array)
        with pytest.raises(TypeError, match="never initialised"):
            _core.asarray(hollow)
        with pytest.raises(BufferError, match="never initialised"):
            memoryview(hollow)
        # nanobind announces the same of methods with a warning besides the error.
        with pytest.warns(RuntimeWarning), pytest.raises(TypeError):
            hollow.transpose()
