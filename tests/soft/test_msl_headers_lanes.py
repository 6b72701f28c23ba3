"""The Metal headers on the software device against NumPy: simdgroups, quadgroups, matrices, atomics, barriers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from msl_evaluate import DTYPES, Array, kernel, run

RANDOM = np.random.default_rng(20261126)
LANES = 32
GROUPS = 3


def lanes_of(x: Array, width: int = LANES) -> Array:
    return x.reshape(-1, width)


def shifted(x: Array, delta: int, fill: Array) -> Array:
    """Lane i gets what lane i - delta of x has; where there is none, what that lane, counted around, has of `fill`."""
    source = np.arange(LANES) - delta
    inside = (source >= 0) & (source < LANES)
    return np.where(inside, lanes_of(x)[:, source % LANES], lanes_of(fill)[:, source % LANES])


def running(x: Array, operation: np.ufunc, *, exclusive: bool) -> Array:
    rows = operation.accumulate(lanes_of(x), axis=1)
    if exclusive:
        rows = np.roll(rows, 1, axis=1)
        rows[:, 0] = operation.identity
    return rows


def spread(reduced: Array, width: int) -> Array:
    return np.repeat(reduced, width)


#: Expression: what it is for the values of all lanes. Values are small integers, so that floats are exact.
SIMD: dict[str, Callable[[Array, Array], Array]] = {
    "simd_sum(x)": lambda x, y: spread(lanes_of(x).sum(1), 32),
    "simd_product(y)": lambda x, y: spread(lanes_of(y).prod(1), 32),
    "simd_min(x)": lambda x, y: spread(lanes_of(x).min(1), 32),
    "simd_max(x)": lambda x, y: spread(lanes_of(x).max(1), 32),
    "simd_prefix_inclusive_sum(x)": lambda x, y: running(x, np.add, exclusive=False),
    "simd_prefix_exclusive_sum(x)": lambda x, y: running(x, np.add, exclusive=True),
    "simd_prefix_inclusive_product(y)": lambda x, y: running(y, np.multiply, exclusive=False),
    "simd_prefix_exclusive_product(y)": lambda x, y: running(y, np.multiply, exclusive=True),
    "simd_broadcast(x, 5)": lambda x, y: spread(lanes_of(x)[:, 5], 32),
    "simd_broadcast_first(x)": lambda x, y: spread(lanes_of(x)[:, 0], 32),
    "simd_shuffle(x, 31 - lane)": lambda x, y: lanes_of(x)[:, ::-1],
    "simd_shuffle_xor(x, 6)": lambda x, y: lanes_of(x)[:, np.arange(32) ^ 6],
    "simd_shuffle_rotate_up(x, 3)": lambda x, y: np.roll(lanes_of(x), 3, axis=1),
    "simd_shuffle_rotate_down(x, 3)": lambda x, y: np.roll(lanes_of(x), -3, axis=1),
    "simd_shuffle_and_fill_up(x, y, 4)": lambda x, y: shifted(x, 4, y),
    "simd_shuffle_and_fill_down(x, y, 4)": lambda x, y: shifted(x, -4, y),
    "select(simd_shuffle_up(x, 4), T(0), lane < 4)": lambda x, y: shifted(x, 4, np.zeros_like(x)),
    "select(simd_shuffle_down(x, 4), T(0), lane > 27)": lambda x, y: shifted(x, -4, np.zeros_like(x)),
    "quad_sum(x)": lambda x, y: spread(lanes_of(x, 4).sum(1), 4),
    "quad_max(x)": lambda x, y: spread(lanes_of(x, 4).max(1), 4),
    "quad_broadcast(x, 2)": lambda x, y: spread(lanes_of(x, 4)[:, 2], 4),
    "quad_shuffle_xor(x, 1)": lambda x, y: lanes_of(x, 4)[:, [1, 0, 3, 2]],
    "quad_prefix_inclusive_sum(x)": lambda x, y: np.cumsum(lanes_of(x, 4), axis=1, dtype=x.dtype),
}
INTEGERS: dict[str, Callable[[Array, Array], Array]] = {
    "simd_and(x)": lambda x, y: spread(np.bitwise_and.reduce(lanes_of(x), 1), 32),
    "simd_or(x)": lambda x, y: spread(np.bitwise_or.reduce(lanes_of(x), 1), 32),
    "simd_xor(x)": lambda x, y: spread(np.bitwise_xor.reduce(lanes_of(x), 1), 32),
    "quad_or(x)": lambda x, y: spread(np.bitwise_or.reduce(lanes_of(x, 4), 1), 4),
}


def evaluate_lanes(
    expressions: dict[str, Callable[[Array, Array], Array]], type_: str, x: Array, y: Array, mode: str = "fast"
) -> list[Array]:
    """Each expression for each thread of GROUPS simdgroups of one threadgroup."""
    results = "".join(f"  out[{i} * {x.size} + g] = {e};\n" for i, e in enumerate(expressions))
    source = kernel(
        f"  T x = xs[g]; T y = ys[g];\n{results}",
        "device T* out [[buffer(0)]], device const T* xs [[buffer(1)]], device const T* ys [[buffer(2)]]",
        declarations=f"typedef {type_} T;",
    )
    out = np.zeros((len(expressions), x.size), DTYPES[type_])
    run(source, "k", out, x, y, grid=x.size, threadgroup=x.size, mode=mode, seed=7)
    return list(out)


@pytest.mark.parametrize("mode", ["fast", "shuffled"])
@pytest.mark.parametrize("type_", ["float", "half", "char", "uchar", "short", "ushort", "int", "uint"])
def test_lanes_together(type_: str, mode: str) -> None:
    dtype = DTYPES[type_]
    x = RANDOM.integers(0, 4, LANES * GROUPS).astype(dtype)
    y = np.where(RANDOM.random(LANES * GROUPS) < 0.1, 2, 1).astype(dtype)
    expressions = SIMD if type_ in ("float", "half") else SIMD | INTEGERS
    with np.errstate(over="ignore"):
        for (expression, truth), got in zip(
            expressions.items(), evaluate_lanes(expressions, type_, x, y, mode), strict=True
        ):
            np.testing.assert_array_equal(got, truth(x, y).reshape(-1).astype(dtype), expression)


def test_vectors_of_lanes() -> None:
    x = RANDOM.integers(-9, 9, (LANES * GROUPS, 4)).astype(np.int32)
    out = np.zeros_like(x)
    source = kernel(
        "  int4 v = x[g]; float3 w = float3(v.xyz);\n"
        "  out[g] = int4(int3(simd_shuffle_xor(simd_sum(w), 3)), quad_broadcast(v, 1).w);",
        "device int4* out [[buffer(0)]], device const int4* x [[buffer(1)]]",
    )
    run(source, "k", out, x, grid=len(x), threadgroup=len(x))
    np.testing.assert_array_equal(out[:, :3], np.repeat(x.reshape(GROUPS, LANES, 4).sum(1), LANES, 0)[:, :3])
    np.testing.assert_array_equal(out[:, 3], np.repeat(x[1::4, 3], 4))


def test_votes() -> None:
    x = RANDOM.integers(0, 2, LANES * GROUPS).astype(np.uint32)
    x[:LANES] = 1
    x[-LANES:] = 0
    results = [
        "ulong(simd_ballot(x))",
        "simd_ballot(x).all()",
        "simd_ballot(x).any()",
        "simd_all(x)",
        "simd_any(x)",
        "ushort(quad_ballot(x))",
        "quad_all(x)",
        "quad_any(x)",
        "ulong(simd_active_threads_mask())",
        "simd_is_first()",
        "quad_is_first()",
        "simd_is_helper_thread()",
    ]
    source = kernel(
        "  bool x = xs[g] != 0;\n"
        + "".join(f"  out[{i} * {x.size} + g] = ulong({e});\n" for i, e in enumerate(results)),
        "device ulong* out [[buffer(0)]], device const uint* xs [[buffer(1)]]",
    )
    out = np.zeros((len(results), x.size), np.uint64)
    run(source, "k", out, x, grid=x.size, threadgroup=x.size)
    simd, quad = lanes_of(x).astype(bool), lanes_of(x, 4).astype(bool)
    bits = (simd.astype(np.uint64) << np.arange(LANES, dtype=np.uint64)).sum(1)
    quad_bits = (quad.astype(np.uint64) << np.arange(4, dtype=np.uint64)).sum(1)
    lane = np.arange(x.size) % LANES
    expected = [
        *(spread(bits, 32), spread(simd.all(1), 32), spread(simd.any(1), 32), spread(simd.all(1), 32)),
        *(spread(simd.any(1), 32), spread(quad_bits, 4), spread(quad.all(1), 4), spread(quad.any(1), 4)),
        *(np.full(x.size, 0xFFFFFFFF), lane == 0, lane % 4 == 0, np.zeros(x.size)),
    ]
    for expression, got, truth in zip(results, out, expected, strict=True):
        np.testing.assert_array_equal(got, truth, expression)


def test_only_active_lanes_take_part() -> None:
    x = np.arange(LANES, dtype=np.int32)
    out = np.zeros((2, LANES), np.int32)
    source = kernel(
        "  if (lane % 3 == 0) { out[g] = simd_sum(x[g]); out[32 + g] = int(ulong(simd_active_threads_mask())); }",
        "device int* out [[buffer(0)]], device const int* x [[buffer(1)]]",
    )
    run(source, "k", out, x, grid=LANES)
    active = x % 3 == 0
    np.testing.assert_array_equal(out[0], np.where(active, x[active].sum(), 0))
    np.testing.assert_array_equal(out[1].view(np.uint32), np.where(active, (1 << x[active]).sum(), 0))


def place(lane: Array) -> tuple[Array, Array]:
    """Row and column of a lane's first element: facts/air.md."""
    quad = lane // 4
    return (quad & 4) + (lane // 2) % 4, (quad & 2) * 2 + (lane % 2) * 2


MATRIX_HEADERS = ("metal_simdgroup_matrix",)


@pytest.mark.parametrize("type_", ["float", "half", "bfloat"])
def test_matrix_product_of_memory(type_: str) -> None:
    a, b, c = (RANDOM.integers(-3, 4, (8, 24)).astype(DTYPES[type_]) for _ in range(3))
    out = np.zeros((8, 8), np.float32)
    source = kernel(
        f"  simdgroup_{type_}8x8 a, b; simdgroup_float8x8 d = make_filled_simdgroup_matrix<float, 8, 8>(0.5f);\n"
        f"  threadgroup {type_} local[64];\n  for (uint i = lane; i < 64; i += 32) local[i] = c[i / 8 * 24 + i % 8];\n"
        "  threadgroup_barrier(mem_flags::mem_threadgroup);\n"
        "  for (ulong k = 0; k < 24; k += 8) {\n"
        "    simdgroup_load(a, as, 24, ulong2(k, 0)); simdgroup_load(b, bs, 24, ulong2(k, 0), true);\n"
        "    simdgroup_multiply_accumulate(d, a, b, d);\n  }\n"
        "  simdgroup_load(a, local); simdgroup_load(b, local, 8, ulong2(0), true);\n"
        "  simdgroup_multiply_accumulate(d, a, b, d);\n"
        "  simdgroup_store(d, out);",
        f"device float* out [[buffer(0)]], device const {type_}* as [[buffer(1)]],"
        f"device const {type_}* bs [[buffer(2)]], device const {type_}* c [[buffer(3)]]",
        headers=MATRIX_HEADERS,
    )
    run(source, "k", out, a, b, c, grid=LANES)
    wide = [m.astype(np.float64) for m in (a, b, c)]
    corner = wide[2][:, :8]
    np.testing.assert_array_equal(out, wide[0] @ wide[1].T + corner @ corner.T + 0.5)


def test_elements_of_lanes() -> None:
    out = np.zeros((2, 8, 8), np.float32)
    source = kernel(
        "  simdgroup_float8x8 a; a.thread_elements()[0] = lane; a.thread_elements()[1] = lane + 100;\n"
        "  simdgroup_store(a, out); simdgroup_float8x8 b(3.0f);\n"
        "  reinterpret_cast<thread float2&>(b.thread_elements()) += 1;\n"
        "  simdgroup_store(b * a, out + 64);",
        "device float* out [[buffer(0)]]",
        headers=MATRIX_HEADERS,
    )
    run(source, "k", out, grid=LANES)
    expected = np.zeros((8, 8), np.float32)
    row, column = place(np.arange(LANES))
    expected[row, column] = np.arange(LANES)
    expected[row, column + 1] = np.arange(LANES) + 100
    np.testing.assert_array_equal(out[0], expected)
    np.testing.assert_array_equal(out[1], (3 * np.eye(8) + 1) @ expected)


@pytest.mark.parametrize("mode", ["fast", "shuffled"])
def test_atomics(mode: str) -> None:
    x = RANDOM.integers(0, 16, 512).astype(np.uint32)
    histogram = np.zeros(16, np.uint32)
    total = np.zeros(1, np.float32)
    extremes = np.array([100, -100], np.int32)
    product = np.ones(1, np.float32)
    flag = np.zeros(1, np.int32)
    source = kernel(
        "  threadgroup atomic_uint counts[16];\n"
        "  if (t < 16) atomic_store_explicit(&counts[t], 0, RELAXED);\n"
        "  threadgroup_barrier(mem_flags::mem_threadgroup);\n"
        "  atomic_fetch_add_explicit(&counts[x[g]], 1, RELAXED);\n"
        "  threadgroup_barrier(mem_flags::mem_threadgroup);\n"
        "  if (t < 16)\n"
        "    atomic_fetch_add_explicit(&histogram[t], atomic_load_explicit(&counts[t], RELAXED), RELAXED);\n"
        "  atomic_fetch_add_explicit(total, float(x[g]), RELAXED);\n"
        "  atomic_fetch_min_explicit(&extremes[0], int(x[g]) - 20, RELAXED);\n"
        "  atomic_fetch_max_explicit(&extremes[1], int(x[g]) - 20, RELAXED);\n"
        "  float seen = atomic_load_explicit(product, RELAXED);\n"
        "  if (x[g] == 3 && g < 64)\n"
        "    while (!atomic_compare_exchange_weak_explicit(product, &seen, seen * 2, RELAXED, RELAXED)) {}\n"
        "  if (x[g] == 3) atomic_store_explicit(flag, true, RELAXED);",
        "device atomic_uint* histogram [[buffer(0)]], device atomic_float* total [[buffer(1)]],"
        "device atomic_int* extremes [[buffer(2)]], device atomic_float* product [[buffer(3)]],"
        "device atomic_bool* flag [[buffer(4)]], device const uint* x [[buffer(5)]]",
        declarations="#define RELAXED memory_order_relaxed",
    )
    run(source, "k", histogram, total, extremes, product, flag, x, grid=512, threadgroup=128, mode=mode, seed=3)
    np.testing.assert_array_equal(histogram, np.bincount(x, minlength=16))
    assert total[0] == x.sum()
    assert extremes.tolist() == [int(x.min()) - 20, int(x.max()) - 20]
    assert product[0] == 2.0 ** np.count_nonzero(x[:64] == 3)
    assert flag[0] == 1
