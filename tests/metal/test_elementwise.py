"""Binary and unary kernels, conversions and masks: every variant, layout and dtype, against NumPy and float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from views import VIEWS, Numpy, values

from isometal import dtypes
from isometal.backends.cpu import CpuBackend
from isometal.backends.metal import MetalBackend

NDArray = np.ndarray[Any, Any]
DTYPES = tuple(dtypes.BY_NAME)
FLOATING = ("float32", "float16", "bfloat16")
#: What the planner may be made to do; a variant that cannot serve a case leaves it to the others.
VARIANTS = ("", "one", "many", "strided one", "strided many", "strided one wide", "strided many wide")
#: Those with which every kernel gets both values of each of its switches.
CORNERS = ("", "many", "strided one", "strided many wide")
SIZES = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 255, 256, 257, 1023, 4099)
SHAPES = ((13,), (3, 41), (5, 6, 7), (2, 1, 3, 1, 4), (2, 3, 2, 3, 2))
BROADCASTS = (
    ((), ()), ((5,), ()), ((17, 33), (33,)), ((17, 33), (17, 1)), ((17, 1), (1, 33)), ((3, 1, 5, 40), (4, 1, 40)),
    ((2, 1, 3, 1, 4), (5, 1, 6, 1)), ((0, 3), (1, 3)), ((70, 1, 2), (1, 35, 2)),
)  # fmt: skip

variants = pytest.mark.parametrize("variant", VARIANTS, ids=lambda name: name or "own choice")


def normal_values(shape: tuple[int, ...], dtype: str, seed: int = 0) -> NDArray:
    """Any value, but no subnormal number and, of those that overflow or underflow a product, few: devices flush."""
    random = np.random.default_rng(seed)
    if dtype in FLOATING:
        x = (random.standard_normal(shape) * 10).astype(dtypes.BY_NAME[dtype])
        x.reshape(-1)[::7] = random.choice(np.array([np.inf, -np.inf, np.nan, 0.0, -0.0]), x.reshape(-1)[::7].shape)
        return x
    return values(shape, dtype, seed)


def same(metal: MetalBackend, actual: Any, expected: NDArray) -> None:
    """Equal to the bit, but for the payload of NaN."""
    got = metal.to_numpy(actual)
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    if expected.dtype.kind in "fV":
        nan = np.isnan(expected)
        np.testing.assert_array_equal(np.isnan(got), nan)
        np.testing.assert_array_equal(np.signbit(got[~nan]), np.signbit(expected[~nan]))
        np.testing.assert_array_equal(got[~nan], expected[~nan])
    else:
        np.testing.assert_array_equal(got, expected)


def _sizes(variant: str) -> tuple[int, ...]:
    """A single element by strides has a pipeline of its own, which a few dtypes are enough for: those of the views."""
    return SIZES[1:] if "strided" in variant else SIZES


def binary_ops(dtype: str) -> tuple[str, ...]:
    return ("add", "subtract", "multiply", *(("divide",) if dtype in FLOATING else ()))


def compare_binary(metal: MetalBackend, op: str, a: NDArray, b: NDArray) -> None:
    expected = np.asarray(getattr(CpuBackend(), op)(a, b), dtype=a.dtype)
    same(metal, getattr(metal, op)(metal.from_numpy(a), metal.from_numpy(b)), expected)


@pytest.mark.parametrize("variant", CORNERS, ids=lambda name: name or "own choice")
@pytest.mark.parametrize("dtype", DTYPES)
def test_binary_ops(metal: MetalBackend, force: Callable[..., None], dtype: str, variant: str) -> None:
    """Every op of every dtype; special values among the others."""
    force("binary", variant)
    for op in binary_ops(dtype):
        for size in _sizes(variant):
            compare_binary(metal, op, normal_values((size,), dtype, 1), normal_values((size,), dtype, 2))


@variants
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "bool"])
def test_binary_shapes(metal: MetalBackend, force: Callable[..., None], dtype: str, variant: str) -> None:
    force("binary", variant)
    for left, right in BROADCASTS:
        a, b = normal_values(left, dtype, 1), normal_values(right, dtype, 2)
        compare_binary(metal, "subtract", a, b)
        compare_binary(metal, "subtract", b, a)


@variants
def test_binary_views(metal: MetalBackend, force: Callable[..., None], variant: str) -> None:
    force("binary", variant)
    for shape in SHAPES:
        x = normal_values(shape, "float32")
        for view in VIEWS.values():
            strided, device = view(Numpy(), x), view(metal, metal.from_numpy(x))
            other = normal_values(strided.shape, "float32", 1)
            held = metal.from_numpy(other)
            for a, b, c, d in (
                (strided, other, device, held),
                (other, strided, held, device),
                (strided, strided, device, device),
            ):
                same(metal, metal.subtract(c, d), CpuBackend().subtract(a, b))


@pytest.mark.parametrize("variant", CORNERS, ids=lambda name: name or "own choice")
@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype != "bool"])
def test_negative(metal: MetalBackend, force: Callable[..., None], dtype: str, variant: str) -> None:
    force("unary", variant)
    for shape in (*((size,) for size in _sizes(variant)), (0, 3)):
        x = normal_values(shape, dtype)
        same(metal, metal.negative(metal.from_numpy(x)), np.asarray(np.negative(x)))


@variants
def test_unary_views(metal: MetalBackend, force: Callable[..., None], variant: str) -> None:
    force("unary", variant)
    for dtype in ("float32", "uint32", "float16"):
        for shape in SHAPES:
            x = normal_values(shape, dtype)
            for view in VIEWS.values():
                same(metal, metal.negative(view(metal, metal.from_numpy(x))), np.negative(view(Numpy(), x)))


def logistic(x: NDArray) -> NDArray:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-x)))


def _normal_distribution(x: NDArray) -> NDArray:
    weights: NDArray = np.vectorize(lambda v: 0.5 * math.erfc(-v / math.sqrt(2)), otypes=[np.float64])(x)
    return weights


#: Of float64: what x is multiplied with.
WEIGHTS: Mapping[str, Callable[[NDArray], NDArray]] = {
    "silu": logistic,
    "none": _normal_distribution,
    "tanh": lambda x: logistic(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)),
    "fast": lambda x: logistic(1.702 * x),
}


def activation(metal: MetalBackend, name: str, x: Any) -> Any:
    return metal.silu(x) if name == "silu" else metal.gelu(x, name)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("name", WEIGHTS)
def test_activations_over_the_whole_range(metal: MetalBackend, name: str, dtype: str) -> None:
    """In units of the result's last place near 0 and above; below, where the results vanish, absolutely."""
    kind = dtypes.BY_NAME[dtype]
    x = np.concatenate([np.linspace(-20, 20, 200_001), np.linspace(-300, 300, 100_001)]).astype(kind)
    exact = x.astype(np.float64) * WEIGHTS[name](x.astype(np.float64))
    got = metal.to_numpy(activation(metal, name, metal.from_numpy(x))).astype(np.float64)
    eps = float(ml_dtypes.finfo(kind).eps)  # type: ignore[no-untyped-call]
    error = np.abs(got - exact)
    rounded = np.abs(exact) * eps / 2
    # Half precision is rounded once: half a unit but for a little of float32's.
    assert (
        error <= (4 * rounded if dtype == "float32" else 1.01 * rounded) + (3e-8 if dtype == "float32" else 1e-7)
    ).all()
    assert (np.signbit(got) == np.signbit(x.astype(np.float32))).all()


