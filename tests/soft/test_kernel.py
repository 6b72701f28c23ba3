"""Kernels as a user runs them: bindings, grids, threadgroups, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import isometal.soft as soft
from isometal.soft.errors import HangError, ValidationError

STEEL = "steel_gemm_fused_nn_float32_float32_bm64_bn64_bk16_wm2_wn2"
PLAIN = {
    "has_batch": False,
    "use_out_source": False,
    "do_axpby": False,
    "align_M": True,
    "align_N": True,
    "align_K": True,
}
COUNT = """
#include <metal_stdlib>
kernel void plain(device uint* y [[buffer(0)]], uint i [[thread_position_in_grid]]) { y[i] = i; }
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOMETAL_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def apple(mlx_metal_wheel):
    return mlx_metal_wheel / "mlx" / "lib" / "mlx.metallib"


def test_apples_add(apple):
    add = soft.Library.from_metallib(apple).kernel("vv_Addfloat32")
    a, b = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32)
    out = np.zeros_like(a)
    add(a, b, out, 1000, grid=1000)
    assert (out == a + b).all()
    assert repr(add) == "<Kernel vv_Addfloat32(a, b, c, size) on a software Metal device>"
    assert str(add).startswith("kernel vv_Addfloat32\n  Metal 3.1, AIR 2.6")


@pytest.mark.parametrize("mode", ["fast", "shuffled"])
def test_apples_gemm_with_a_struct_of_parameters(apple, mode):
    gemm = soft.Library.from_metallib(apple).kernel(STEEL, PLAIN)
    n = 128
    a, b = np.random.default_rng(0).standard_normal((2, n, n)).astype(np.float32)
    d = np.full((n, n), np.nan, np.float32)
    parameters = dict.fromkeys((f.name for f in gemm.reflection.bindings[3].fields), 0)
    parameters |= dict.fromkeys(("M", "N", "K", "lda", "ldb", "ldd"), n)
    parameters |= {"tiles_m": n // 64, "tiles_n": n // 64, "gemm_k_iterations_aligned": n // 16, "batch_ndim": 1}
    bound = {"A": a, "B": b, "D": d, "params": parameters}
    gemm(bound, grid=(2, 2), threadgroup=(32, 2, 2), dispatch="threadgroups", mode=mode, seed=1)
    assert np.abs(d - a.astype(float) @ b).max() < 1e-4


REVERSE = """
#include <metal_stdlib>
using namespace metal;
kernel void reverse(device float* x [[buffer(0)]], threadgroup float* copy [[threadgroup(1)]],
                    uint i [[thread_position_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
  copy[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  x[i] = copy[n - 1 - i];
}
kernel void hang(device float* x [[buffer(0)]], uint i [[thread_position_in_threadgroup]]) {
  if (i < 40) threadgroup_barrier(mem_flags::mem_threadgroup); else threadgroup_barrier(mem_flags::mem_device);
  x[i] = 1;
}
"""


def test_threadgroup_memory_has_the_length_that_the_call_gives():
    reverse = soft.Library.from_source(REVERSE).kernel("reverse")
    for bound in (lambda x: (x, 400), lambda x: ({0: x, "threadgroup 1": 400},), lambda x: ({"x": x, "copy": 400},)):
        x = np.arange(100, dtype=np.float32)
        reverse(*bound(x), grid=100, threadgroup=100)
        assert x.tolist() == list(range(99, -1, -1))


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (0, r"nothing is bound to threadgroup 1 \(copy\)"),
        (30, r"threadgroup 1 \(copy\) of type float: 30 bytes; a multiple of 16 is needed"),
        (-16, r"threadgroup 1 \(copy\) = -16; a length in bytes is needed"),
        (4.0, "4.0; a length in bytes is needed"),
        (True, "True; a length in bytes is needed"),
        (np.zeros(4, np.float32), "a length in bytes is needed"),
        (32784, "32784 bytes; a threadgroup has at most 32768"),
        (2**64, "a length in bytes is needed"),
        (None, r"nothing is bound to threadgroup 1 \(copy\)"),
    ],
)
def test_threadgroup_memory_that_cannot_be_is_refused(length, message):
    reverse = soft.Library.from_source(REVERSE).kernel("reverse")
    with pytest.raises(ValidationError, match=message):
        reverse(np.zeros(16, np.float32), length, grid=16)


