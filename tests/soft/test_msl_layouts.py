"""Buffers of matrices, arrays and structs of them: what reflection says, and that kernels find what is there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from isometal.soft import Library
from isometal.soft.errors import ValidationError
from isometal.soft.reflection import Argument, Field

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
RANDOM = np.random.default_rng(20261125)
STRUCT = """
struct Inner { float4x4 m; half2x4 h[3]; };
struct P { float a[2][3]; float2 points[3]; Inner inner[2]; float3x3 r;
           packed_float3 p; bool3 b; half3 v; uchar last; };
"""


def argument(parameter: str, declarations: str = "") -> Argument:
    library = Library.from_source(f"{HEADER}{declarations}\nkernel void k({parameter}) {{}}")
    (found,) = library.reflection("k").arguments
    return found


#: Columns of three numbers take the place of four.
MATRICES = [
    (name := f"{element}{columns}x{rows}", name, size * columns * (rows + rows % 2), size * (rows + rows % 2))
    for element, size in (("float", 4), ("half", 2))
    for columns in (2, 3, 4)
    for rows in (2, 3, 4)
]


@pytest.mark.parametrize(
    ("type_", "name", "size", "alignment"),
    [
        *MATRICES,
        ("matrix<float, 3, 2>", "float3x2", 24, 8),
        ("metal::float4x4", "float4x4", 64, 16),
        ("packed_half3", "packed_half3", 6, 2),
        ("bool4", "bool4", 4, 4),
    ],
)
def test_types_of_buffers(type_: str, name: str, size: int, alignment: int) -> None:
    for space, bound in ((f"device {type_}* x", 0), (f"constant {type_}& x", size)):
        found = argument(space)
        assert (found.type_name, found.type_size, found.alignment, found.fields) == (name, size, alignment, ())
        assert found.required_bytes in (bound, size)
    several = argument(f"constant {type_} x[3]")
    assert (several.type_name, several.type_size, several.required_bytes) == (name, size, 3 * size)


def test_members_of_structs() -> None:
    found = argument("constant P& p", STRUCT)
    assert (found.type_size, found.alignment, found.required_bytes) == (352, 16, 352)
    inner = (Field("m", "float4x4", 0, 64), Field("h", "half2x4", 64, 16, 3))
    assert found.fields == (
        Field("a", "float", 0, 4, 6),
        Field("points", "float2", 24, 8, 3),
        Field("inner", "Inner", 48, 112, 2, inner),
        Field("r", "float3x3", 272, 48),
        Field("p", "packed_float3", 320, 12),
        Field("b", "bool3", 332, 4),
        Field("v", "half3", 336, 8),
        Field("last", "uchar", 344, 1),
    )


def run(source: str, *bound: Any, grid: int = 1) -> None:
    Library.from_source(HEADER + source).kernel("k")(*bound, grid=grid)


def test_kernels_calculate_with_matrices_in_buffers() -> None:
    m = RANDOM.integers(-4, 5, (6, 4, 4)).astype(np.float32)
    v = RANDOM.integers(-4, 5, (6, 4)).astype(np.float32)
    h = RANDOM.integers(-4, 5, (6, 2, 4)).astype(np.float16)
    product, out = np.zeros((6, 4, 4), np.float32), np.zeros((6, 4), np.float32)
    run(
        "kernel void k(device const float4x4* m, device const float4* v, device half2x4* h, device float4x4* product,\n"
        "              device float4* out, constant float4x4& one, uint i [[thread_position_in_grid]]) {\n"
        "  product[i] = m[i] * one; out[i] = m[i] * v[i] + float4(h[i][1]); h[i][0] = h[i] * half2(1, 2);\n"
        "  product[i][2].xyz += 1; product[i][3][1] = one[1][2]; }",
        m, v, h.copy(), product, out, m[1], grid=6,
    )  # fmt: skip
    expected = np.einsum("kj,njr->nkr", m[1], m)  # column k of the product is m times column k
    expected[:, 2, :3] += 1
    expected[:, 3, 1] = m[1, 1, 2]
    np.testing.assert_array_equal(product, expected)
    np.testing.assert_array_equal(out, np.einsum("ncr,nc->nr", m, v) + h[:, 1].astype(np.float32))


def test_structs_are_copied_between_address_spaces_with_all_members() -> None:
    given = RANDOM.integers(0, 2, (2, 352), np.uint8)
    given[:, 320:332] = RANDOM.integers(-9, 9, (2, 3)).astype(np.float32).view(np.uint8)
    out = np.zeros((3, 352), np.uint8)
    dtype = np.dtype("V352")
    run(
        STRUCT + "kernel void k(device P* out, constant P& c, device const P* d) {\n"
        "  threadgroup P t; P p = c; t = d[1]; out[0] = c; out[1] = t; p.inner[1].m = c.inner[0].m; p.p = c.p * 2;\n"
        "  p.points[2] = d[1].points[1]; out[2] = p; }",
        out.view(dtype), given[:1].view(dtype), given.view(dtype),
    )  # fmt: skip
    changed = given[0].copy()
    changed[160:224] = given[0, 48:112]
    changed[320:332] = (given[0, 320:332].view(np.float32) * 2).view(np.uint8)
    changed[40:48] = given[1, 32:40]
    # Padding is nobody's: between the members, and behind each third element.
    whole = np.ones(352, bool)
    whole[[335, 342, 343]] = whole[345:] = False
    whole[272:320].reshape(3, 16)[:, 12:] = False
    for row, expected in zip(out, (given[0], given[1], changed), strict=True):
        np.testing.assert_array_equal(row[whole], expected[whole])


def test_arrays_of_a_matrixs_elements_are_bound() -> None:
    source = "kernel void k(device float3x3* a, device float2x4* b) { a[0][2].z = 7; b[0][1] = 5; }"
    a, b = np.zeros((1, 3, 4), np.float32), np.zeros(8, np.float32)
    run(source, a, b)
    assert (a[0, 2, 2], b.tolist()) == (7, [0] * 4 + [5] * 4)
    with pytest.raises(ValidationError, match="each column takes the place of four numbers"):
        run(source, np.zeros((2, 3, 3), np.float32), b)
    with pytest.raises(ValidationError, match=r"an array of float16; elements of 32 bytes, or bytes, are needed"):
        run(source, a, b.astype(np.float16))