@pytest.mark.parametrize("name", WEIGHTS)
def test_activations_err_no_more_than_mlx(metal: MetalBackend, name: str) -> None:
    mx = pytest.importorskip("mlx.core", reason="MLX is the peer, and it is not installed")
    nn = pytest.importorskip("mlx.nn", reason="MLX is the peer, and it is not installed")
    peers = {"silu": nn.silu, "none": nn.gelu, "tanh": nn.gelu_approx, "fast": nn.gelu_fast_approx}
    random = np.random.default_rng(0)
    for x in (random.standard_normal(100_000), 4 * random.standard_normal(100_000), np.linspace(-100, 100, 100_001)):
        x32 = x.astype(np.float32)
        exact = x32.astype(np.float64) * WEIGHTS[name](x32.astype(np.float64))
        ours = metal.to_numpy(activation(metal, name, metal.from_numpy(x32)))
        with mx.stream(mx.cpu):
            theirs = np.array(peers[name](mx.array(x32)))
        assert np.square(ours - exact).mean() <= np.square(theirs - exact).mean()


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("name", WEIGHTS)
def test_activations_of_special_values(metal: MetalBackend, name: str, dtype: str) -> None:
    kind = dtypes.BY_NAME[dtype]
    largest = float(ml_dtypes.finfo(kind).max)  # type: ignore[no-untyped-call]
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, largest, -largest, 88.5, -88.75, -104.0], kind)
    expected = np.array([np.inf, np.nan, np.nan, 0.0, -0.0, largest, -0.0, 88.5, -0.0, -0.0], kind)
    got = metal.to_numpy(activation(metal, name, metal.from_numpy(x))).astype(np.float64)
    np.testing.assert_allclose(got, expected.astype(np.float64), rtol=0, atol=1e-30)
    assert np.signbit(got[4])


@pytest.mark.parametrize("name", WEIGHTS)
def test_activation_variants(metal: MetalBackend, force: Callable[..., None], name: str) -> None:
    """Whatever the variant, each element gets the same bits."""
    for dtype in FLOATING:
        x = metal.from_numpy(normal_values((3, 4099), dtype))
        expected = metal.to_numpy(activation(metal, name, x))
        for variant in CORNERS:
            force("unary", variant)
            same(metal, activation(metal, name, x), expected)
            part = metal.getitem(x, (slice(None), slice(1, 37, 2)))
            same(metal, activation(metal, name, part), expected[:, 1:37:2])
        force("unary", "")


