"""Rotary positions: `rope_*`, and `rope_single_*` for one position of contiguous data."""

from __future__ import annotations

import math

import numpy as np

from apple.launch import Launch, NDArray, Program, block, ceil_div, f32, flat, i32, i64, poisoned, type_name

#: Heads per thread.
HEADS = 4


def rope(
    x: NDArray,
    *,
    traditional: bool = False,
    base: float | None = 10000.0,
    freqs: NDArray | None = None,
    scale: float = 1.0,
    offset: NDArray,
    forward: bool = True,
    large: bool = False,
    transposed: bool = False,
) -> Program:
    """`x` of (batch, heads, positions, dims), all dims rotated; `offset` of one element or one per batch.

    `transposed`: the memory of `x` is (batch, positions, heads, dims), read through strides.
    """
    batch, heads, positions, dims = x.shape
    output = poisoned(x.size, x.dtype)
    matrix = positions * dims
    data = flat(x.transpose(0, 2, 1, 3)) if transposed else flat(x)
    strides = (dims, heads * dims, 1) if transposed else (matrix, dims, 1)
    single = positions == 1 and offset.size == 1 and not transposed
    name = f"rope_{'single_' if single else ''}{'freqs_' if freqs is not None else ''}"
    kernel = f"{name}{'large_' if large and not single else ''}{type_name(x.dtype)}"
    buffers: dict[int, NDArray | bytes] = {0: data, 1: output, 2: flat(offset.astype(np.int32)), 3: f32(scale)}
    constants = {1: forward, 2: traditional}
    if single:
        buffers[4] = i64(dims)
        grid = (dims // 2, batch * heads, 1)
    else:
        constants[3] = transposed
        step = 0 if offset.size == 1 else 1
        buffers |= {4: i64(*strides), 5: i64(matrix, dims, 1), 6: i64(step), 7: i32(heads)}
        grid = (dims // 2, positions, batch * ceil_div(heads, HEADS))
    if freqs is not None:
        buffers |= {10: flat(freqs), 11: i64(1)}
    elif base is not None:
        # MLX takes the logarithm in float32.
        buffers[10] = f32(float(np.float32(math.log2(base))))
    return Program([Launch(kernel, buffers, grid, block(*grid), constants=constants)], output)
