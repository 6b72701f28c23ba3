"""Attention of few queries: `sdpa_vector`, and `sdpa_vector_2pass` whose first launch splits the keys into blocks.

Array masks, sinks and causal order are function constants; the arguments that they switch off are not bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apple.launch import Constant, Launch, NDArray, Program, f32, flat, i32, i64, poisoned

#: These kernels name types as Metal does.
_NAMES = {"float32": "float", "float16": "float16_t", "bfloat16": "bfloat16_t"}


@dataclass(frozen=True)
class Options:
    """`mask` is None, an array of bool or of the operands' dtype broadcast to (batch, heads, queries, keys)."""

    causal: bool = False
    mask: NDArray | None = None
    sinks: NDArray | None = None


def _constants(options: Options) -> dict[int, Constant]:
    mask = options.mask
    return {
        20: mask is not None,
        21: False,
        22: options.causal,
        23: mask is not None and mask.dtype == np.bool_,
        24: mask is not None and mask.dtype != np.bool_,
        25: options.sinks is not None,
    }


def _optional(options: Options, first: int) -> dict[int, NDArray | bytes]:
    """Mask and sinks, whose indices start at `first`: bool mask, float mask, three strides, sinks."""
    buffers: dict[int, NDArray | bytes] = {}
    mask = options.mask
    if mask is not None:
        boolean = mask.dtype == np.bool_
        buffers[first + (0 if boolean else 1)] = flat(mask)
        _, _, queries, keys = mask.shape
        buffers |= {first + 2: i32(1), first + 3: i32(keys), first + 4: i32(queries * keys)}
    if options.sinks is not None:
        buffers[first + 5] = flat(options.sinks)
    return buffers


def _keys(k: NDArray, v: NDArray, first: int) -> dict[int, bytes]:
    """Head and position strides of contiguous keys and values."""
    length = k.shape[2]
    strides = [length * k.shape[3], k.shape[3], length * v.shape[3], v.shape[3]]
    return {first + i: i64(each) for i, each in enumerate(strides)}


def sdpa_vector(q: NDArray, k: NDArray, v: NDArray, scale: float, options: Options = Options()) -> Program:
    """All four-dimensional: (batch, heads, positions, dims). One threadgroup per query, 32 keys at a time."""
    batch, heads, queries, dims = q.shape
    output = poisoned(batch * heads * queries * v.shape[3], q.dtype)
    buffers: dict[int, NDArray | bytes] = {
        0: flat(q),
        1: flat(k),
        2: flat(v),
        3: output,
        4: i32(heads // k.shape[1]),
        5: i32(k.shape[2]),
        10: f32(scale),
        **_keys(k, v, 6),
        **_optional(options, 11),
    }
    if options.sinks is not None:
        buffers[17] = i32(heads)
    kernel = f"sdpa_vector_{_NAMES[q.dtype.name]}_{dims}_{v.shape[3]}"
    launch = Launch(kernel, buffers, (batch * heads, queries, 1), (1024, 1, 1), "threadgroups", _constants(options))
    return Program([launch], output)


def sdpa_vector_two_pass(
    q: NDArray,
    k: NDArray,
    v: NDArray,
    scale: float,
    options: Options = Options(),
    blocks: int = 64,
    grouped: bool = False,
) -> Program:
    """`grouped`: the first launch's kernel for 8, 12 or 16 query heads per key head, which takes no options."""
    batch, heads, queries, dims = q.shape
    factor = heads // k.shape[1]
    width = v.shape[3]
    output = poisoned(batch * heads * queries * width, q.dtype)
    rows = batch * heads * queries * blocks
    partial, sums, maxima = poisoned(rows * width, q.dtype), poisoned(rows, np.float32), poisoned(rows, np.float32)
    name = _NAMES[q.dtype.name]
    first = Launch(
        f"sdpa_vector_2pass_1_{f'gqa_{factor}_' if grouped else ''}{name}_{dims}_{width}",
        {
            0: flat(q),
            1: flat(k),
            2: flat(v),
            3: partial,
            4: sums,
            5: maxima,
            7: i32(k.shape[2]),
            12: f32(scale),
            **_keys(k, v, 8),
            **({} if grouped else _optional(options, 13)),
        },
        (k.shape[1], batch, blocks),
        (32, factor, queries),
        "threadgroups",
        {} if grouped else {**_constants(options), 26: blocks},
    )
    second = Launch(
        f"sdpa_vector_2pass_2_{name}_{width}",
        {0: partial, 1: sums, 2: maxima, 3: output, 4: i32(blocks)},
        (batch * heads, queries, 1),
        (1024, 1, 1),
        "threadgroups",
    )
    return Program([first, second], output, [partial, sums, maxima])
