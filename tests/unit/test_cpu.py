"""The NumPy backend: what is particular to it. The broad sweep over shapes and values is the parity engine's."""

from __future__ import annotations

import gc
import itertools
import math
import subprocess
import sys
import threading
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import numpy as np
import pytest

from isometal import dtypes
from isometal.backends import cpu_attention, cpu_numeric, cpu_rope
from isometal.backends.cpu import BACKEND as cpu
from isometal.optable import OPS

FLOATING = [dtypes.float32, dtypes.float16, dtypes.bfloat16]
INF, NAN = np.inf, np.nan
LOWEST = np.finfo(np.float32).min


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def real(x):
    return np.asarray(x).astype(np.float64)


def assert_close(op, got, truth, magnitude=None):
    """Within the op table's tolerance for the dtype of the result."""
    tolerance = OPS[op].tolerance[got.dtype.name].value
    bound = tolerance * (1 + np.abs(truth) if magnitude is None else magnitude)
    assert type(got) is np.ndarray
    assert got.shape == truth.shape
    error = np.abs(real(got) - truth)
    assert np.all(error <= bound), f"worst {np.nanmax(error / bound)} of the bound"


# -- elementwise ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATING, ids=str)
@pytest.mark.parametrize("op", ["add", "subtract", "multiply", "divide"])
def test_half_precision_is_rounded_once(op, dtype, rng):
    # All magnitudes of the dtype, denormals included; float64 holds enough digits to be rounded once more.
    bits = rng.integers(0, 1 << (8 * dtype.itemsize), (2, 40_000), dtype=f"u{dtype.itemsize}")
    x, y = bits.view(dtype)
    got = getattr(cpu, op)(x, y)
    with np.errstate(all="ignore"):
        wide = getattr(np, op)(real(x), real(y))
        truth = wide.astype(np.float32) if dtype == dtypes.float32 else _round_to(wide, dtype)
    assert got.dtype == dtype
    np.testing.assert_array_equal(real(got), real(truth))


def _round_to(wide, dtype):
    """float64 to half precision in one rounding: to odd in float32 first, which keeps ties apart."""
    near = wide.astype(np.float32)
    inexact = np.isfinite(near) & (near.astype(np.float64) != wide)
    toward = np.where(
        inexact & (np.abs(near.astype(np.float64)) > np.abs(wide)), np.nextafter(near, np.float32(0)), near
    )
    odd = (toward.view(np.uint32) | inexact).view(np.float32)
    return odd.astype(dtype)


def test_special_values_come_without_warnings():
    big, zero = np.array([3e38, -3e38, 0], np.float32), np.zeros(3, np.float32)
    np.testing.assert_array_equal(cpu.add(big, big), [INF, -INF, 0])
    np.testing.assert_array_equal(cpu.multiply(big, big), [INF, INF, 0])
    np.testing.assert_array_equal(cpu.divide(big, zero), [INF, -INF, NAN])
    np.testing.assert_array_equal(cpu.astype(big, dtypes.float16).astype(np.float32), [INF, -INF, 0])
    least = np.array([-(2**31), 2**31 - 1], np.int32)
    np.testing.assert_array_equal(cpu.negative(least), [-(2**31), -(2**31) + 1])
    np.testing.assert_array_equal(cpu.add(least, least), [0, -2])
    np.testing.assert_array_equal(cpu.negative(np.array([1, 0], np.uint32)), [2**32 - 1, 0])


def test_a_callers_error_state_does_not_reach_into_ops():
    x = np.array([3e38, 1e-38], np.float32)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(cpu.multiply(x, x), [INF, 0])
        cpu.silu(x * 1)
        cpu.matmul(x, x)


def test_bool_arithmetic_is_that_of_mlx():
    x, y = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert cpu.add(x, y).tolist() == [True, True, True, False]
    assert cpu.subtract(x, y).tolist() == [False, True, True, False]
    assert cpu.multiply(x, y).tolist() == [True, False, False, False]


@pytest.mark.parametrize("dtype", [*dtypes.BY_NAME.values()], ids=str)
def test_results_are_arrays_of_the_operands_dtype(dtype):
    x = np.ones((), dtype)
    for result in (cpu.add(x, x), cpu.multiply(x, x), cpu.max(x, (), False), cpu.getitem(x.reshape(1), (0,))):
        assert type(result) is np.ndarray
        assert result.dtype == dtype
        assert result.shape == ()


