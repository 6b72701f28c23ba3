"""`Array`: properties, values out, indexing, operators, and exchange with NumPy, DLPack, buffers and MLX."""

from __future__ import annotations

import copy
import pickle
import sys

import ml_dtypes
import numpy as np
import pytest

import isometal as im
from isometal import selection
from isometal.optable import ALL_DTYPES

BACKENDS = selection.available()
VALUES = np.arange(-12, 12).reshape(2, 3, 4)


class Producer:
    """A PyTorch-style producer: DLPack only, with torch's signature, no NumPy protocol and no buffer."""

    def __init__(self, values: np.ndarray, device: tuple[int, int] = (1, 0)) -> None:
        self.values, self.device, self.exported = values, device, 0

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        self.exported += 1
        return self.values.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_properties_and_values(backend: str, dtype: str) -> None:
    x = im.array(VALUES.astype(np.int32), dtype, backend=backend)
    expected = VALUES.astype(np.int32).astype(x.dtype)
    assert (x.shape, x.ndim, x.size, x.backend) == ((2, 3, 4), 3, 24, backend)
    assert x.dtype.name == dtype
    assert x.nbytes == 24 * x.dtype.itemsize
    assert x.numpy().dtype == x.dtype
    np.testing.assert_array_equal(x.numpy(), expected)
    assert x.tolist() == expected.astype(np.float64 if dtype == "bfloat16" else x.dtype).tolist()
    assert type(x.tolist()[0][0][0]) in (float, int, bool)
    assert x.T.shape == (4, 3, 2)
    assert len(x) == 2
    assert [row.shape for row in x] == [(3, 4), (3, 4)]


def test_shapes_without_elements_or_axes(backend: str) -> None:
    empty = im.array(np.zeros((0, 3), np.float32), backend=backend)
    assert (empty.shape, empty.size, empty.tolist()) == ((0, 3), 0, [])
    scalar = im.array(2.5, backend=backend)
    assert (scalar.shape, scalar.item(), float(scalar), int(scalar), bool(scalar)) == ((), 2.5, 2.5, 2, True)
    with pytest.raises(im.DTypeError, match="0-d array has no length"):
        len(scalar)
    with pytest.raises(im.ShapeError, match=r"\[item\] the array has 0 elements"):
        empty.item()


def test_repr_shows_values_dtype_and_backend(backend: str) -> None:
    x = im.array([[1.5, 2.0], [3.0, -4.0]], "bfloat16", backend=backend)
    assert repr(x) == f"array([[ 1.5,  2. ],\n       [ 3. , -4. ]], dtype=bfloat16, backend={backend})"


def test_numpy_view_is_read_only_and_shares_memory(backend: str) -> None:
    x = im.array(np.arange(6, dtype=np.float32), backend=backend).eval()
    view = x.numpy()
    assert np.shares_memory(view, x.numpy())
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1


def test_cpu_shares_memory_with_numpy() -> None:
    values = np.arange(6, dtype=np.float32)
    assert np.shares_memory(im.array(values, backend="cpu").numpy(), values)
    assert not np.shares_memory(im.array(values, backend="cpu", copy=True).numpy(), values)
    assert np.shares_memory(im.array(values, backend="cpu", copy=False).numpy(), values)


def test_copy_true_shares_nothing_whatever_the_backend(backend: str) -> None:
    values = np.arange(4, dtype=np.float32)
    x = im.array(values, backend=backend, copy=True)
    values[:] = 7
    assert x.tolist() == [0, 1, 2, 3]
    assert not np.shares_memory(im.array(x, copy=True).numpy(), x.numpy())


def test_copy_none_shares_on_cpu_and_copies_elsewhere(backend: str) -> None:
    values = np.arange(4, dtype=np.float32)
    x = im.array(values, backend=backend)
    assert np.shares_memory(x.numpy(), values) is (backend == "cpu")
    assert im.array(x)._data is x._data
    assert im.array(x, copy=False)._data is x._data


