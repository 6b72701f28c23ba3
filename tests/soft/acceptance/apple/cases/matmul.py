"""gemv, gemv_t and steel_gemm_fused: every tile, every order of memory, aligned and not, batches, axpby."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from apple.case import Case, Group, generator
from apple.host import gemm as gemm_host
from apple.host import gemv as gemv_host
from apple.operands import FLOATS, normal, real
from apple.peer import mlx

#: (batch, outputs, inputs), by the kernel that MLX takes: short rows, long rows, many outputs, few.
GEMV = (
    (1, 1, 1),
    (1, 3, 33),
    (1, 4, 64),
    (2, 7, 65),
    (1, 33, 127),
    (3, 130, 129),
    (1, 5, 1000),
    (1, 3, 100),
    (1, 4097, 70),
)
GEMV_T = ((1, 1, 1), (1, 3, 33), (1, 4, 32), (2, 7, 65), (1, 33, 127), (3, 130, 129), (1, 513, 100), (1, 2049, 70))


def _gemv(dtype: str, transposed: bool, axpby: bool, strided_batch: bool) -> list[Case]:
    rng = generator("gemv", dtype, transposed, axpby, strided_batch)
    cases = []
    for batch, outputs, inputs in GEMV_T if transposed else GEMV:
        matrix, vector = normal(rng, (batch, outputs, inputs), dtype), normal(rng, (batch, inputs), dtype)
        bias = normal(rng, (batch, outputs), dtype) if axpby else None
        extra = gemv_host.Axpby(0.75, -1.5, bias) if bias is not None else None
        program = gemv_host.gemv(matrix, vector, transposed=transposed, axpby=extra, strided_batch=strided_batch)
        truth = np.einsum("bmk,bk->bm", real(matrix), real(vector))
        magnitude = np.einsum("bmk,bk->bm", np.abs(real(matrix)), np.abs(real(vector)))
        if bias is None:
            peer = mlx(lambda mx, m, v: (m @ v[..., None])[..., 0], matrix, vector)
        else:
            truth, magnitude = 0.75 * truth - 1.5 * real(bias), 0.75 * magnitude + 1.5 * np.abs(real(bias))
            peer = mlx(
                lambda mx, m, v, c: mx.addmm(c[..., None], m, v[..., None], 0.75, -1.5)[..., 0], matrix, vector, bias
            )
        cases.append(Case(f"{batch}x{outputs}x{inputs}", program, truth, peer, magnitude))
    return cases


def _sizes(tile: gemm_host.Tile) -> list[tuple[int, int, int, int]]:
    """(batch, m, n, k): aligned in every direction, and off by one at every edge of a tile."""
    bm, bn, bk = tile.bm, tile.bn, tile.bk
    return [
        (1, bm, bn, bk),
        (1, 2 * bm, bn, 4 * bk),
        (1, bm - 1, bn, 2 * bk),
        (1, bm, bn + 1, 2 * bk),
        (1, bm, bn, 2 * bk - 1),
        (1, bm + 1, bn - 1, bk + 1),
        (1, 3, 5, 7),
        (2, bm + 5, bn + 3, 3 * bk + 1),
    ]


def _gemm_case(
    dtype: str,
    tile: gemm_host.Tile,
    ta: bool,
    tb: bool,
    sizes: tuple[int, int, int, int],
    rng: np.random.Generator,
    **options: Any,
) -> Case:
    batch, m, n, k = sizes
    a, b = normal(rng, (batch, m, k), dtype), normal(rng, (batch, k, n), dtype)
    program = gemm_host.gemm(a, b, tile, transpose_a=ta, transpose_b=tb, **options)
    truth, magnitude = real(a) @ real(b), np.abs(real(a)) @ np.abs(real(b))
    peer = mlx(lambda mx, a, b: a @ b, a, b)
    add = options.get("addmm")
    if add is not None:
        truth = add.alpha * truth + add.beta * real(add.source)
        magnitude = abs(add.alpha) * magnitude + abs(add.beta) * np.abs(real(add.source))
        peer = mlx(lambda mx, a, b, c: mx.addmm(c, a, b, add.alpha, add.beta), a, b, add.source)
    return Case(f"{batch}x{m}x{n}x{k}", program, truth, peer, magnitude)


def _gemm(dtype: str, tile: gemm_host.Tile, ta: bool, tb: bool, swizzle: int | None = None) -> list[Case]:
    rng = generator("gemm", dtype, tile, ta, tb, swizzle)
    return [_gemm_case(dtype, tile, ta, tb, sizes, rng, swizzle=swizzle) for sizes in _sizes(tile)]


def _addmm(dtype: str, alpha: float, beta: float) -> list[Case]:
    tile = gemm_host.TILES[0]
    rng = generator("addmm", dtype, alpha, beta)
    cases = []
    for batch, m, n, k in _sizes(tile):
        add = gemm_host.AddMM(normal(rng, (batch, m, n), dtype), alpha, beta)
        for by_strides in (False, True):
            sizes = (batch, m, n, k)
            cases.append(_gemm_case(dtype, tile, False, False, sizes, rng, addmm=add, batch_by_strides=by_strides))
    return cases


def groups() -> Iterator[Group]:
    for dtype, transposed, axpby, strided in product(FLOATS, (False, True), (False, True), (False, True)):
        kernel = f"gemv{'_t' if transposed else ''}_nc{int(strided)}_axpby{int(axpby)}"
        yield Group("gemv", kernel, dtype, partial(_gemv, dtype, transposed, axpby, strided))
    for dtype, ta, tb in product(FLOATS, (False, True), (False, True)):
        order = f"{'t' if ta else 'n'}{'t' if tb else 'n'}"
        for tile in gemm_host.TILES if order == "nn" else gemm_host.TILES[:1]:
            yield Group("gemm", f"steel_gemm_fused_{order}_{tile}", dtype, partial(_gemm, dtype, tile, ta, tb))
    for dtype in FLOATS:
        yield Group(
            "gemm", "steel_gemm_fused_nn swizzled", dtype, partial(_gemm, dtype, gemm_host.TILES[0], False, False, 2)
        )
        yield Group("gemm", "steel_gemm_fused_nn add", dtype, partial(_addmm, dtype, 1.0, 1.0))
        yield Group("gemm", "steel_gemm_fused_nn axpby", dtype, partial(_addmm, dtype, 0.75, -1.5))