def test_a_hang_is_an_error_that_names_the_kernel():
    hang = soft.Library.from_source(REVERSE).kernel("hang")
    with pytest.raises(HangError, match="hang"):
        hang(np.zeros(64, np.float32), grid=64, threadgroup=64)


def test_a_grid_counts_threads_or_threadgroups():
    plain = soft.Library.from_source(COUNT).kernel("plain")
    y = np.full(100, 7, np.uint32)
    plain(y, grid=10, threadgroup=4)
    assert y.tolist() == [*range(10), *[7] * 90]
    plain(y, grid=3, threadgroup=4, dispatch="threadgroups")
    assert y.tolist() == [*range(12), *[7] * 88]
    plain(y, grid=np.int64(100))
    assert y.tolist() == list(range(100))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"grid": 0}, "kernel 'plain': a grid of 0x1x1; sizes from 1 to 2\\^32 - 1"),
        ({"grid": (4, 0)}, "a grid of 4x0x1; sizes from 1"),
        ({"grid": 2**32}, "a grid of 4294967296x1x1; sizes from 1"),
        ({"grid": 2**64}, "grid=18446744073709551616; whole numbers"),
        ({"grid": -1}, "grid=-1; whole numbers, not negative, are needed"),
        ({"grid": ()}, "one to three numbers"),
        ({"grid": (1, 1, 1, 1)}, "one to three numbers"),
        ({"grid": 1.0}, "whole numbers"),
        ({"grid": True}, "whole numbers"),
        ({"grid": 4, "threadgroup": 1025}, "a threadgroup of 1025x1x1 threads; at most 1024 in all are possible"),
        ({"grid": 4, "threadgroup": (32, 32, 2)}, "a threadgroup of 32x32x2 threads; at most 1024"),
        ({"grid": 4, "threadgroup": 0}, "a threadgroup of 0x1x1 threads; no size may be 0"),
        ({"grid": 4, "dispatch": "threadgroups"}, "needs one"),
        ({"grid": 4, "dispatch": "rows"}, "dispatch='rows'; 'threads' or 'threadgroups' is possible"),
        ({"grid": 4, "mode": "slow"}, "no mode 'slow'"),
    ],
)
def test_sizes_and_modes_that_cannot_be_are_refused(arguments, message):
    plain = soft.Library.from_source(COUNT).kernel("plain")
    y = np.full(4, 9, np.uint32)
    with pytest.raises(ValidationError, match=message):
        plain(y, **arguments)
    assert y.tolist() == [9] * 4


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(0, np.uint32), "buffer 0 (y) of type uint: 0 bytes; at least 4 are needed."),
        (bytearray(3), "buffer 0 (y) of type uint: 3 bytes; at least 4 are needed."),
        (bytes(4), "buffer 0 (y) of type uint: read-only memory, but the kernel writes to it; pass memory that can be"),
        (memoryview(bytearray(9))[1:], "memory at an address that is no multiple of 4, the alignment of its type"),
        (None, "nothing is bound to buffer 0 (y); every argument that it uses needs a value."),
    ],
)
def test_memory_that_does_not_fit_is_refused(value, message):
    plain = soft.Library.from_source(COUNT).kernel("plain")
    with pytest.raises(ValidationError) as caught:
        plain(value, grid=1)
    assert str(caught.value).startswith("[soft] kernel 'plain'")
    assert message in str(caught.value)


def test_an_array_that_cannot_be_written_to_is_refused_where_the_kernel_writes():
    y = np.zeros(4, np.uint32)
    y.flags.writeable = False
    with pytest.raises(ValidationError, match=r"read-only memory, but the kernel writes to it"):
        soft.Library.from_source(COUNT).kernel("plain")(y, grid=4)
    assert y.tolist() == [0] * 4