@pytest.mark.parametrize("other", ["mlx", "metal"])
def test_copy_false_never_copies_to_another_backend(other: str) -> None:
    if other not in BACKENDS:
        pytest.skip(f"{other} cannot run here: {selection.unavailable(other)}")
    with pytest.raises(im.ShapeError, match="copy=False forbids"):
        im.array(np.arange(3, dtype=np.float32), backend=other, copy=False)
    with pytest.raises(im.ShapeError, match="float64 to float32 needs a copy"):
        im.array(np.zeros(3), backend=other, copy=False)


@pytest.mark.parametrize("call", [lambda v: im.array(v, copy=False, backend="cpu"),
                                  lambda v: im.array(v, "float16", copy=False, backend="cpu")])  # fmt: skip
def test_copy_false_is_an_error_where_a_copy_is_needed(call) -> None:
    with pytest.raises(im.ShapeError, match="copy=False forbids it"):
        call(np.arange(3.0))


@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_dlpack_round_trip(backend: str, dtype: str) -> None:
    x = im.array(VALUES.astype(np.int32), dtype, backend=backend)
    assert x.__dlpack_device__()[0] == 1
    if dtype != "bfloat16":
        np.testing.assert_array_equal(np.from_dlpack(x), x.numpy())
    for target in BACKENDS:
        back = im.array(Producer(np.array(x)) if dtype != "bfloat16" else _OnlyDlpack(x), backend=target)
        assert back.dtype == x.dtype
        np.testing.assert_array_equal(back.numpy().view(np.uint8), x.numpy().view(np.uint8))


class _OnlyDlpack:
    """Hides everything of an Array but DLPack."""

    def __init__(self, x: im.Array) -> None:
        self.x = x

    def __dlpack__(self, **options):
        return self.x.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.x.__dlpack_device__()


def test_dlpack_in_is_zero_copy_on_cpu() -> None:
    producer = Producer(np.arange(6, dtype=np.float32))
    assert np.shares_memory(im.array(producer, backend="cpu").numpy(), producer.values)
    assert producer.exported == 1


def test_dlpack_out_is_zero_copy_and_read_only_memory_is_copied() -> None:
    values = np.arange(6, dtype=np.float32)
    assert np.shares_memory(np.from_dlpack(im.array(values, backend="cpu")), values)
    repeated = im.broadcast_to(im.array(values, backend="cpu"), (2, 6))
    exported = np.from_dlpack(_OnlyDlpack(repeated))
    np.testing.assert_array_equal(exported, np.broadcast_to(values, (2, 6)))


def test_dlpack_from_another_device_says_where_it_is() -> None:
    with pytest.raises(im.BackendError, match=r"\[add\] the input lies on DLPack device \(2, 0\); move it to host"):
        im.add(Producer(np.zeros(2, np.float32), device=(2, 0)), 1.0)


def test_a_producer_that_refuses_is_quoted() -> None:
    class Refusing(Producer):
        def __dlpack__(self, **options):
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")

    with pytest.raises(im.DTypeError) as caught:
        im.add(Refusing(np.zeros(2, np.float32)), 1.0)
    assert str(caught.value) == (
        "[add] the input cannot be read through DLPack: Can't export tensors that require gradient, "
        "use tensor.detach(); convert it to NumPy first."
    )


@pytest.mark.skipif("mlx" not in BACKENDS, reason="MLX is not installed")
@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_mlx_arrays_in_and_out(dtype: str) -> None:
    import mlx.core as mx

    theirs = mx.array(VALUES.astype(np.int32)).astype(getattr(mx, "bool_" if dtype == "bool" else dtype))
    ours = im.array(theirs, backend="mlx")
    assert ours._data is theirs
    on_cpu = im.array(theirs, backend="cpu")
    assert on_cpu.dtype == ours.dtype
    np.testing.assert_array_equal(on_cpu.numpy(), ours.numpy())
    np.testing.assert_array_equal(ours.to("cpu").numpy(), on_cpu.numpy())
    assert on_cpu.to("mlx").backend == "mlx"
    # MLX reads an Array too.
    assert mx.array_equal(mx.array(np.asarray(ours.astype("float32"))), theirs.astype(mx.float32))


