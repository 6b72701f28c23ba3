"""Matrix times vector: `gemv` where rows are contiguous, `gemv_t` where the matrix is transposed.

A thread makes tm rows (gemv) or tn columns (gemv_t) of the result from tiles of tm x tn; sm x sn threads are a
simdgroup, bm x bn simdgroups a threadgroup.
"""

from __future__ import annotations

from dataclasses import dataclass

from apple.launch import Launch, NDArray, Program, ceil_div, f32, flat, i32, i64, poisoned, type_name


@dataclass(frozen=True)
class Tile:
    """Shape of a kernel; its fields are in its name."""

    bm: int
    bn: int
    sm: int
    sn: int
    tm: int
    tn: int

    def __str__(self) -> str:
        return f"bm{self.bm}_bn{self.bn}_sm{self.sm}_sn{self.sn}_tm{self.tm}_tn{self.tn}"


def tile(inputs: int, outputs: int) -> Tile:
    """MLX's choice for gemv."""
    tm = 4 if outputs >= 4 else 1
    if inputs <= 64:
        return Tile(1, 1, 8, 4, tm, 4)
    if inputs >= 16 * outputs:
        return Tile(1, 8, 1, 32, tm, 4)
    return Tile(8 if outputs >= 4096 else 4, 1, 1, 32, tm, 4)


def tile_transposed(inputs: int, outputs: int) -> Tile:
    """MLX's choice for gemv_t."""
    sm, sn = (4, 8) if inputs >= 8192 and outputs >= 2048 else (8, 4)
    bn = 16 if outputs >= 2048 else 4 if outputs >= 512 else 2
    return Tile(1, bn, sm, sn, 4, 4 if outputs >= 4 else 1)


@dataclass(frozen=True)
class Axpby:
    """alpha * product + beta * bias."""

    alpha: float
    beta: float
    bias: NDArray


def gemv(
    matrix: NDArray,
    vector: NDArray,
    *,
    transposed: bool = False,
    axpby: Axpby | None = None,
    strided_batch: bool = False,
) -> Program:
    """`matrix` (batch, m, k) times `vector` (batch, k).

    transposed     the matrix lies in memory as (batch, k, m)
    strided_batch  the kernel that finds the batch through shape and strides
    """
    batch, outputs, inputs = matrix.shape
    output = poisoned(batch * outputs, matrix.dtype)
    shape = tile_transposed(inputs, outputs) if transposed else tile(inputs, outputs)
    per_group = shape.bn * shape.sn * shape.tn if transposed else shape.bm * shape.sm * shape.tm
    name = f"gemv{'_t' if transposed else ''}_{type_name(matrix.dtype)}_{shape}"
    data = flat(matrix.swapaxes(1, 2)) if transposed else flat(matrix)
    buffers: dict[int, NDArray | bytes] = {
        0: data,
        1: flat(vector),
        3: output,
        4: i32(inputs),
        5: i32(outputs),
        6: i32(outputs if transposed else inputs),
        9: i32(1),
        10: i32(batch),
        11: i64(inputs),
        12: i64(inputs * outputs),
    }
    if axpby is not None:
        bias = {2: flat(axpby.bias), 7: f32(axpby.alpha), 8: f32(axpby.beta), 13: i64(outputs), 14: i32(1)}
        buffers |= bias
    kernel = f"{name}_nc{int(strided_batch)}_axpby{int(axpby is not None)}"
    grid = (ceil_div(outputs, per_group), 1, batch)
    return Program([Launch(kernel, buffers, grid, (32, shape.bn, shape.bm), "threadgroups")], output)