def test_ops_work_inside_an_op_of_the_same_thread():
    # A finaliser may call an op while another runs; the quiet context is entered by then.
    x = np.array([3e38], np.float32)
    assert cpu_numeric.quietly(lambda: cpu.add(x, x))[0] == INF


def test_threads_do_not_share_the_quiet_context():
    x, start = np.full(100_000, 3e38, np.float32), threading.Barrier(4)

    def work():
        start.wait()
        return all(np.isinf(cpu.add(x, x)).all() for _ in range(50))

    with ThreadPoolExecutor(4) as pool:
        assert all(future.result() for future in [pool.submit(work) for _ in range(4)])
    # And what an op turns off stays off only inside it.
    with pytest.raises(RuntimeWarning, match="overflow"):
        np.add(x, x)


# -- activations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATING, ids=str)
def test_gelu_against_erfc(dtype):
    x = np.linspace(-16, 16, 40_001).astype(dtype)
    phi = np.array([math.erfc(-value / math.sqrt(2)) / 2 for value in real(x)])
    assert_close("gelu", cpu.gelu(x, "none"), real(x) * phi)


def test_gelu_keeps_relative_accuracy_in_the_tail():
    x = np.linspace(-12, 8, 40_001).astype(np.float32)
    truth = real(x) * np.array([math.erfc(-value / math.sqrt(2)) / 2 for value in real(x)])
    error = np.abs(real(cpu.gelu(x, "none")) - truth)
    # Rounding a^2 / 2 alone costs a^2 / 2 float32 roundings of the result.
    assert np.all(error <= (1 + np.minimum(real(x), 0) ** 2) * 2.0**-23 * 4 * np.abs(truth))


@pytest.mark.parametrize("op", ["silu", "none", "tanh", "fast"])
def test_activations_at_the_ends(op):
    x = np.array([-INF, -1e30, -0.0, 1e30, INF, NAN], np.float32)
    got = cpu.silu(x) if op == "silu" else cpu.gelu(x, op)
    # MLX has -inf * sigmoid(-inf) = -inf * 0 = NaN.
    np.testing.assert_array_equal(got, np.array([NAN, 0, 0, 1e30, INF, NAN], np.float32))


@pytest.mark.parametrize("size", [0, 1, cpu_numeric.BLOCK - 1, cpu_numeric.BLOCK, cpu_numeric.BLOCK + 1])
@pytest.mark.parametrize("dtype", FLOATING, ids=str)
def test_block_edges(size, dtype, rng):
    x = rng.standard_normal(size).astype(dtype)
    wide = real(x)
    assert_close("silu", cpu.silu(x), wide / (1 + np.exp(-wide)))
    assert_close("silu", cpu.silu(x[::-1]), (wide / (1 + np.exp(-wide)))[::-1])


# -- along rows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(3, cpu_numeric.BLOCK // 2 + 1), (2, 3, 40_000), (70_000, 2), (5, 1), (0, 4), (4, 0)]
)
def test_row_blocks(shape, rng):
    x = (rng.standard_normal(shape) + 3).astype(np.float32)
    weight = rng.standard_normal(shape[-1]).astype(np.float16)
    wide = real(x)
    with np.errstate(all="ignore"):
        scale = 1 / np.sqrt((wide * wide).sum(-1, keepdims=True) / shape[-1] + 1e-5)
        centred = wide - wide.sum(-1, keepdims=True) / shape[-1]
        deviation = np.sqrt((centred * centred).sum(-1, keepdims=True) / shape[-1] + 1e-5)
    assert_close("rms_norm", cpu.rms_norm(x, weight, 1e-5), wide * scale * real(weight))
    assert_close("layer_norm", cpu.layer_norm(x, weight, None, 1e-5), centred / deviation * real(weight))
    e = np.exp(wide)
    assert_close("softmax", cpu.softmax(x, (len(shape) - 1,), False), e / e.sum(-1, keepdims=True))


def test_layer_norm_where_the_mean_is_large(rng):
    x = (rng.standard_normal((4, 1000)) + 1e4).astype(np.float32)
    centred = real(x) - real(x).mean(-1, keepdims=True)
    truth = centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + 1e-5)
    assert_close("layer_norm", cpu.layer_norm(x, None, None, 1e-5), truth)


