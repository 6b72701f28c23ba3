"""Seeded faults: each one, put into a backend, turns exactly the right cell of the matrix red.

A fault is what a wrong kernel or adapter would do. It replaces one method of one backend while the parity checks of
its op run on both backends; the faulty cell must fail, and the other backend's cell must not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from isometal import selection
from isometal.optable import OPS
from isometal.parity import engine, matrix
from isometal.parity.builder import EvidenceBuilder, backend_info
from isometal.parity.evidence import Selected

BACKENDS = ("cpu", "mlx")

pytestmark = [
    pytest.mark.skipif(
        any(selection.unavailable(name) for name in BACKENDS),
        reason="MLX is not installed: faults are told apart by two",
    ),
    # Wrong arithmetic warns where the right one does not.
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]

#: (backend object, its true method) -> the faulty method. Values go through NumPy: the fault is the same anywhere.
Method = Callable[..., Any]
Fault = Callable[[Any, Method], Method]


def on_result(change: Callable[[np.ndarray], np.ndarray]) -> Fault:
    """A fault in the values of the result."""

    def fault(backend: Any, true: Method) -> Method:
        return lambda *args: backend.from_numpy(change(np.array(backend.to_numpy(true(*args)))))

    return fault


def on_arguments(change: Callable[..., tuple[Any, ...]]) -> Fault:
    """A fault in what reaches the arithmetic."""
    return lambda backend, true: lambda *args: true(*change(*args))


def one_wrong_among_a_million(values: np.ndarray) -> np.ndarray:
    if values.size >= 10**6:
        values.reshape(-1)[123_457] += 1
    return values


def one_pass_variance(backend: Any, true: Method) -> Method:
    def norm(x: Any, weight: Any, bias: Any, eps: float) -> Any:
        values = backend.to_numpy(x).astype(np.float32)
        mean = values.mean(-1, keepdims=True, dtype=np.float32)
        variance = (values * values).mean(-1, keepdims=True, dtype=np.float32) - mean * mean
        out = (values - mean) / np.sqrt(np.maximum(variance, 0) + np.float32(eps))
        for vector, apply in ((weight, np.multiply), (bias, np.add)):
            out = out if vector is None else apply(out, backend.to_numpy(vector).astype(np.float32))
        return backend.from_numpy(out.astype(backend.dtype(x)))

    return norm


def last_element_unwritten(backend: Any, true: Method) -> Method:
    def op(x: Any) -> Any:
        right = backend.to_numpy(true(x))
        out = np.empty(right.shape, right.dtype)
        out.reshape(-1)[:-1] = right.reshape(-1)[:-1]
        return backend.from_numpy(out)

    return op


def writes_to_its_operand(backend: Any, true: Method) -> Method:
    def op(x: Any) -> Any:
        result = true(x)
        backend.to_numpy(x)[...] = 0
        return result

    return op


def swapped_heads(q: Any, k: Any, v: Any, scale: float, mask: Any) -> tuple[Any, ...]:
    """Query heads grouped by h % Hkv instead of h // group: right for MHA, wrong for GQA."""
    keys, groups = k.shape[1], q.shape[1] // k.shape[1]
    order = [group + head * groups for group in range(groups) for head in range(keys)]
    return q[:, np.argsort(order)] if isinstance(q, np.ndarray) else _mlx_take(q, np.argsort(order)), k, v, scale, mask


def _mlx_take(q: Any, order: np.ndarray) -> Any:
    import mlx.core as mx

    return mx.take(q, mx.array(order.astype(np.int32)), axis=1)


def mask_from_the_start(backend: Any, true: Method) -> Method:
    """Causal alignment to the first key instead of the last."""

    def attention(q: Any, k: Any, v: Any, scale: float, mask: Any) -> Any:
        if isinstance(mask, str):
            seen = np.tril(np.ones((1, 1, q.shape[2], k.shape[2]), bool))
            mask = backend.from_numpy(seen)
        return true(q, k, v, scale, mask)

    return attention


def shifted(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted({max(axis - 1, 0) for axis in axes}))