def conversion_values(source: str) -> NDArray:
    """Halfway cases and limits that every target can hold."""
    kind = dtypes.BY_NAME[source]
    if source == "bool":
        return np.array([True, False] * 20)
    integers = np.array(
        [0, 1, 2, 255, 256, 257, 2049, 2051, 4097, 32767, 65503, 2**24 + 1, 2**24 + 3, 2**31 - 1], np.int64
    )
    if kind.kind == "u":
        return integers.astype(kind)
    if kind.kind == "i":
        wide = np.array([2**31, 2**32 - 1, 2**53 + 1, 2**62, -(2**62)], np.int64) if source == "int64" else integers[:0]
        return np.concatenate([integers, -integers, wide]).astype(kind)
    fractions = np.array([0.0, -0.0, 0.5, 0.999, 1.5, 2.5, -0.5, -1.5, -2.75, 1000.25, -1000.75, 65519.0, 1e-3])
    return np.concatenate([fractions, fractions / 3]).astype(kind)


def _converted(x: NDArray, target: str) -> NDArray:
    """As NumPy, floats to uint32 by way of int64, since what it does with negative ones depends on the processor."""
    kind = dtypes.BY_NAME[target]
    if target == "uint32" and x.dtype.kind in "fV":
        return x.astype(np.int64).astype(kind)
    with np.errstate(over="ignore", invalid="ignore"):
        if target in ("float16", "bfloat16"):
            return x.astype(np.float32).astype(kind)
        return x.astype(kind)


@pytest.mark.parametrize("variant", CORNERS, ids=lambda name: name or "own choice")
@pytest.mark.parametrize("source", DTYPES)
def test_conversions(metal: MetalBackend, force: Callable[..., None], source: str, variant: str) -> None:
    force("unary", variant)
    x = conversion_values(source)
    for target in DTYPES:
        for part in (x, np.resize(x, 4099), *([] if "strided" in variant else [x[:1]])):
            same(metal, metal.astype(metal.from_numpy(part), dtypes.BY_NAME[target]), _converted(part, target))


@pytest.mark.parametrize("source", ["float32", "int64", "bool"])
def test_conversions_of_views(metal: MetalBackend, source: str) -> None:
    x = np.resize(conversion_values(source), (5, 7))
    for target in ("float16", "int64", "bool"):
        for view in VIEWS.values():
            converted = metal.astype(view(metal, metal.from_numpy(x)), dtypes.BY_NAME[target])
            same(metal, converted, _converted(view(Numpy(), x), target))


@pytest.mark.parametrize("source", FLOATING)
def test_truth_of_special_values(metal: MetalBackend, source: str) -> None:
    """A subnormal number is not 0, nor is NaN."""
    x = np.array([0.0, -0.0, np.nan, np.inf, 1.0], dtypes.BY_NAME[source])
    smallest = np.array([1, 1 << (8 * x.itemsize - 1) | 1], f"u{x.itemsize}").view(x.dtype)
    same(metal, metal.astype(metal.from_numpy(x), dtypes.bool_), np.array([False, False, True, True, True]))
    same(metal, metal.astype(metal.from_numpy(smallest), dtypes.bool_), np.array([True, True]))


def test_every_half_converts_as_in_numpy(metal: MetalBackend) -> None:
    for source in ("float16", "bfloat16"):
        x = np.arange(1 << 16, dtype=np.uint16).view(dtypes.BY_NAME[source])
        with np.errstate(invalid="ignore"):
            x = x[~((x != 0) & (np.abs(x.astype(np.float32)) < np.finfo(np.float32).tiny))]
        other = "bfloat16" if source == "float16" else "float16"
        for target in ("float32", other):
            same(metal, metal.astype(metal.from_numpy(x), dtypes.BY_NAME[target]), _converted(x, target))


def test_a_conversion_to_its_own_dtype_is_the_array(metal: MetalBackend) -> None:
    x = metal.from_numpy(np.arange(6.0, dtype=np.float32).reshape(2, 3))
    before = metal._metal.stats()["dispatches"]
    assert metal.astype(x, dtypes.float32).shape == (2, 3)
    assert metal._metal.stats()["dispatches"] == before


def test_results_keep_the_order_of_axes(metal: MetalBackend) -> None:
    x = metal.transpose(metal.from_numpy(normal_values((3, 4, 5), "float32")), (2, 0, 1))
    row = metal.from_numpy(normal_values((4,), "float32"))
    for result in (metal.negative(x), metal.add(x, x), metal.add(x, row), metal.astype(x, dtypes.float16)):
        assert result.strides == x.strides
    assert metal.add(x, metal.from_numpy(normal_values((5, 3, 4), "float32"))).is_contiguous


@pytest.mark.parametrize("variant", ["", "one", "many"], ids=lambda name: name or "own choice")
@pytest.mark.parametrize("dtype", FLOATING)
def test_causal_mask(metal: MetalBackend, force: Callable[..., None], dtype: str, variant: str) -> None:
    force("mask", variant)
    kind = dtypes.BY_NAME[dtype]
    for q_len, kv_len in ((0, 3), (3, 0), (1, 1), (1, 7), (7, 1), (7, 3), (33, 33), (5, 257), (257, 260), (64, 1024)):
        same(metal, metal.causal_mask(q_len, kv_len, kind), CpuBackend().causal_mask(q_len, kv_len, kind))
