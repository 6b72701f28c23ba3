"""Bad input: at least five malformed calls per op give the documented error, with the same text on every backend."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import isometal as im
from isometal import selection
from isometal.optable import OPS

BACKENDS = selection.available()

SUPPORTED = "supported: float32, float16, bfloat16, int32, int64, uint32, bool."
FLOATING = "supported: float32, float16, bfloat16."
MAKE = "use an array, nested lists or a Python bool, int or float."


def f(*shape: int, dtype: str = "float32") -> im.Array:
    return im.array(np.zeros(shape, np.float32), dtype)


def _binary(op: str) -> list[tuple[str, object, type[Exception], str]]:
    call = getattr(im, op)
    return [
        (op, lambda: call(f(3), f(4)), im.ShapeError,
         "shapes (3,) and (4,) do not broadcast: axis -1 has 3 and 4; the sizes must be equal or one of them 1."),
        (op, lambda: call(f(2, 3), f(3, 3)), im.ShapeError,
         "shapes (2, 3) and (3, 3) do not broadcast: axis -2 has 2 and 3; the sizes must be equal or one of them 1."),
        (op, lambda: call(f(3), "x"), im.DTypeError, f"a value of type str is not array-like; {MAKE}"),
        (op, lambda: call(None, f(3)), im.DTypeError, f"a value of type NoneType is not array-like; {MAKE}"),
        (op, lambda: call(f(3), np.zeros(3, np.complex64)), im.DTypeError,
         f"dtype complex64 is not supported; {SUPPORTED}"),
        (op, lambda: call(np.zeros(3, np.int8), f(3)), im.DTypeError, f"dtype int8 is not supported; {SUPPORTED}"),
        (op, lambda: call(im.array([1, 2], "int32"), 2**40), im.ShapeError,
         "1099511627776 does not fit in int32; use a value in its range."),
        (op, lambda: call(im.array([1, 2], "uint32"), -1), im.ShapeError,
         "-1 does not fit in uint32; use a value in its range."),
        (op, lambda: call([[1, 2], [3]], f(2)), im.ShapeError, None),
    ]  # fmt: skip


def _float_only(op: str, call: object) -> list[tuple[str, object, type[Exception], str]]:
    return [
        (op, lambda: call(im.array([1, 2], "int32")), im.DTypeError, f"dtype int32 is not supported; {FLOATING}"),
        (op, lambda: call(np.array([True])), im.DTypeError, f"dtype bool is not supported; {FLOATING}"),
        (op, lambda: call("abc"), im.DTypeError, f"a value of type str is not array-like; {MAKE}"),
        (op, lambda: call({}), im.DTypeError, f"a value of type dict is not array-like; {MAKE}"),
        (op, lambda: call(np.array(["a"])), im.DTypeError, f"dtype <U1 is not supported; {SUPPORTED}"),
        (op, lambda: call(np.array([None])), im.DTypeError, f"dtype object is not supported; {SUPPORTED}"),
    ]  # fmt: skip


def _reduction(op: str) -> list[tuple[str, object, type[Exception], str]]:
    call = getattr(im, op)
    return [
        (op, lambda: call(f(2, 3), axis=2), im.ShapeError,
         "axis 2 is out of range for an array of 2 dimensions; valid axes are -2 to 1."),
        (op, lambda: call(f(2, 3), axis=(0, -2)), im.ShapeError,
         "axis (0, -2) names an axis twice; each may be named once."),
        (op, lambda: call(f(2, 3), axis=1.5), im.DTypeError, "axis must be an integer, not float: 1.5."),
        (op, lambda: call(f(2, 3), axis=True), im.DTypeError, "axis must be an integer, not bool: True."),
        (op, lambda: call(f(2, 3), keepdims="yes"), im.DTypeError,
         "keepdims must be True or False, not str: 'yes'."),
        (op, lambda: call(im.array(1.0), axis=0), im.ShapeError,
         "axis 0 is out of range for an array of 0 dimensions; it has no axes."),
        (op, lambda: call(np.zeros(3, np.complex128)), im.DTypeError,
         f"dtype complex128 is not supported; {SUPPORTED}"),
    ]  # fmt: skip


def _sdpa(*args: object, **kwargs: object) -> im.Array:
    return im.scaled_dot_product_attention(*args, **{"scale": 1.0, **kwargs})


_Q, _K, _V = (1, 4, 3, 8), (1, 2, 5, 8), (1, 2, 5, 6)
S = "scaled_dot_product_attention"

ROWS = [
    *_binary("add"), *_binary("subtract"), *_binary("multiply"), *_binary("divide"),
    ("negative", lambda: im.negative(np.array([True])), im.DTypeError,
     "dtype bool is not supported; supported: float32, float16, bfloat16, int32, int64, uint32."),
    ("negative", lambda: im.negative("x"), im.DTypeError, f"a value of type str is not array-like; {MAKE}"),
    ("negative", lambda: im.negative(1j), im.DTypeError, f"a value of type complex is not array-like; {MAKE}"),
    ("negative", lambda: im.negative(np.zeros(2, np.uint8)), im.DTypeError,
     f"dtype uint8 is not supported; {SUPPORTED}"),
    ("negative", lambda: im.negative([[1.0], [2.0, 3.0]]), im.ShapeError, None),
    ("negative", lambda: im.negative(np.ma.masked_array([1.0], [True])), im.DTypeError,
     "masked arrays are not supported; fill the array first: x.filled(value)."),
    ("matmul", lambda: im.matmul(f(8, 16), f(32, 4)), im.ShapeError,
     "inner dimensions differ: a has shape (8, 16), b has shape (32, 4); a.shape[-1] must equal b.shape[-2]."),
    ("matmul", lambda: im.matmul(f(8, 16), f(8)), im.ShapeError,
     "inner dimensions differ: a has shape (8, 16), b has shape (8,); a.shape[-1] must equal b.shape[0]."),
    ("matmul", lambda: im.matmul(f(), f(3)), im.ShapeError,
     "operands need at least 1 dimension: a has shape (), b has shape (3,)."),
    ("matmul", lambda: im.matmul(f(2, 3, 4), f(3, 4, 5)), im.ShapeError,
     "shapes (2,) and (3,) do not broadcast: axis -1 has 2 and 3; the sizes must be equal or one of them 1."),
    ("matmul", lambda: im.matmul(im.array([[1]], "int32"), f(1, 1)), im.DTypeError,
     f"dtype int32 is not supported; {FLOATING}"),
    ("matmul", lambda: im.matmul(f(2, 2), 3.0), im.ShapeError,
     "operands need at least 1 dimension: a has shape (2, 2), b has shape ()."),
    *_float_only("silu", im.silu), *_float_only("gelu", im.gelu),
    ("gelu", lambda: im.gelu(f(2), approx="erf"), im.ShapeError,
     "approx='erf' is unknown; choose one of none, tanh, precise, fast."),
    ("gelu", lambda: im.gelu(f(2), approx=None), im.ShapeError,
     "approx=None is unknown; choose one of none, tanh, precise, fast."),
    *_float_only("softmax", im.softmax),
    ("softmax", lambda: im.softmax(f(2, 3), axis=3), im.ShapeError,
     "axis 3 is out of range for an array of 2 dimensions; valid axes are -2 to 1."),
    ("softmax", lambda: im.softmax(f(2, 3), axis=(1, 1)), im.ShapeError,
     "axis (1, 1) names an axis twice; each may be named once."),
    ("softmax", lambda: im.softmax(im.array(1.0)), im.ShapeError,
     "axis -1 is out of range for an array of 0 dimensions; it has no axes."),
    ("softmax", lambda: im.softmax(f(2), precise=1), im.DTypeError, "precise must be True or False, not int: 1."),
    ("causal_mask", lambda: im.causal_mask(-1), im.ShapeError, "q_len is -1; it must be 0 to 2147483647."),
    ("causal_mask", lambda: im.causal_mask(2, -3), im.ShapeError, "kv_len is -3; it must be 0 to 2147483647."),
    ("causal_mask", lambda: im.causal_mask(2**31), im.ShapeError, "q_len is 2147483648; it must be 0 to 2147483647."),
    ("causal_mask", lambda: im.causal_mask(2.0), im.DTypeError, "q_len must be an integer, not float: 2.0."),
    ("causal_mask", lambda: im.causal_mask(True), im.DTypeError, "q_len must be an integer, not bool: True."),
    ("causal_mask", lambda: im.causal_mask(2, dtype="int32"), im.DTypeError,
     f"dtype int32 is not supported; {FLOATING}"),
    ("causal_mask", lambda: im.causal_mask(2, dtype="f4"), im.DTypeError, f"dtype f4 is not supported; {SUPPORTED}"),
    *_float_only("rms_norm", im.rms_norm), *_float_only("layer_norm", im.layer_norm),
    ("rms_norm", lambda: im.rms_norm(f(2, 4), f(3)), im.ShapeError,
     "weight has shape (3,), x has shape (2, 4); weight must have shape (4,)."),
    ("rms_norm", lambda: im.rms_norm(f(2, 4), f(1, 4)), im.ShapeError,
     "weight has shape (1, 4), x has shape (2, 4); weight must have shape (4,)."),
    ("rms_norm", lambda: im.rms_norm(f()), im.ShapeError,
     "x has no dimensions; it needs at least 1, the axis to normalise."),
    ("rms_norm", lambda: im.rms_norm(f(2), eps=-1e-5), im.ShapeError, "eps is -1e-05; it must not be negative."),
    ("rms_norm", lambda: im.rms_norm(f(2), eps=float("nan")), im.ShapeError, "eps is nan; it must be finite."),
    ("rms_norm", lambda: im.rms_norm(f(2), eps="1e-5"), im.DTypeError, "eps must be a real number, not str: '1e-5'."),
    ("layer_norm", lambda: im.layer_norm(f(2, 4), f(4), f(5)), im.ShapeError,
     "bias has shape (5,), x has shape (2, 4); bias must have shape (4,)."),
    ("layer_norm", lambda: im.layer_norm(f(2, 4), im.array([1, 2, 3, 4], "int32")), im.DTypeError,
     f"dtype int32 is not supported; {FLOATING}"),
    ("layer_norm", lambda: im.layer_norm(f()), im.ShapeError,
     "x has no dimensions; it needs at least 1, the axis to normalise."),
    ("layer_norm", lambda: im.layer_norm(f(2), eps=float("inf")), im.ShapeError, "eps is inf; it must be finite."),
    ("layer_norm", lambda: im.layer_norm(f(2), eps=None), im.DTypeError, "eps must be a real number, not NoneType."),
    ("rope", lambda: im.rope(f(4), 4), im.ShapeError, "x has shape (4,); it needs at least 2 dimensions, (..., T, D)."),
    ("rope", lambda: im.rope(f(3, 4), 3), im.ShapeError,
     "dims is 3, x has shape (3, 4); dims must be even, positive, at most 4."),
    ("rope", lambda: im.rope(f(3, 4), 6), im.ShapeError,
     "dims is 6, x has shape (3, 4); dims must be even, positive, at most 4."),
    ("rope", lambda: im.rope(f(3, 4), 0), im.ShapeError,
     "dims is 0, x has shape (3, 4); dims must be even, positive, at most 4."),
    ("rope", lambda: im.rope(f(3, 4), 4.0), im.DTypeError, "dims must be an integer, not float: 4.0."),
    ("rope", lambda: im.rope(f(3, 4), 4, base=0.0), im.ShapeError, "base is 0.0; it must be positive."),
    ("rope", lambda: im.rope(f(3, 4), 4, scale=float("inf")), im.ShapeError, "scale is inf; it must be finite."),
    ("rope", lambda: im.rope(f(3, 4), 4, scale=1e300), im.ShapeError, "scale is 1e+300; it must fit in float32."),
    ("rope", lambda: im.rope(f(3, 4), 4, offset=1.5), im.DTypeError,
     "offset must be an integer or an integer array, not float: 1.5."),
    ("rope", lambda: im.rope(f(2, 3, 4), 4, offset=np.array([1, 2, 3])), im.ShapeError,
     "offset has shape (3,), x has shape (2, 3, 4); offset must be one integer or have shape (x.shape[0],), "
     "and x then needs at least 3 dimensions."),
    ("rope", lambda: im.rope(f(2, 3, 4), 4, offset=np.array([1.0, 2.0])), im.DTypeError,
     "dtype float32 is not supported; supported: int32, int64, uint32."),
    ("rope", lambda: im.rope(f(2, 3, 4), 4, freqs=f(3)), im.ShapeError,
     "freqs has shape (3,), dims is 4; freqs must have shape (2,)."),
    ("rope", lambda: im.rope(im.array([[1, 2]], "int32"), 2), im.DTypeError,
     f"dtype int32 is not supported; {FLOATING}"),
    ("rope", lambda: im.rope(f(3, 4), 4, offset=2**31), im.ShapeError, "offset is 2147483648; it must fit in int32."),
    ("rope", lambda: im.rope(f(3, 4), 4, traditional=1), im.DTypeError,
     "traditional must be True or False, not int: 1."),
    *_reduction("sum"), *_reduction("mean"), *_reduction("max"),
    ("max", lambda: im.max(f(2, 0)), im.ShapeError,
     "axis 1 has size 0 in shape (2, 0); a maximum needs at least 1 element."),
    ("reshape", lambda: im.reshape(f(2, 3), (4, 2)), im.ShapeError,
     "an array of shape (2, 3) has 6 elements; shape (4, 2) does not hold exactly as many."),
    ("reshape", lambda: im.reshape(f(2, 3), (4, -1)), im.ShapeError,
     "an array of shape (2, 3) has 6 elements; shape (4, -1) does not hold exactly as many."),
    ("reshape", lambda: im.reshape(f(2, 3), (-1, -1)), im.ShapeError,
     "shape (-1, -1) is not valid; sizes are 0 or more, and at most one may be -1."),
    ("reshape", lambda: im.reshape(f(2, 3), (-2, 3)), im.ShapeError,
     "shape (-2, 3) is not valid; sizes are 0 or more, and at most one may be -1."),
    ("reshape", lambda: im.reshape(f(0, 3), (-1, 0)), im.ShapeError,
     "shape (-1, 0) leaves -1 undetermined; give every size where one is 0."),
    ("reshape", lambda: im.reshape(f(2, 3), (2.0, 3)), im.DTypeError, "shape must be an integer, not float: 2.0."),
    ("reshape", lambda: im.reshape(f(2, 3), "6"), im.DTypeError, "shape must be integers, not str: '6'."),
    ("reshape", lambda: im.reshape(f(1), (1,) * 33), im.ShapeError,
     "shape has 33 dimensions; at most 32 are possible."),
    ("transpose", lambda: im.transpose(f(2, 3), (0,)), im.ShapeError,
     "1 axes for an array of 2 dimensions: (0,); name each axis once."),
    ("transpose", lambda: im.transpose(f(2, 3), (0, 2)), im.ShapeError,
     "axis 2 is out of range for an array of 2 dimensions; valid axes are -2 to 1."),
    ("transpose", lambda: im.transpose(f(2, 3), (0, -2)), im.ShapeError,
     "axes (0, -2) name an axis twice; each axis must be named once."),
    ("transpose", lambda: im.transpose(f(2, 3), (0, "1")), im.DTypeError, "axes must be an integer, not str: '1'."),
    ("transpose", lambda: im.transpose(object()), im.DTypeError, f"a value of type object is not array-like; {MAKE}"),
    ("transpose", lambda: im.transpose(f(2, 3), (0, 1.0)), im.DTypeError, "axes must be an integer, not float: 1.0."),
    ("broadcast_to", lambda: im.broadcast_to(f(3), (4,)), im.ShapeError,
     "shape (3,) does not broadcast to (4,); aligned from the last axis, each size must be equal or 1."),
    ("broadcast_to", lambda: im.broadcast_to(f(2, 1, 3), (2, 3)), im.ShapeError,
     "shape (2, 1, 3) does not broadcast to (2, 3); aligned from the last axis, each size must be equal or 1."),
    ("broadcast_to", lambda: im.broadcast_to(f(1), (-1,)), im.ShapeError,
     "shape (-1,) has a negative size; sizes are 0 or more."),
    ("broadcast_to", lambda: im.broadcast_to(f(1), (2**31,)), im.ShapeError,
     "shape (2147483648,) is too large; an axis holds at most 2147483647 elements and an array 9223372036854775807."),
    ("broadcast_to", lambda: im.broadcast_to(f(1), (2**30, 2**30, 2**30)), im.ShapeError,
     "shape (1073741824, 1073741824, 1073741824) is too large; an axis holds at most 2147483647 elements "
     "and an array 9223372036854775807."),
    ("broadcast_to", lambda: im.broadcast_to(f(1), None), im.DTypeError,
     "shape must be an integer, not NoneType: None."),
    (S, lambda: _sdpa(f(4, 3, 8), f(*_K), f(*_V)), im.ShapeError,
     "q has shape (4, 3, 8); it must have 4 dimensions, (batch, heads, length, dim)."),
    (S, lambda: _sdpa(f(2, 4, 3, 8), f(*_K), f(*_V)), im.ShapeError,
     "batch sizes differ: q has shape (2, 4, 3, 8), k has shape (1, 2, 5, 8), v has shape (1, 2, 5, 6); "
     "shape[0] must be equal."),
    (S, lambda: _sdpa(f(1, 3, 3, 8), f(*_K), f(*_V)), im.ShapeError,
     "heads do not group: q has shape (1, 3, 3, 8), k has shape (1, 2, 5, 8), v has shape (1, 2, 5, 6); "
     "q's heads must be a multiple of k's."),
    (S, lambda: _sdpa(f(1, 4, 3, 7), f(*_K), f(*_V)), im.ShapeError,
     "head dimensions differ: q has shape (1, 4, 3, 7), k has shape (1, 2, 5, 8), v has shape (1, 2, 5, 6); "
     "q.shape[-1] must equal k.shape[-1]."),
    (S, lambda: _sdpa(f(*_Q), f(*_K), f(1, 2, 4, 6)), im.ShapeError,
     "keys and values differ: q has shape (1, 4, 3, 8), k has shape (1, 2, 5, 8), v has shape (1, 2, 4, 6); "
     "k and v must have equal heads and lengths."),
    (S, lambda: _sdpa(f(*_Q), f(*_K), f(*_V), mask="full"), im.ShapeError,
     "mask 'full' is unknown; use None, \"causal\", a bool array or an additive array."),
    (S, lambda: _sdpa(f(*_Q), f(*_K), f(*_V), mask=f(3, 4)), im.ShapeError,
     "mask has shape (3, 4); it must broadcast to (B, Hq, Tq, Tkv) = (1, 4, 3, 5)."),
    (S, lambda: _sdpa(f(*_Q), f(*_K), f(*_V), mask=np.zeros((3, 5), np.int32)), im.DTypeError,
     "mask has dtype int32; use bool, or an additive mask that promotes to float32."),
    (S, lambda: _sdpa(f(*_Q, dtype="float16"), f(*_K, dtype="float16"), f(*_V, dtype="float16"), mask=f(3, 5)),
     im.DTypeError, "mask has dtype float32; use bool, or an additive mask that promotes to float16."),
    (S, lambda: _sdpa(f(*_Q), f(*_K), f(*_V), scale=None), im.DTypeError, "scale must be a real number, not NoneType."),
    (S, lambda: _sdpa(f(*_Q), f(*_K), f(*_V), scale=float("nan")), im.ShapeError, "scale is nan; it must be finite."),
    (S, lambda: _sdpa(im.array(np.zeros(_Q), "int32"), f(*_K), f(*_V)), im.DTypeError,
     f"dtype int32 is not supported; {FLOATING}"),
]  # fmt: skip


def _message(call: object, backend: str, expected: type[Exception]) -> str:
    with im.use_backend(backend), pytest.raises(expected) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(("op", "call", "kind", "text"), ROWS, ids=[f"{i}-{row[0]}" for i, row in enumerate(ROWS)])
def test_malformed_calls_give_the_documented_error(op: str, call: object, kind: type[Exception], text: str) -> None:
    messages = {backend: _message(call, backend, kind) for backend in BACKENDS}
    assert len(set(messages.values())) == 1, messages
    if text is None:
        assert messages["cpu"].startswith(f"[{op}] the input is not a regular array: ")
    else:
        assert messages["cpu"] == f"[{op}] {text}"


def test_every_op_has_at_least_five_malformed_calls() -> None:
    counts = collections.Counter(row[0] for row in ROWS)
    assert set(counts) == set(OPS)
    assert min(counts.values()) >= 5, counts


def test_error_types_are_the_builtin_ones_too() -> None:
    assert issubclass(im.ShapeError, ValueError)
    assert issubclass(im.DTypeError, TypeError)
    assert issubclass(im.BackendError, RuntimeError)
    assert issubclass(im.BackendNameError, ValueError)


@pytest.mark.parametrize("op", ["add", "matmul"])
def test_operands_on_two_backends(op: str) -> None:
    if "mlx" not in BACKENDS:
        pytest.skip("MLX is not installed: two backends are needed")
    a, b = im.array([[1.0]], backend="cpu"), im.array([[1.0]], backend="mlx")
    with pytest.raises(im.BackendError) as caught:
        getattr(im, op)(a, b)
    assert str(caught.value) == (
        f'[{op}] operands are on two backends, cpu and mlx; move one: .to("cpu") or .to("mlx").'
    )