@pytest.mark.skipif("mlx" not in BACKENDS, reason="MLX is not installed")
def test_mlx_dtypes_that_we_do_not_take() -> None:
    import mlx.core as mx

    for dtype in (mx.int8, mx.uint64, mx.complex64):
        for backend in BACKENDS:
            name = str(dtype).rpartition(".")[2]
            with pytest.raises(im.DTypeError, match=rf"\[array\] dtype {name} is not supported; supported: "):
                im.array(mx.zeros(2, dtype), backend=backend)


@pytest.mark.parametrize(
    "obj",
    [
        bytearray(np.arange(4, dtype=np.int32).tobytes()),
        memoryview(np.arange(4, dtype=np.int32)),
        [[1, 2], [3, 4]],
        (1.0, 2.0),
        [np.float32(1), np.float32(2)],
        np.float16(3),
        True,
    ],
    ids=lambda o: type(o).__name__,
)
def test_array_likes(backend: str, obj: object) -> None:
    if isinstance(obj, bytearray):
        with pytest.raises(im.DTypeError, match="dtype uint8 is not supported"):
            im.array(obj, backend=backend)
        return
    np.testing.assert_array_equal(im.array(obj, backend=backend).numpy(), np.asarray(obj))


@pytest.mark.parametrize("make", [lambda v: v[::-1], lambda v: v.T, lambda v: v[:, ::2], np.asfortranarray,
                                  lambda v: v.astype(">i4"), lambda v: np.broadcast_to(v[:1], v.shape)])  # fmt: skip
def test_any_strides_and_byte_order_come_in(backend: str, make) -> None:
    values = make(np.arange(12, dtype=np.int32).reshape(3, 4))
    x = im.array(values, backend=backend)
    assert x.dtype == np.int32
    np.testing.assert_array_equal(x.numpy(), values)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python classes export buffers from 3.12 on (PEP 688)")
def test_buffer_protocol(backend: str) -> None:
    x = im.array(VALUES.astype(np.float32), backend=backend)
    assert memoryview(x).shape == (2, 3, 4)
    assert memoryview(x).readonly
    assert memoryview(im.array([1.0], "bfloat16", backend=backend)).format == "H"


