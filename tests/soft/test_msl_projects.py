"""Sources as a project keeps them: kernels and headers in folders, some shared with the host; macros instantiate."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from isometal.soft import Library
from isometal.soft.msl import driver

PARAMS = """
#pragma once
#ifdef __METAL_VERSION__
#include <metal_stdlib>
#define SHAPE 4
#else
#include <cstdint>
using std::int32_t; using std::int64_t; using std::uint32_t; using std::uint64_t;
#define SHAPE 4
#endif
#define FC_HAS_MASK 0
struct ScaleParams { uint64_t size; int64_t strides[SHAPE]; uint32_t axes; float scale; uint8_t flags[3]; };
"""
COMMON = """
#pragma once
#include <metal_stdlib>
#include "params.h"
using namespace metal;
template <typename T> constexpr constant int vector_width = 16 / sizeof(T) > 4 ? 4 : 16 / sizeof(T);
struct Scale {
  float factor;
  template <typename T> T operator()(T x) const { return T(float(x) * factor); }
};
"""
KERNELS = """
#include "common/common.h"
constant bool has_mask [[function_constant(FC_HAS_MASK)]];

template <typename T, int N>
[[kernel]] void scale(device const T* in [[buffer(0)]], device T* out [[buffer(1)]],
                      device const bool* mask [[buffer(2), function_constant(has_mask)]],
                      constant ScaleParams& params [[buffer(3)]], uint3 tid [[thread_position_in_grid]],
                      uint3 grid [[threads_per_grid]]) {
  static_assert(N == vector_width<T>, "one vector per thread");
  const ulong first = (tid.x + ulong(grid.x) * (tid.y + ulong(grid.y) * tid.z)) * N;
  const Scale op{params.scale};
  if (first + N <= params.size) {
    vec<T, N> v = *reinterpret_cast<device const vec<T, N>*>(in + first);
    if (has_mask) for (ushort i = 0; i < N; i++) v[i] = mask[first + i] ? op(v[i]) : v[i];
    else for (ushort i = 0; i < N; i++) v[i] = op(v[i]);
    *(device vec<T, N>*)(out + first) = v;
  } else {
    for (ulong i = first; i < params.size; i++) out[i] = !has_mask || mask[i] ? op(in[i]) : in[i];
  }
}
#define INSTANTIATE(name, T, N)                                                  \\
  template [[host_name("scale_" #name "_" #N)]] [[kernel]] void scale<T, N>(     \\
      device const T* in [[buffer(0)]], device T* out [[buffer(1)]],             \\
      device const bool* mask [[buffer(2), function_constant(has_mask)]],        \\
      constant ScaleParams& params [[buffer(3)]], uint3 tid [[thread_position_in_grid]], \\
      uint3 grid [[threads_per_grid]]);
INSTANTIATE(float32, float, 4)
INSTANTIATE(float16, half, 4)
INSTANTIATE(bfloat16, bfloat, 4)
"""
DTYPES = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """metal/scale.metal includes metal/common/common.h, which includes shared/params.h."""
    for name, text in (("metal/scale.metal", KERNELS), ("metal/common/common.h", COMMON), ("shared/params.h", PARAMS)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def library(project: Path) -> Library:
    path = project / "metal" / "scale.metal"
    return Library.from_source(path.read_text(), origin=str(path), include_dirs=[project / "shared"])


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("masked", [False, True])
def test_kernels_of_a_project(project: Path, name: str, masked: bool) -> None:
    kernel = library(project).kernel(f"scale_{name}_4", {"has_mask": masked})
    x = np.random.default_rng(1).standard_normal(23).astype(DTYPES[name])
    out, mask = np.zeros_like(x), np.arange(23) % 3 == 0
    params = {"size": 23, "strides": [1, 0, 0, 0], "axes": 1, "scale": 0.5, "flags": [1, 2, 3]}
    bound = {"in": x, "out": out, "params": params} | ({"mask": mask} if masked else {})
    kernel(bound, grid=(3, 1, 2), threadgroup=(2, 1, 1))
    scaled = (x.astype(np.float32) * np.float32(0.5)).astype(x.dtype)
    np.testing.assert_array_equal(out, np.where(mask, scaled, x) if masked else scaled)


def test_host_and_shader_see_one_struct(project: Path, tmp_path: Path) -> None:
    """The host's compiler, on the same header, agrees with what the kernel's reflection says."""
    params = next(a for a in library(project).reflection("scale_float32_4").arguments if a.name == "params")
    assert (params.type_name, params.type_size, params.alignment) == ("ScaleParams", 56, 8)
    checks = [f"sizeof(ScaleParams) == {params.type_size}", f"alignof(ScaleParams) == {params.alignment}"]
    checks += [f"__builtin_offsetof(ScaleParams, {f.name}) == {f.offset}" for f in params.fields]
    checks += [f"sizeof(ScaleParams::{f.name}) == {f.size * max(f.length, 1)}" for f in params.fields]
    (tmp_path / "cstdint").write_text(
        "namespace std { typedef __INT32_TYPE__ int32_t; typedef __INT64_TYPE__ int64_t;"
        " typedef __UINT32_TYPE__ uint32_t; typedef __UINT64_TYPE__ uint64_t; } typedef __UINT8_TYPE__ uint8_t;"
    )
    host = tmp_path / "host.cpp"
    host.write_text('#include "params.h"\n' + "".join(f'static_assert({check}, "");\n' for check in checks))
    command = [driver.zig(), "clang", "-target", "x86_64-linux-gnu", "-nostdinc", "-std=c++17", "-fsyntax-only"]
    result = subprocess.run(
        [*command, f"-I{project / 'shared'}", f"-I{tmp_path}", str(host)], check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def test_folders_are_searched_in_order(project: Path) -> None:
    other = project / "other"
    other.mkdir()
    shutil.copy(project / "shared" / "params.h", other / "params.h")
    text = (other / "params.h").read_text()
    (other / "params.h").write_text(text.replace("FC_HAS_MASK 0", "FC_HAS_MASK 7"))
    path = project / "metal" / "scale.metal"
    for folders, index in ((["shared", "other"], 0), (["other", "shared"], 7)):
        found = Library.from_source(
            path.read_text(), origin=str(path), include_dirs=[project / folder for folder in folders]
        )
        assert [c.index for c in found.constants("scale_float32_4")] == [index]


def test_files_beside_come_before_the_folders(project: Path) -> None:
    (project / "metal" / "params.h").write_text(PARAMS.replace("FC_HAS_MASK 0", "FC_HAS_MASK 9"))
    assert [c.index for c in library(project).constants("scale_float32_4")] == [9]


REDUCE = """
#include <metal_stdlib>
#include <metal_simdgroup_matrix>
#pragma METAL fp math_mode(safe)
#pragma METAL fp contract(off)
using namespace metal;
constexpr constant float weights[4] = {1, 2, 4, 8};
struct Sum { static constexpr constant float start = 0; float operator()(float a, float b) { return a + b; }
             float lanes(float x) const thread { return simd_sum(x); } };
struct Max { static constexpr constant float start = -INFINITY; float operator()(float a, float b) { return max(a, b); }
             float lanes(float x) const thread { return simd_max(x); } };
template <typename T, typename Op>
[[kernel]] void reduce(device const T* in [[buffer(0)]], device float* out [[buffer(1)]],
                       constant uint& row [[buffer(2)]], device atomic_uint* count [[buffer(3)]],
                       threadgroup T* shared [[threadgroup(0)]], uint group [[threadgroup_position_in_grid]],
                       ushort lid [[thread_index_in_threadgroup]], ushort lane [[thread_index_in_simdgroup]],
                       ushort simd [[simdgroup_index_in_threadgroup]],
                       ushort simds [[simdgroups_per_threadgroup]], ushort threads [[threads_per_threadgroup]]) {
  threadgroup float partial[32];
  Op op;
  float total = Op::start;
  for (uint i = lid; i < row; i += threads) {
    shared[lid] = in[ulong(group) * row + i];
    if constexpr (is_same_v<T, half>) total = op(total, float(shared[lid]) * weights[1]);
    else total = op(total, float(shared[lid]) * weights[0]);
  }
  total = op.lanes(total);
  if (lane == 0) partial[simd] = total;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (simd == 0) {
    total = op.lanes(lane < simds ? partial[lane] : Op::start);
    if (lane == 0) { out[group] = total; atomic_fetch_add_explicit(count, 1u, memory_order_relaxed); }
  }
}
#define REDUCE(op, name, T) template [[host_name(#op "_" #name)]] [[kernel]] decltype(reduce<T, op>) reduce<T, op>;
#define REDUCES(name, T) REDUCE(Sum, name, T) REDUCE(Max, name, T)
REDUCES(float32, float) REDUCES(float16, half) REDUCES(bfloat16, bfloat)
"""


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("op", ["Sum", "Max"])
def test_reductions(op: str, name: str) -> None:
    x = np.random.default_rng(2).integers(-8, 9, (5, 300)).astype(DTYPES[name])
    out, count = np.zeros(5, np.float32), np.zeros(1, np.uint32)
    kernel = Library.from_source(REDUCE).kernel(f"{op}_{name}")
    kernel(x, out, 300, count, 512, grid=5, threadgroup=128, dispatch="threadgroups", mode="shuffled", seed=3)
    wide = x.astype(np.float32) * (2 if name == "float16" else 1)
    np.testing.assert_array_equal(out, wide.sum(1) if op == "Sum" else wide.max(1))
    assert count[0] == 5


PRODUCT = """
#include <metal_stdlib>
#include <metal_simdgroup_matrix>
using namespace metal;
template <typename T>
[[kernel]] void product(device const T* a, device const T* b, device float* c, device T* d,
                        ushort lane [[thread_index_in_simdgroup]]) {
  simdgroup_matrix<T, 8, 8> A, B;
  simdgroup_matrix<float, 8, 8> C = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
  simdgroup_load(A, a, 8);
  simdgroup_load(B, b, 8, 0, true);
  A.thread_elements()[0] += T(1);
  A.thread_elements()[1] += T(1);
  simdgroup_multiply_accumulate(C, A, B, C);
  thread auto& elements = C.thread_elements();
  elements[0] = precise::sqrt(elements[0]);
  elements[1] = fast::max(elements[1], 0.0f);
  simdgroup_store(C, c, 8);
  simdgroup_matrix<T, 8, 8> D(T(2));
  simdgroup_multiply(D, D, A);
  simdgroup_store(D, d, 8);
}
template [[host_name("float32")]] [[kernel]] decltype(product<float>) product<float>;
template [[host_name("float16")]] [[kernel]] decltype(product<half>) product<half>;
template [[host_name("bfloat16")]] [[kernel]] decltype(product<bfloat>) product<bfloat>;
"""


@pytest.mark.parametrize("name", DTYPES)
def test_simdgroup_matrices(name: str) -> None:
    a, b = np.random.default_rng(3).integers(0, 4, (2, 8, 8)).astype(DTYPES[name])
    c, d = np.zeros((8, 8), np.float32), np.zeros((8, 8), DTYPES[name])
    Library.from_source(PRODUCT).kernel(name)(a, b, c, d, grid=32)
    exact = (a.astype(np.float32) + 1) @ b.astype(np.float32).T
    exact[:, ::2] = np.sqrt(exact[:, ::2])  # a lane's first element has an even column
    np.testing.assert_array_equal(c, exact)
    np.testing.assert_array_equal(d.astype(np.float32), 2 * (a.astype(np.float32) + 1))


def test_values_and_their_bits() -> None:
    source = """
#include <metal_stdlib>
using namespace metal;
template <typename T> METAL_FUNC float kind(T x) {
  if constexpr (is_same_v<T, bfloat>) return 1; else if constexpr (is_floating_point_v<T>) return 2;
  else if constexpr (is_integral_v<T>) return 3; else return 4;
}
kernel void k(device float* o [[buffer(0)]], device packed_float3* p [[buffer(1)]], constant int64_t& n [[buffer(2)]],
              device const bfloat* b [[buffer(3)]], uint3 tid [[thread_position_in_grid]]) {
  bfloat x = b[0]; x += bfloat(1); x = x * x - bfloat(0.5f); x /= b[1];
  const device vec<bfloat, 4>* v = reinterpret_cast<const device vec<bfloat, 4>*>(b); bfloat total = bfloat(0);
  for (short i = 0; i < 4; ++i) total += v[tid.x][i];
  packed_half4 h(half4(1, 2, 3, 4)); p[0] = float3(h.z, 1, 2) * 2 + p[1]; p[1].y = p[0].x; float3 q = p[0];
  o[0] = x; o[1] = float(total);
  o[2] = q.x; o[3] = n >> 33; o[4] = as_type<float>(0x3f800000);
  o[5] = as_type<half2>(0x40003c00u).y;
  o[6] = as_type<ushort>(half(1)); o[7] = as_type<bfloat>(ushort(0x4040));
  o[8] = kind(x) + 10 * kind(h.x) + 100 * kind(n) + 1000 * kind(q);
  o[9] = metal::precise::exp(0.0f) + metal::fast::log2(8.0f) + ulong(uint(-1)) * 2 % 1000; o[10] = x < b[1] ? 1 : 2;
}"""
    out, packed = np.zeros(11, np.float32), np.array([[0, 0, 0], [1, 1, 1]], np.float32)
    bfloats = np.array([1.5, 2, 3, 4], ml_dtypes.bfloat16)
    Library.from_source(source).kernel("k")(out, packed, 5 << 33, bfloats, grid=1)
    x = (6.25 - 0.5) / 2
    assert out.tolist() == [x, 10.5, 7, 5, 1, 2, 0x3C00, 3, 4321, 1 + 3 + 590, 2]
    assert packed.tolist() == [[7, 3, 5], [1, 7, 1]]


def test_forms_compile_for_every_kernel() -> None:
    path = Path(__file__).with_name("msl") / "forms.metal"
    found = Library.open(path)
    assert found.kernels == ("get_unpack", "get_negate", "fold_float32", "fold_float16", "fold_bfloat16")
    assert found.kernel("get_negate").reflection.bindings[0].type_name == "Block"
    for name in found.kernels[2:]:
        kernel = found.kernel(name, {"has_mask": True})
        assert [(a.name, a.type_size) for a in kernel.reflection.bindings][2:4] == [("mask", 1), ("p", 128)]