def half_precision_sum(backend: Any, true: Method) -> Method:
    def op(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        values = backend.to_numpy(x)
        if values.dtype != np.float16 or not axes or values.size == 0:
            return true(x, axes, keepdims)
        with np.errstate(over="ignore", invalid="ignore"):
            moved = np.moveaxis(values, axes, range(len(axes))).reshape(-1, *np.delete(values.shape, axes))
            out = np.add.accumulate(moved, axis=0, dtype=np.float16)[-1]
        out = np.expand_dims(out, axes) if keepdims else out
        return backend.from_numpy(np.ascontiguousarray(out))

    return op


@dataclass(frozen=True)
class Planted:
    name: str
    op: str
    backend: str
    fault: Fault
    dtype: str = "float32"
    kind: str = "R"


S = "scaled_dot_product_attention"
FAULTS = [
    Planted("sign-flip", "add", "cpu", on_result(np.negative)),
    Planted("sign-lost", "negative", "mlx", on_result(np.abs)),
    Planted("one-wrong-among-a-million", "multiply", "cpu", on_result(one_wrong_among_a_million)),
    Planted("one-wrong-among-a-million", "add", "mlx", on_result(one_wrong_among_a_million)),
    Planted("swapped-operands", "divide", "mlx", on_arguments(lambda x, y: (y, x))),
    Planted("swapped-operands", "subtract", "cpu", on_arguments(lambda x, y: (y, x))),
    Planted("off-by-one-axis", "sum", "cpu", on_arguments(lambda x, axes, keep: (x, shifted(axes), keep))),
    Planted("off-by-one-axis", "softmax", "mlx", on_arguments(lambda x, axes, precise: (x, shifted(axes), precise))),
    Planted("dropped-eps", "rms_norm", "cpu", on_arguments(lambda x, w, eps: (x, w, 0.0))),
    Planted("dropped-eps", "layer_norm", "mlx", on_arguments(lambda x, w, b, eps: (x, w, b, 0.0))),
    Planted("one-pass-variance", "layer_norm", "cpu", one_pass_variance),
    Planted("dropped-bias", "layer_norm", "cpu", on_arguments(lambda x, w, b, eps: (x, w, None, eps))),
    Planted("wrong-mask-offset", "causal_mask", "mlx", on_result(lambda m: np.roll(m, 1, axis=-1))),
    Planted("wrong-mask-offset", S, "cpu", mask_from_the_start),
    Planted("wrong-mask-offset", S, "mlx", mask_from_the_start),
    Planted("swapped-gqa-head", S, "cpu", on_arguments(swapped_heads)),
    Planted("swapped-gqa-head", S, "mlx", on_arguments(swapped_heads)),
    Planted("ignored-offset", "rope", "mlx", on_arguments(lambda x, d, t, b, s, o, f: (x, d, t, b, s, 0, f))),
    Planted("wrong-pairs", "rope", "cpu", on_arguments(lambda x, d, t, b, s, o, f: (x, d, not t, b, s, o, f))),
    Planted("tanh-for-erf", "gelu", "cpu", on_arguments(lambda x, approx: (x, "tanh" if approx == "none" else approx))),
    Planted("last-element-unwritten", "silu", "cpu", last_element_unwritten),
    Planted("writes-to-its-operand", "negative", "cpu", writes_to_its_operand),
    Planted("nan-ignored", "max", "cpu", on_arguments(lambda x, axes, keep: (np.nan_to_num(x, nan=-1e30), axes, keep))),
    Planted("divides-by-n-minus-1", "mean", "mlx", on_result(lambda m: m * np.float32(1.25))),
    Planted("half-precision-accumulator", "sum", "cpu", half_precision_sum, dtype="float16"),
    Planted("wrong-result-dtype", "matmul", "mlx", on_result(lambda m: m.astype(np.float32)), dtype="float16"),
    Planted("transposed-operand", "matmul", "cpu", on_arguments(lambda x, y: (x[..., ::-1], y))),
    Planted("column-major", "reshape", "cpu", lambda b, true: lambda x, shape: np.reshape(x, shape, order="F")),
    Planted("inverse-permutation", "transpose", "mlx",
            on_arguments(lambda x, axes: (x, tuple(int(i) for i in np.argsort(axes))))),
    Planted("repeats-backwards", "broadcast_to", "cpu", on_result(lambda values: values[..., ::-1].copy())),
]  # fmt: skip


def _matrix(op: str, dtype: str, kind: str) -> matrix.Row:
    chosen = engine.Selection(backends=BACKENDS, ops=(op,), kinds=(kind,), dtypes=(dtype,))
    builder = EvidenceBuilder(
        Selected(chosen.backends, chosen.ops, chosen.kinds, chosen.dtypes),
        seed=chosen.seed,
        profile=chosen.profile,
        backends={name: backend_info(name) for name in BACKENDS},
    )
    engine.run(engine.plan(chosen), builder.add)
    (row,) = [row for row in matrix.rows(OPS, builder.build()) if row.op.name == op]
    return row


@pytest.mark.parametrize("planted", FAULTS, ids=lambda p: f"{p.op}-{p.backend}-{p.name}")
def test_a_seeded_fault_turns_the_right_cell_red(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = selection.get(planted.backend)
    true = getattr(backend, planted.op)
    monkeypatch.setattr(type(backend), planted.op, staticmethod(planted.fault(backend, true)))
    row = _matrix(planted.op, planted.dtype, planted.kind)
    (other,) = set(BACKENDS) - {planted.backend}
    assert row.cells[planted.backend].state is matrix.State.FAILED, f"{planted.name} survived"
    assert row.cells[other].state is not matrix.State.FAILED, row.cells[other].reasons
    assert row.cells[other].cases > 0


def test_enough_faults_of_every_named_sort() -> None:
    assert len(FAULTS) >= 12
    named = {
        "sign-flip",
        "off-by-one-axis",
        "dropped-eps",
        "wrong-mask-offset",
        "one-wrong-among-a-million",
        "swapped-gqa-head",
    }
    assert named <= {planted.name for planted in FAULTS}
    assert {planted.backend for planted in FAULTS} == set(BACKENDS)
    assert {planted.op for planted in FAULTS} == set(OPS)
