"""The MLX adapter: conversions, threads, and where it departs from MLX's own result."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from isometal import dtypes
from isometal.errors import BackendError
from isometal.optable import OPS

mx = pytest.importorskip("mlx.core", reason="MLX is not installed")
mlx_module = pytest.importorskip("isometal.backends.mlx", reason="MLX is not installed")
mlx = mlx_module.BACKEND

ALL = [*dtypes.BY_NAME.values()]
FLOATING = [dtypes.float32, dtypes.float16, dtypes.bfloat16]
HALF = FLOATING[1:]
INF, NAN = np.inf, np.nan


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def real(x):
    return np.asarray(mlx.to_numpy(x) if isinstance(x, mx.array) else x).astype(np.float64)


def assert_close(op, got, truth, magnitude=None):
    values = mlx.to_numpy(got)
    tolerance = OPS[op].tolerance[values.dtype.name].value
    bound = tolerance * (1 + np.abs(truth) if magnitude is None else magnitude)
    assert values.shape == truth.shape
    error = np.abs(real(values) - truth)
    assert np.all(error <= bound), f"worst {np.nanmax(error / bound)} of the bound"


# -- the way in and out -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_round_trip_of_every_layout(dtype):
    base = np.arange(24).reshape(2, 3, 4).astype(dtype)
    readonly = base.copy()
    readonly.flags.writeable = False
    layouts = [
        base, base.T, base[::-1], base[:, ::-2, ::-1], base[:, 1:, ::2], np.asfortranarray(base), readonly,
        np.broadcast_to(base[:1], (5, 3, 4)), base[:0], base[:, :, :0], base[0, 0, 0, ...],
        base[1, 2, ::-1],
    ]  # fmt: skip
    for values in layouts:
        data = mlx.from_numpy(values)
        back = mlx.to_numpy(data)
        assert isinstance(data, mx.array)
        assert mlx.shape(data) == back.shape == values.shape
        assert mlx.dtype(data) == back.dtype == dtype
        np.testing.assert_array_equal(real(back), real(values))


def test_from_numpy_copies_and_to_numpy_does_not():
    values = np.arange(4, dtype=np.float32)
    data = mlx.from_numpy(values)
    values[0] = 9
    assert mlx.to_numpy(data)[0] == 0
    assert np.shares_memory(mlx.to_numpy(data), mlx.to_numpy(data))


@pytest.mark.parametrize("dtype", FLOATING, ids=str)
def test_views_keep_the_memory_of_mlx_alive(dtype):
    view = mlx.to_numpy(mlx.from_numpy(np.full(100_000, 3, dtype)))
    gc.collect()
    mlx.poison(view.nbytes)
    assert (real(view) == 3).all()


@pytest.mark.parametrize("dtype", FLOATING, ids=str)
def test_bits_survive(dtype, rng):
    # NaN payloads, denormals, signed zeros: the conversion moves bits.
    bits = rng.integers(0, 1 << (8 * dtype.itemsize), 10_000, dtype=f"u{dtype.itemsize}")
    np.testing.assert_array_equal(mlx.to_numpy(mlx.from_numpy(bits.view(dtype))).view(bits.dtype), bits)


def test_dtypes_of_foreign_arrays_have_names():
    for name in ("int8", "uint8", "int16", "uint16", "uint64", "complex64"):
        assert mlx.dtype(mx.zeros((1,), getattr(mx, name))) == np.dtype(name)
    assert mlx.from_native(np.zeros(1)) is None
    own = mx.zeros((1,))
    assert mlx.from_native(own) is own


def test_device_is_the_default_device_of_mlx():
    device = mlx.device()
    on_cpu = mx.default_device() == mx.Device(mx.cpu)
    assert device["kind"] == "host-cpu" if on_cpu else device["kind"] in {"apple-gpu", "apple-paravirtual", "gpu"}
    assert all(device[key] for key in ("name", "family", "os"))


POISON_PROBE = """
import sys, numpy as np, mlx.core as mx
from isometal.backends.mlx import BACKEND as mlx

