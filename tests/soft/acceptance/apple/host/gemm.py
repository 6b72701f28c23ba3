"""Matrix times matrix: `steel_gemm_fused_{nn,nt,tn,tt}`, whose function constants say what is aligned to the tile."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from apple.launch import Launch, NDArray, Program, ceil_div, flat, i32, i64, poisoned, type_name


@dataclass(frozen=True)
class Tile:
    """A threadgroup of wm x wn simdgroups makes bm x bn results, bk products at a time."""

    bm: int
    bn: int
    bk: int
    wm: int
    wn: int

    def __str__(self) -> str:
        return f"bm{self.bm}_bn{self.bn}_bk{self.bk}_wm{self.wm}_wn{self.wn}"


#: The tiles that the metallib holds.
TILES = (
    Tile(64, 64, 16, 2, 2),
    Tile(64, 64, 16, 1, 2),
    Tile(64, 32, 32, 2, 2),
    Tile(64, 32, 8, 4, 1),
    Tile(32, 64, 16, 1, 2),
    Tile(32, 32, 16, 2, 2),
)


@dataclass(frozen=True)
class AddMM:
    """alpha * product + beta * source; the kernel adds plainly where both are 1."""

    source: NDArray
    alpha: float = 1.0
    beta: float = 1.0


def _params(
    sizes: tuple[int, int, int],
    leads: tuple[int, int, int],
    tiles: tuple[int, int],
    strides: Sequence[int],
    rest: Sequence[int],
) -> bytes:
    """GEMMParams: eight ints, three int64, three ints, padded to eight bytes."""
    return struct.pack("<8i3q3i4x", *sizes, *leads, *tiles, *strides, *rest)


def gemm(
    a: NDArray,
    b: NDArray,
    tile: Tile = TILES[0],
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    addmm: AddMM | None = None,
    swizzle: int | None = None,
    batch_by_strides: bool = False,
) -> Program:
    """`a` (batch, m, k) times `b` (batch, k, n).

    transpose_a, transpose_b  the operand lies in memory transposed
    swizzle                   log2 of how many rows of tiles neighbouring threadgroups take
    batch_by_strides          the kernel finds the batch through shape and strides
    """
    batch, m, k = a.shape
    n = b.shape[2]
    output = poisoned(batch * m * n, a.dtype)
    across, down = ceil_div(n, tile.bn), ceil_div(m, tile.bm)
    swizzle = (0 if down <= 3 else 1) if swizzle is None else swizzle
    leads = (m if transpose_a else k, k if transpose_b else n, n)
    rest = (swizzle, k // tile.bk, 1)
    params = _params((m, n, k), leads, (across, down), (m * k, k * n, m * n), rest)
    data_a = flat(a.swapaxes(1, 2)) if transpose_a else flat(a)
    data_b = flat(b.swapaxes(1, 2)) if transpose_b else flat(b)
    buffers: dict[int, NDArray | bytes] = {0: data_a, 1: data_b, 3: output, 4: params}
    strides = [m * k, k * n]
    if addmm is not None:
        buffers[2] = flat(addmm.source)
        # GEMMAddMMParams: row and column stride, batch stride, alpha, beta.
        buffers[5] = struct.pack("<2iq2f", n, 1, m * n, addmm.alpha, addmm.beta)
        strides.append(m * n)
    if batch_by_strides:
        buffers |= {6: i32(batch), 7: i64(*strides)}
    constants = {
        10: batch_by_strides,
        100: addmm is not None,
        110: addmm is not None and (addmm.alpha, addmm.beta) != (1.0, 1.0),
        200: m % tile.bm == 0,
        201: n % tile.bn == 0,
        202: k % tile.bk == 0,
    }
    layout = f"{'t' if transpose_a else 'n'}{'t' if transpose_b else 'n'}"
    name = type_name(a.dtype)
    kernel = f"steel_gemm_fused_{layout}_{name}_{name}_{tile}"
    grid = (across << swizzle, ceil_div(down, 1 << swizzle), batch)
    launch = Launch(kernel, buffers, grid, (32, tile.wn, tile.wm), "threadgroups", constants)
    return Program([launch], output)