def test_norms_of_huge_and_special_values_are_those_of_mlx():
    huge = np.full((1, 4), 1e20, np.float32)
    # The squares overflow: 1 / sqrt(inf) = 0.
    np.testing.assert_array_equal(cpu.rms_norm(huge, None, 1e-5), np.zeros((1, 4)))
    special = np.array([[1, INF], [NAN, 1]], np.float32)
    np.testing.assert_array_equal(cpu.rms_norm(special, None, 1e-5), [[0, NAN], [NAN, NAN]])
    np.testing.assert_array_equal(cpu.layer_norm(special, None, None, 1e-5), np.full((2, 2), NAN))


def test_softmax_rows_without_a_finite_maximum():
    x = np.array([[-INF, -INF], [INF, 1], [NAN, 1], [-INF, 1]], np.float32)
    np.testing.assert_array_equal(cpu.softmax(x, (1,), False), [[NAN, NAN], [NAN, NAN], [NAN, NAN], [0, 1]])


@pytest.mark.parametrize("axes", [(), (0,), (1,), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("dtype", FLOATING, ids=str)
def test_softmax_over_any_axes(axes, dtype, rng):
    x = rng.standard_normal((7, 5, 33)).astype(dtype)
    e = np.exp(real(x))
    assert_close("softmax", cpu.softmax(x, axes, True), e / e.sum(axes, keepdims=True))


def test_causal_mask_by_hand():
    low = real(dtypes.bfloat16.type(-3.3895313892515355e38))
    expected = [[0, 0, low, low], [0, 0, 0, low], [0, 0, 0, 0]]
    np.testing.assert_array_equal(real(cpu.causal_mask(3, 4, dtypes.bfloat16)), expected)
    assert cpu.causal_mask(3, 2, dtypes.float32).tolist() == [[LOWEST, LOWEST], [0, LOWEST], [0, 0]]
    assert cpu.causal_mask(0, 2, dtypes.float32).shape == (0, 2)


# -- rope -------------------------------------------------------------------------------------------------------------


def rope_truth(x, dims, traditional, inverse, offset):
    wide = real(x)
    position = np.asarray(offset, np.float64)[..., None] + np.arange(x.shape[-2])
    angle = position[..., None] * inverse
    if np.ndim(offset):
        angle = angle.reshape(len(offset), *(1,) * (x.ndim - 3), *angle.shape[1:])
    half = dims // 2
    a, b = (slice(0, dims, 2), slice(1, dims, 2)) if traditional else (slice(half), slice(half, dims))
    out = wide.copy()
    out[..., a] = wide[..., a] * np.cos(angle) - wide[..., b] * np.sin(angle)
    out[..., b] = wide[..., a] * np.sin(angle) + wide[..., b] * np.cos(angle)
    return out


@pytest.mark.parametrize("length", [0, 1, *(2 * cpu_rope._STRIDE + n for n in (-1, 0, 1, cpu_rope._STRIDE)), 1000])
@pytest.mark.parametrize(("traditional", "dims"), [(False, 8), (True, 8), (False, 6), (True, 2)])
@pytest.mark.parametrize("offset", [0, 1_000_000, np.array([5, 999_000], np.int32)], ids=["0", "1e6", "array"])
def test_rope_angles_at_any_position(length, traditional, dims, offset, rng):
    x = rng.standard_normal((2, 3, length, 8)).astype(np.float32)
    inverse = 10000.0 ** (-np.arange(dims // 2) * 2 / dims)
    got = cpu.rope(x, dims, traditional, 10000.0, 1.0, offset, None)
    assert_close("rope", got, rope_truth(x, dims, traditional, inverse, offset))


def test_rope_scale_and_freqs(rng):
    x = rng.standard_normal((100, 4)).astype(np.float32)
    freqs = np.array([1.5, 70.0], np.float32)
    assert_close("rope", cpu.rope(x, 4, False, 1.0, 0.25, 3, freqs), rope_truth(x, 4, False, 0.25 / real(freqs), 3))


# -- reductions -------------------------------------------------------------------------------------------------------

_RUN = cpu_numeric._RUN


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((_RUN - 1, 3), (0,)),
        ((_RUN + 1, 3), (0,)),
        ((5 * _RUN + 7, 3), (0,)),
        ((3, 40, 50, 2), (1, 2)),
        ((40, 3, 50, 7, 2), (0, 2, 3)),
        ((2, 5000), (0, 1)),
        ((2, 5000), (1,)),
        ((2, 5000), ()),
        ((3, 0), (1,)),
        ((0, 3), (1,)),
    ],
)
@pytest.mark.parametrize("dtype", FLOATING, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_sum_and_mean(shape, axes, dtype, keepdims, rng):
    x = rng.standard_normal(shape).astype(dtype)
    for view, over in ((x, axes), (x.T, tuple(sorted(x.ndim - 1 - axis for axis in axes))), (x[::-1, ::-1], axes)):
        wide = real(view)
        assert_close("sum", cpu.sum(view, over, keepdims), wide.sum(over, keepdims=keepdims),
                     np.abs(wide).sum(over, keepdims=keepdims) + 1e-30)  # fmt: skip
        if wide.size:
            assert_close("mean", cpu.mean(view, over, keepdims), wide.mean(over, keepdims=keepdims),
                         np.abs(wide).mean(over, keepdims=keepdims))  # fmt: skip


def test_long_sums_do_not_drift():
    # All roundings go the same way: one after another, NumPy's own sum is off by 4e-3.
    x = np.full((1 << 20, 2), 0.1, np.float32)
    truth = float(np.float32(0.1)) * (1 << 20)
    assert np.all(np.abs(np.add.reduce(x, axis=0) - truth) > 1e-3 * truth)
    np.testing.assert_allclose(cpu.sum(x, (0,), False), truth, rtol=3e-6)


def test_reductions_of_half_precision_do_not_overflow_inside():
    x = np.full(100_000, 5, np.float16)
    assert cpu.mean(x, (0,), False) == 5
    assert cpu.sum(np.full(3000, 8, dtypes.bfloat16), (0,), False) == 24000


def test_sums_of_integers_wrap_around():
    assert cpu.sum(np.array([2**31 - 1, 1], np.int32), (0,), False) == -(2**31)
    assert cpu.sum(np.array([2**32 - 1, 2], np.uint32), (0,), False).dtype == np.uint32


@pytest.mark.parametrize("dtype", FLOATING, ids=str)
@pytest.mark.parametrize("shape", [(64,), (9, 37), (37, 9)])
def test_max_finds_every_nan(dtype, shape, rng):
    x = rng.standard_normal(shape).astype(dtype)
    for axes in itertools.chain.from_iterable(itertools.combinations(range(x.ndim), n) for n in range(1, x.ndim + 1)):
        np.testing.assert_array_equal(real(cpu.max(x, axes, True)), real(x).max(axes, keepdims=True))
        for position in range(x.size):
            spoiled = x.copy()
            spoiled.reshape(-1)[position] = NAN
            np.testing.assert_array_equal(
                np.isnan(real(cpu.max(spoiled, axes, False))), np.isnan(real(spoiled)).any(axes)
            )


def test_max_of_bool_and_integers():
    assert cpu.max(np.array([[False, True], [False, False]]), (1,), False).tolist() == [True, False]
    assert cpu.max(np.array([1, 2**32 - 1], np.uint32), (0,), False) == 2**32 - 1


# -- matmul -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATING, ids=str)
def test_matmul_of_any_layout(dtype, rng):
    a, b = rng.standard_normal((4, 6, 10)).astype(dtype), rng.standard_normal((4, 10, 8)).astype(dtype)
    pairs = [
        (a[:, ::-1, ::-1], b[:, ::-1]),
        (a[:, ::2, ::2], b[:, ::2, ::3]),
        (a[1:, 1:, 1:], b[1:, 1:, 1:]),
        (np.ascontiguousarray(a.swapaxes(1, 2)).swapaxes(1, 2), np.ascontiguousarray(b.swapaxes(1, 2)).swapaxes(1, 2)),
        (np.broadcast_to(a[:1, :1], (5, 4, 6, 10)), b[0]),
        (np.broadcast_to(a[:1], (4, 6, 10)), np.broadcast_to(b[:1], (4, 10, 8))),
        (np.broadcast_to(a[0, :1], (6, 10)), np.broadcast_to(b[0, :, :1], (10, 8))),
        (a[:, None], b[None, :, :, :1]),
        (a[0, 0, ::-1], b),
        (a, b[0, ::-1, 0]),
        (a[0, 0], b[0, :, 0]),
        (a[:, :, :0], b[:, :0]),
        (a[:0], b[:0]),
        (a[:, :0], b[0]),
    ]
    for x, y in pairs:
        assert_close(
            "matmul", cpu.matmul(x, y), np.matmul(real(x), real(y)), np.matmul(abs(real(x)), abs(real(y))) + 1e-30
        )


# -- attention --------------------------------------------------------------------------------------------------------


def attention_truth(q, k, v, scale, mask):
    group = q.shape[1] // k.shape[1]
    q, k, v = real(q), np.repeat(real(k), group, 1), np.repeat(real(v), group, 1)
    scores = q @ k.swapaxes(-1, -2) * scale
    if isinstance(mask, str):
        scores = np.where(np.tri(*scores.shape[-2:], scores.shape[-1] - scores.shape[-2], dtype=bool), scores, LOWEST)
    elif mask is not None:
        scores = np.where(mask, scores, LOWEST) if mask.dtype == bool else scores + real(mask)
    with np.errstate(all="ignore"):
        e = np.exp(scores - scores.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True) @ v


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 8 keys and 32 scores, so that small operands cross many edges; row by row from 7 keys on."""
    monkeypatch.setattr(cpu_attention, "KEYS", 8)
    monkeypatch.setattr(cpu_attention, "SCORES", 32)
    monkeypatch.setattr(cpu_attention, "LONG", 7)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("dtype", FLOATING, ids=str)
@pytest.mark.parametrize("mask", ["none", "causal", "bool", "additive", "row"])
@pytest.mark.parametrize("group", [1, 3])
def test_attention_block_edges(dtype, mask, group, rng):
    for queries, keys in itertools.product((1, 2, 4, 7, 8, 9, 17), repeat=2):
        q = rng.standard_normal((2, 2 * group, queries, 5)).astype(dtype)
        k = rng.standard_normal((2, 2, keys, 5)).astype(dtype)
        v = rng.standard_normal((2, 2, keys, 3)).astype(dtype)
        held = {
            "none": None,
            "causal": "causal",
            "bool": rng.random((2, 1, queries, keys)) < 0.6,
            "additive": rng.standard_normal((1, 2 * group, queries, keys)).astype(dtype),
            "row": np.where(rng.random((1, 1, 1, keys)) < 0.3, -INF, 0.5).astype(dtype),
        }[mask]
        truth = attention_truth(q, k, v, 0.4, held)
        got = cpu.scaled_dot_product_attention(q, k, v, 0.4, held)
        missing = np.isnan(truth)
        np.testing.assert_array_equal(np.isnan(real(got)), missing)
        assert_close(
            "scaled_dot_product_attention", np.where(missing, 0, got).astype(dtype), np.where(missing, 0, truth)
        )


@pytest.mark.usefixtures("small_blocks")
def test_attention_rows_with_nothing_left(rng):
    q, k, v = (rng.standard_normal((1, 1, n, 4)).astype(np.float32) for n in (20, 20, 20))
    everything = np.broadcast_to(real(v).mean(-2, keepdims=True), v.shape)
    attend = cpu.scaled_dot_product_attention
    assert_close("scaled_dot_product_attention", attend(q, k, v, 1.0, np.zeros((1, 1, 1, 20), bool)), everything)
    assert np.isnan(attend(q, k, v, 1.0, np.full((1, 1, 1, 20), -INF, np.float32))).all()
    # Queries before the first key see none of them.
    assert_close("scaled_dot_product_attention", attend(q, k[:, :, :5], v[:, :, :5], 1.0, "causal")[:, :, :15],
                 np.broadcast_to(real(v[:, :, :5]).mean(-2, keepdims=True), (1, 1, 15, 4)))  # fmt: skip
    assert not attend(q, k[:, :, :0], v[:, :, :0], 1.0, None).any()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("value", [INF, -INF, NAN])
@pytest.mark.parametrize("where", ["q", "k", "v"])
@pytest.mark.parametrize("mask", [None, "causal"])
def test_attention_propagates_special_values_as_unblocked(value, where, mask, rng):
    for position in (0, 9, 23):
        operands = {name: rng.standard_normal((1, 1, 24, 4)).astype(np.float32) for name in "qkv"}
        operands[where][0, 0, position, 1] = value
        with np.errstate(all="ignore"):
            truth = attention_truth(*operands.values(), 0.5, mask)
        got = cpu.scaled_dot_product_attention(*operands.values(), 0.5, mask)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(truth))
        np.testing.assert_array_equal(np.isinf(got), np.isinf(truth))


def test_attention_skips_blocks_that_the_causal_mask_hides(monkeypatch, rng):
    monkeypatch.setattr(cpu_attention, "KEYS", 64)
    monkeypatch.setattr(cpu_attention, "SCORES", 64 * 64)
    q, k, v = (rng.standard_normal((1, 1, 512, 8)).astype(np.float32) for _ in range(3))
    exps = []
    original = np.exp
    monkeypatch.setattr(np, "exp", lambda x, **rest: exps.append(x.size) or original(x, **rest))
    cpu.scaled_dot_product_attention(q, k, v, 1.0, "causal")
    scores = sum(size for size in exps if size == 64 * 64)
    assert scores == 64 * 64 * (8 * 9 // 2)


@pytest.mark.parametrize("mask", [None, "causal", "additive"])
def test_attention_memory_grows_with_one_length_only(mask, rng):
    queries = keys = 2048
    q, k, v = (rng.standard_normal((1, 2, n, 16)).astype(np.float32) for n in (queries, keys, keys))
    held = np.zeros((1, 1, 1, keys), np.float32) if mask == "additive" else mask
    gc.collect()
    tracemalloc.start()
    try:
        cpu.scaled_dot_product_attention(q, k, v, 0.25, held)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # One score matrix of one head would take 16 MiB.
    assert peak < 6 << 20


# -- shape ops, poison ------------------------------------------------------------------------------------------------


def test_shape_ops_are_views():
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for view in (
        cpu.reshape(x, (6, 4)),
        cpu.transpose(x, (2, 0, 1)),
        cpu.broadcast_to(x, (5, 2, 3, 4)),
        cpu.getitem(x, (1, slice(None, None, -1), None, 2)),
        cpu.from_numpy(x),
        cpu.to_numpy(x),
    ):
        assert np.shares_memory(view, x)
    assert not np.shares_memory(cpu.from_numpy(x, copy=True), x)


FORGETFUL = """
import sys
import numpy as np
from isometal.backends.base import poison_heap
from isometal.backends.cpu import BACKEND as cpu

def forgets_the_last_element(x):
    out = np.empty_like(x)
    np.negative(x[:-1], out=out[:-1])
    return out

for size in map(int, sys.argv[1:]):
    x = np.ones(size // 4, np.float32)
    right = cpu.negative(x)
    # Its memory, with the right answer in it, is what the faulty op would be handed.
    del right
    poison_heap(x.nbytes)
    wrong = forgets_the_last_element(x)
    assert (wrong[:-1] == -1).all()
    assert np.isnan(wrong[-1]), f"{size} bytes: the last element is {wrong[-1]}"
"""


def test_poison_shows_what_an_op_leaves_unwritten():
    # In a process of its own: other tests leave a heap with many places for a block, and threads that share it.
    sizes = (16, 96, 1000, 4096, 100_000, 1 << 18, 1 << 20, 8 << 20)
    command = [sys.executable, "-c", FORGETFUL, *map(str, sizes * 3)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


def test_device_says_what_computes():
    device = cpu.device()
    assert device["kind"] == "host-cpu"
    assert all(device[key] for key in ("name", "family", "os"))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_gelu_of_the_largest_numbers_is_the_number(dtype):
    # The parity cases stop at half the largest number, because MLX's x * (1 + erf) / 2 overflows there.
    largest = ml_dtypes.finfo(dtypes.BY_NAME[dtype]).max
    x = np.array([largest, largest / 2, -largest], dtypes.BY_NAME[dtype])
    for approx in ("none", "tanh", "fast"):
        np.testing.assert_array_equal(cpu.gelu(x, approx).astype(np.float64), [largest, x[1].astype(np.float64), 0])