size, original, dirty = int(sys.argv[1]), mx.full, set()
x = mlx.from_numpy(np.ones(size // 4, np.float32))
mlx.eval(x)

def remember(*args, **rest):
    block = original(*args, **rest)
    mlx.eval(block)
    dirty.add(np.asarray(block).ctypes.data)
    return block

mx.full = remember
hits = 0
for _ in range(20):
    dirty.clear()
    mlx.poison(size)
    hits += mlx.to_numpy(mlx.negative(x)).ctypes.data in dirty
print(hits)
"""


@pytest.mark.parametrize("size", [16, 4096, 1 << 18, 4 << 20])
def test_poison_reaches_the_next_output(size):
    # In a process of its own: in one that has run hundreds of tests the heap has holes that come first.
    run = subprocess.run([sys.executable, "-c", POISON_PROBE, str(size)], capture_output=True, text=True, check=True)
    assert int(run.stdout) >= 10


# -- threads ----------------------------------------------------------------------------------------------------------

needs_shared_stream = pytest.mark.skipif(
    mlx_module._STREAM is None, reason="this device or MLX version has no stream that threads may share"
)


def in_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


@needs_shared_stream
def test_arrays_built_in_one_thread_are_read_in_another():
    def build():
        x = mlx.from_numpy(np.arange(6, dtype=np.float32).reshape(2, 3))
        y = mlx.getitem(mlx.gelu(mlx.add(x, x), "none"), (1, slice(None, None, -1)))
        return mlx.matmul(mlx.softmax(x, (1,), False), y)

    lazily = in_thread(build)
    np.testing.assert_array_equal(mlx.to_numpy(lazily), mlx.to_numpy(build()))


@needs_shared_stream
def test_many_threads_evaluate_one_array():
    x = mlx.from_numpy(np.ones((64, 64), np.float32))
    for _ in range(30):
        shared = x
        for _ in range(20):
            shared = mlx.add(shared, x)
        start = threading.Barrier(6)

        def read(shared=shared, start=start):
            start.wait()
            return mlx.to_numpy(mlx.multiply(shared, x))[0, 0]

        with ThreadPoolExecutor(6) as pool:
            assert [future.result() for future in [pool.submit(read) for _ in range(6)]] == [21.0] * 6


@needs_shared_stream
def test_the_stream_outlives_the_thread_that_loaded_the_backend():
    script = """if True:
        import threading
        import numpy as np
        from isometal import selection
        def load():
            global x
            backend = selection.get("mlx")
            x = backend.add(*2 * [backend.from_numpy(np.ones(3, np.float32))])
        thread = threading.Thread(target=load); thread.start(); thread.join()
        backend = selection.get("mlx")
        assert backend.to_numpy(backend.add(x, x)).tolist() == [4, 4, 4]
    """
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_work_deferred_to_another_threads_own_stream_is_an_error_that_says_what_to_do():
    foreign = in_thread(lambda: mx.add(mx.ones((2,)), 1))
    try:
        assert mlx.to_numpy(foreign).tolist() == [2, 2]  # MLX versions whose default stream is shared
    except BackendError as error:
        assert str(error).startswith("[mlx] the array is not computed yet")  # noqa: PT017
        assert ".eval()" in str(error)  # noqa: PT017


# -- where MLX by itself differs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", HALF, ids=str)
def test_norms_keep_the_dtype_of_x(dtype):
    x, weight = (mlx.from_numpy(np.ones(4, kind)) for kind in (dtype, np.float32))
    assert mlx.dtype(mlx.rms_norm(x, weight, 1e-5)) == dtype
    assert mlx.dtype(mlx.layer_norm(x, weight, weight, 1e-5)) == dtype


@pytest.mark.parametrize("dtype", FLOATING, ids=str)
def test_rope_of_two_dimensions_is_that_of_three(dtype, rng):
    x = rng.standard_normal((5, 8)).astype(dtype)
    flat = mlx.rope(mlx.from_numpy(x), 6, True, 100.0, 0.5, 3, None)
    deep = mlx.rope(mlx.from_numpy(x[None]), 6, True, 100.0, 0.5, 3, None)
    assert mlx.shape(flat) == (5, 8)
    np.testing.assert_array_equal(real(flat), real(deep)[0])


@pytest.mark.parametrize("dtype", HALF, ids=str)
def test_half_precision_is_computed_in_float32(dtype, rng):
    rows = (rng.standard_normal((2, 100_000)) + 5).astype(dtype)
    wide, x = real(rows), mlx.from_numpy(rows)
    assert_close("mean", mlx.mean(x, (1,), False), wide.mean(1), np.abs(wide).mean(1))
    for columns in (1000, 100_000):
        e = np.exp(wide[:, :columns])
        data = mlx.from_numpy(rows[:, :columns])
        assert_close("softmax", mlx.softmax(data, (1,), False), e / e.sum(1, keepdims=True))

    positions = rng.standard_normal((1, 1, 2000, 64)).astype(dtype)
    half = real(positions)[..., :32], real(positions)[..., 32:]
    angle = np.arange(2000)[:, None] * 10000.0 ** (-np.arange(32) / 32)
    turned = [half[0] * np.cos(angle) - half[1] * np.sin(angle), half[0] * np.sin(angle) + half[1] * np.cos(angle)]
    got = mlx.rope(mlx.from_numpy(positions), 64, False, 10000.0, 1.0, 0, None)
    assert_close("rope", got, np.concatenate(turned, -1))

    q, k, v = (rng.standard_normal((1, 2, n, 8)).astype(dtype) for n in (1100, 600, 600))
    mask = rng.standard_normal((1, 1, 1100, 600)).astype(dtype)
    scores = np.exp(real(q) @ real(k).swapaxes(-1, -2) * 0.35 + real(mask))
    got = mlx.scaled_dot_product_attention(*map(mlx.from_numpy, (q, k, v)), 0.35, mlx.from_numpy(mask))
    assert_close("scaled_dot_product_attention", got, scores / scores.sum(-1, keepdims=True) @ real(v))


def test_causal_mask_by_hand():
    low = np.finfo(np.float32).min
    assert real(mlx.causal_mask(2, 3, dtypes.float32)).tolist() == [[0, 0, low], [0, 0, 0]]
    for dtype in FLOATING:
        mask = mlx.to_numpy(mlx.causal_mask(1, 1, dtype))
        assert mask.dtype == dtype
        assert not np.signbit(mask).any()


@pytest.mark.parametrize("dtype", FLOATING, ids=str)
@pytest.mark.parametrize("shape", [(67,), (9, 37), (37, 9), (4, 5, 6)])
def test_max_finds_every_nan(dtype, shape, rng):
    values = rng.standard_normal(shape).astype(dtype)
    axes = [*itertools.chain.from_iterable(itertools.combinations(range(len(shape)), n + 1) for n in range(len(shape)))]
    for position in range(values.size):
        spoiled = values.copy()
        spoiled.reshape(-1)[position] = NAN
        data = mlx.from_numpy(spoiled)
        results = [mlx.max(data, over, False) for over in axes]
        mlx.eval(*results)
        for over, result in zip(axes, results, strict=True):
            np.testing.assert_array_equal(np.isnan(real(result)), np.isnan(real(spoiled)).any(over))


def test_importing_isometal_does_not_import_mlx():
    script = "import sys, isometal; assert not any(name.startswith('mlx') for name in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_no_queries_and_no_batch_entries_are_empty_results():
    q, kv = mlx.from_numpy(np.ones((1, 0, 3, 4), np.float32)), mlx.from_numpy(np.ones((1, 2, 3, 4), np.float32))
    assert mlx.scaled_dot_product_attention(q, kv, kv, 1.0, None).shape == (1, 0, 3, 4)
    x, offsets = mlx.from_numpy(np.ones((0, 3, 4), np.float32)), mlx.from_numpy(np.zeros(0, np.int32))
    assert mlx.rope(x, 4, False, 1e4, 1.0, offsets, None).shape == (0, 3, 4)