INDICES = [
    0, -1, (1, 2), (slice(None), 1), (Ellipsis, -2), (None, 0), slice(None, None, -1),
    (slice(1, None), slice(None, 0, -2)),
    (0, Ellipsis, None, slice(5, 1)), (1, 2, 3), Ellipsis, (slice(-100, 100),), np.int64(1),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_basic_indexing(backend: str, index: object) -> None:
    x = im.array(VALUES.astype(np.float32), backend=backend)
    np.testing.assert_array_equal(x[index].numpy(), VALUES.astype(np.float32)[index])


@pytest.mark.parametrize(
    ("index", "kind", "text"),
    [
        (2, im.ShapeError, "[index] index 2 is out of range for axis 0 of size 2; valid are -2 to 1."),
        ((0, 0, 0, 0), im.ShapeError, "[index] 4 indices for an array of 3 dimensions; give at most 3."),
        ((Ellipsis, Ellipsis), im.ShapeError, "[index] more than one ellipsis; give at most one."),
        (1.0, im.DTypeError, "[index] float is no basic index; use integers, slices, None and an ellipsis."),
        (True, im.DTypeError, "[index] bool is no basic index; use integers, slices, None and an ellipsis."),
        ([0, 1], im.DTypeError, "[index] list is no basic index; use integers, slices, None and an ellipsis."),
    ],
    ids=str,
)
def test_indexing_errors(backend: str, index: object, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        im.array(VALUES.astype(np.float32), backend=backend)[index]
    assert str(caught.value) == text


def test_operators_match_numpy(backend: str) -> None:
    a, b = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32), np.array([[5.0, 6.0], [7.0, 8.0]], np.float32)
    x, y = im.array(a, backend=backend), im.array(b, backend=backend)
    pairs = [
        (x + y, a + b), (x - y, a - b), (x * y, a * b), (x / y, a / b), (x @ y, a @ b), (-x, -a),
        (2 + x, 2 + a), (2 - x, 2 - a), (2 * x, 2 * a), (2 / x, np.float32(2) / a), (b + x, b + a), (b @ x, b @ a),
        (np.float32(2) * x, 2 * a), (x.sum(0), a.sum(0)), (x.mean(), a.mean()), (x.max(1), a.max(1)),
        (x.reshape(4), a.reshape(4)), (x.reshape((1, 4)), a.reshape(1, 4)), (x.transpose(1, 0), a.T),
    ]  # fmt: skip
    for ours, expected in pairs:
        assert isinstance(ours, im.Array)
        assert ours.backend == backend
        np.testing.assert_array_equal(ours.numpy(), expected)


def test_numpy_functions_read_arrays(backend: str) -> None:
    x = im.array([1.0, 2.0], backend=backend)
    assert isinstance(np.add(x, x), np.ndarray)
    np.testing.assert_array_equal(np.stack([x, x]), [[1, 2], [1, 2]])
    for function, expected in ((np.sum, 3), (np.mean, 1.5), (np.max, 2)):
        assert float(function(x)) == expected
        with pytest.raises(im.DTypeError, match="dtype and out are NumPy's options"):
            function(x, out=np.zeros((), np.float32))
    assert np.asarray(x, dtype=np.float16).dtype == np.float16
    copied = np.array(x)
    copied[0] = 9
    assert x.tolist() == [1.0, 2.0]


def test_comparison_is_refused_instead_of_wrong(backend: str) -> None:
    x = im.array([1.0], backend=backend)
    for compare in (lambda: x == x, lambda: x != x):
        with pytest.raises(im.DTypeError, match=r"is not an op; compare values with numpy"):
            compare()
    assert len({x, x}) == 1


def test_truth_needs_one_value(backend: str) -> None:
    with pytest.raises(im.ShapeError, match="must have exactly 1"):
        bool(im.array([1, 2], backend=backend))


def test_copies_and_pickles(backend: str) -> None:
    x = im.array(np.arange(3, dtype=np.float32), backend=backend)
    for duplicate in (x.copy(), copy.copy(x), copy.deepcopy(x)):
        np.testing.assert_array_equal(duplicate.numpy(), x.numpy())
        assert not np.shares_memory(duplicate.numpy(), x.numpy())
    with pytest.raises(im.DTypeError, match="arrays are not pickled"):
        pickle.dumps(x)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_astype_rounds_to_nearest_even(backend: str, dtype: str) -> None:
    values = np.array([1 + 2.0**-11, 1 + 3 * 2.0**-11, 1 + 2.0**-8, 1 + 3 * 2.0**-8, 1e6, np.nan, -0.0], np.float32)
    target = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.float16
    with np.errstate(over="ignore"):
        expected = values.astype(target)
    converted = im.array(values, backend=backend).astype(dtype)
    np.testing.assert_array_equal(converted.numpy().astype(np.float32), expected.astype(np.float32))
    assert converted.astype(dtype) is converted


def test_to_moves_and_stays(backend: str) -> None:
    x = im.array([1.0, 2.0], backend=backend)
    assert x.to(backend) is x
    for other in BACKENDS:
        assert x.to(other).backend == other
        assert x.to(other).tolist() == [1.0, 2.0]
    with pytest.raises(im.BackendNameError, match="'gpu' names no backend"):
        x.to("gpu")


@pytest.mark.parametrize("dtype", ["complex64", np.complex64, "f4", None.__class__, np.int8, object(), 3])
def test_dtypes_that_name_nothing(dtype: object) -> None:
    with pytest.raises(im.DTypeError, match=r"\[array\] dtype .* is not supported; supported: float32, float16"):
        im.array([1.0], dtype, backend="cpu")
