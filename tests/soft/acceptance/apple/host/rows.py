"""Kernels over the last axis, a threadgroup per row: rms_norm, layer_norm, softmax, log-sum-exp.

Up to a limit a row fits the registers of one threadgroup; beyond it the "looped" kernels go over it in steps.
"""

from __future__ import annotations

from apple.launch import Launch, NDArray, Program, ceil_div, f32, flat, i32, poisoned, round_up, type_name, u32

RMS_LIMIT = 4096
LAYER_NORM_LIMIT = 6656
SOFTMAX_LIMIT = 4096


def _sizes(rows: int, size: int, looped: bool, reads: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    threads = 1024 if looped else round_up(ceil_div(size, reads), 32)
    return (rows * threads, 1, 1), (threads, 1, 1)


def rms_norm(x: NDArray, weight: NDArray | None, eps: float, looped: bool | None = None) -> Program:
    """Without a weight MLX passes one element 1 and stride 0."""
    rows, size = x.shape
    looped = size > RMS_LIMIT if looped is None else looped
    output = poisoned(x.size, x.dtype)
    w = weight if weight is not None else x.dtype.type(1).reshape(1)
    buffers = {0: flat(x), 1: flat(w), 2: output, 3: f32(eps), 4: u32(size), 5: u32(int(weight is not None))}
    kernel = f"rms{'_looped' if looped else ''}{type_name(x.dtype)}"
    return Program([Launch(kernel, buffers, *_sizes(rows, size, looped, 4))], output)


def layer_norm(x: NDArray, weight: NDArray, bias: NDArray, eps: float, looped: bool | None = None) -> Program:
    """Weight and bias of one element have stride 0."""
    rows, size = x.shape
    looped = size > LAYER_NORM_LIMIT if looped is None else looped
    output = poisoned(x.size, x.dtype)
    strides = [int(each.size > 1) for each in (weight, bias)]
    buffers = {
        0: flat(x),
        1: flat(weight),
        2: flat(bias),
        3: output,
        4: f32(eps),
        5: u32(size),
        6: u32(strides[0]),
        7: u32(strides[1]),
    }
    kernel = f"layer_norm{'_looped' if looped else ''}{type_name(x.dtype)}"
    return Program([Launch(kernel, buffers, *_sizes(rows, size, looped, 4 if looped else 8))], output)


def _over_rows(stem: str, x: NDArray, outputs: int, looped: bool) -> Program:
    rows, size = x.shape
    output = poisoned(outputs, x.dtype)
    kernel = f"{'looped' if looped else 'block'}_{stem}_{type_name(x.dtype)}"
    buffers = {0: flat(x), 1: output, 2: i32(size)}
    return Program([Launch(kernel, buffers, *_sizes(rows, size, looped, 4))], output)


def softmax(x: NDArray, precise: bool = False, looped: bool | None = None) -> Program:
    """`precise` adds up in float32 what is half-precision; float32 has no other kernel."""
    looped = x.shape[1] > SOFTMAX_LIMIT if looped is None else looped
    return _over_rows("softmax_precise" if precise else "softmax", x, x.size, looped)


def logsumexp(x: NDArray, looped: bool | None = None) -> Program:
    looped = x.shape[1] > SOFTMAX_LIMIT if looped is None else looped
    return _over_rows("logsumexp", x, x.shape[0], looped)
