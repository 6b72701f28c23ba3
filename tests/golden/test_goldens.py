"""Kind G on the backends that are here: every golden passes, and a planted fault turns its cell red."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from isometal import selection
from isometal.optable import BACKENDS, FLOATING, OPS
from isometal.parity import golden
from isometal.parity.model import Outcome


def available(backend: str) -> str:
    """The backend, or a skip that says why it is not here."""
    reason = selection.unavailable(backend)
    if reason is not None:
        pytest.skip(reason)
    return backend


def run_all(op: str, dtype: str, backend: str) -> dict[str, Outcome]:
    return {check.name: check.run() for check in golden.checks(op, dtype, backend)}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("op", OPS)
def test_goldens(op, backend):
    available(backend)
    for dtype in OPS[op].dtypes:
        outcomes = run_all(op, dtype, backend)
        assert outcomes
        failed = {name: outcome.message for name, outcome in outcomes.items() if outcome.status != "passed"}
        assert not failed, f"{op} {dtype} on {backend}"


def test_a_backend_that_cannot_run_is_not_run(monkeypatch):
    monkeypatch.setattr(selection, "unavailable", lambda backend: f"[{backend}] no device")
    (outcome, *_) = run_all("add", "float32", "metal").values()
    assert outcome.status == "not-run"
    assert outcome.message == "[metal] no device"


# -- the bound --------------------------------------------------------------------------------------------------------


def case_of(op: str, dtype: str, name: str) -> golden.GoldenCase:
    (case,) = (case for case in golden.load(op) if (case.dtype, case.name) == (dtype, name))
    return case


def perturbed(case: golden.GoldenCase, by: float) -> golden.GoldenCase:
    """The case with one element of its golden moved, as a wrong MLX would have recorded it."""
    wrong = np.array(case.result)
    wrong.reshape(-1)[3] += by
    return replace(case, outputs={"result": wrong})


@pytest.mark.parametrize(
    ("op", "dtype", "name", "by"),
    [
        ("add", "int32", "odd", 1),
        ("add", "float32", "odd", 1e-6),
        ("softmax", "float32", "odd", 1e-5),
        ("layer_norm", "float16", "wide", 2e-2),
        ("matmul", "float32", "square", 1e-2),
        ("divide", "float32", "odd", 1e-5),
    ],
)
def test_a_result_is_red_when_it_leaves_golden_and_truth(op, dtype, name, by):
    case = case_of(op, dtype, name)
    assert golden.judge(case, np.asarray(case.result), "cpu").status == "passed"
    outcome = golden.judge(case, np.asarray(perturbed(case, by).result), "cpu")
    assert outcome.status == "failed"
    assert "against MLX's golden" in outcome.message
    assert "against float64" in outcome.message


def test_only_mlx_is_granted_what_mlx_itself_is_off():
    case = case_of("rope", "float32", "longest")
    mine = golden.run(case, "cpu")
    right = golden.judge(case, mine, "cpu")
    assert right.status == "passed"
    # MLX's own answer, handed in by another backend, is outside the tolerance of float64.
    outcome = golden.judge(case, np.asarray(case.result), "cpu")
    assert outcome.status == "failed"
    assert "against float64" in outcome.message
    assert "against MLX's golden" not in outcome.message
    assert outcome.facts["golden_rms_vs_float64"] > 1000 * right.facts["rms_vs_float64"]
    assert golden.judge(case, np.asarray(case.result), "mlx").status == "passed"


def test_a_wrong_shape_and_a_wrong_dtype_are_red():
    case = case_of("add", "float32", "odd")
    right = np.asarray(case.result)
    assert "wrong shape" in golden.judge(case, right[:1], "cpu").message
    assert "wrong dtype" in golden.judge(case, right.astype(np.float16), "cpu").message


def test_nan_in_the_wrong_place_is_red():
    case = case_of("softmax", "float32", "specials")
    result = np.array(case.result)
    result[5, 1] = np.nan
    outcome = golden.judge(case, result, "cpu")
    assert outcome.status == "failed"
    assert outcome.metrics is not None
    assert outcome.metrics.pattern_mismatches == 1


# -- planted faults ---------------------------------------------------------------------------------------------------


def plant(monkeypatch: pytest.MonkeyPatch, op: str, make: Any) -> None:
    """Replace the cpu backend's ``op`` by ``make(true method)``."""
    backend = selection.get("cpu")
    monkeypatch.setattr(backend, op, make(getattr(backend, op)), raising=True)


def mask_one_late(true):
    return lambda q_len, kv_len, dtype: true(q_len, kv_len + 1, dtype)[:, :kv_len]


def attention_aligned_to_the_start(true):
    def op(q, k, v, scale, mask):
        if isinstance(mask, str):
            mask = (np.arange(k.shape[2]) <= np.arange(q.shape[2])[:, None])[None, None]
        return true(q, k, v, scale, mask)

    return op


def swapped_heads(true):
    return lambda q, k, v, scale, mask: true(q, k[:, ::-1], v[:, ::-1], scale, mask)


def next_axis(true):
    return lambda x, axes, keepdims: true(x, tuple(sorted((a + 1) % x.ndim for a in axes)), keepdims)


FAULTS = {
    "mask offset": ("causal_mask", mask_one_late),
    "attention mask offset": ("scaled_dot_product_attention", attention_aligned_to_the_start),
    "swapped GQA head": ("scaled_dot_product_attention", swapped_heads),
    "dropped eps in rms_norm": ("rms_norm", lambda true: lambda x, weight, eps: true(x, weight, 0.0)),
    "dropped eps in layer_norm": ("layer_norm", lambda true: lambda x, weight, bias, eps: true(x, weight, bias, 0.0)),
    "dropped bias": ("layer_norm", lambda true: lambda x, weight, bias, eps: true(x, weight, None, eps)),
    "rope one position late": (
        "rope",
        lambda true: lambda x, dims, t, base, scale, offset, freqs: true(x, dims, t, base, scale, offset + 1, freqs),
    ),
    "rope pairs": (
        "rope",
        lambda true: lambda x, dims, t, *rest: true(x, dims, not t, *rest),
    ),
    "sign flip": ("subtract", lambda true: lambda x, y: true(y, x)),
    "off-by-one axis": ("sum", next_axis),
    "tanh for erf": ("gelu", lambda true: lambda x, approx: true(x, "tanh" if approx == "none" else approx)),
}


#: The tanh formula differs from erf's by 4.7e-4 at most, inside the tolerance of half precision.
PLANTED = [(fault, dtype) for fault in FAULTS for dtype in FLOATING if fault != "tanh for erf" or dtype == "float32"]


@pytest.mark.parametrize(("fault", "dtype"), PLANTED)
def test_a_planted_fault_turns_goldens_red(monkeypatch, fault, dtype):
    op, make = FAULTS[fault]
    plant(monkeypatch, op, make)
    outcomes = run_all(op, dtype, "cpu").values()
    assert any(outcome.status == "failed" for outcome in outcomes)
    assert any("golden" in outcome.message for outcome in outcomes)


def test_an_op_that_writes_to_its_input_is_red(monkeypatch):
    def op(x):
        out = -x
        x[...] = 0
        return out

    plant(monkeypatch, "negative", lambda true: op)
    (check, *_) = golden.checks("negative", "float32", "cpu")
    with pytest.raises((AssertionError, ValueError), match="read-only"):
        check.run()
