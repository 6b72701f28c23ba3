"""The golden functional test of the attention block: `pytest -k attention_block_goldens`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import isometal as im
from isometal import selection
from isometal.optable import BACKENDS, FLOATING
from isometal.parity import attention_block as block
from isometal.parity.golden_files import BLOCK, load

NAMES = sorted({case.name for case in load(BLOCK)})


def outcome_of(dtype: str, name: str, backend: str) -> Any:
    (check,) = (c for c in block.checks(dtype, backend) if c.name == f"attention_block_goldens-{name}")
    assert check.attention_block
    assert (check.op, check.kind) == ("scaled_dot_product_attention", "G")
    return check.run()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("backend", BACKENDS)
def test_attention_block_goldens(backend, dtype, name):
    reason = selection.unavailable(backend)
    if reason is not None:
        pytest.skip(reason)
    outcome = outcome_of(dtype, name, backend)
    assert outcome.status == "passed", outcome.message
    assert outcome.metrics.size > 0


@pytest.mark.parametrize("name", NAMES)
def test_steps_with_a_cache_equal_one_prefill(name):
    """Prefill and decode are the same function of the same tokens: one float32 pass over all of them must agree."""
    (case,) = (case for case in load(BLOCK) if (case.dtype, case.name) == ("float32", name))
    config = block.config_of(case)
    weights = {key: im.array(case.params[key], backend="cpu") for key in block.WEIGHTS}
    tokens = np.concatenate(case.inputs, axis=1)
    at_once = block.attention_block(
        im.array(tokens, backend="cpu"), weights, block.KVCache(tokens.shape[1]), config
    )["output"].numpy()  # fmt: skip
    steps = block.run(case, "cpu")
    stepwise = np.concatenate([steps[f"step{i}/output"] for i in range(len(case.inputs))], axis=1)
    np.testing.assert_allclose(stepwise, at_once, rtol=2e-6, atol=2e-6)


def test_the_cache_keeps_bits_and_grows_only_at_the_end():
    cache = block.KVCache(5)
    rng = np.random.default_rng(0)
    first, second = (rng.standard_normal((1, 2, t, 4)).astype(np.float16) for t in (3, 2))
    keys, values = cache.append(im.array(first, backend="cpu"), im.array(-first, backend="cpu"))
    before = keys.numpy().copy()
    longer, _ = cache.append(im.array(second, backend="cpu"), im.array(-second, backend="cpu"))
    np.testing.assert_array_equal(keys.numpy(), before)
    np.testing.assert_array_equal(longer.numpy(), np.concatenate([first, second], axis=2))
    np.testing.assert_array_equal(values.numpy(), -first)
    assert cache.length == 5


Method = Callable[..., Any]


def late_mask(true: Method) -> Method:
    def op(q: Any, k: Any, v: Any, scale: float, mask: Any) -> Any:
        if isinstance(mask, str):
            mask = (np.arange(k.shape[2]) <= np.arange(q.shape[2])[:, None])[None, None]
        return true(q, k, v, scale, mask)

    return op


#: fault -> (op, how, the stage that must be named first)
FAULTS: dict[str, tuple[str, Callable[[Method], Method], str]] = {
    "wrong mask offset": ("scaled_dot_product_attention", late_mask, "attention"),
    "swapped GQA head": (
        "scaled_dot_product_attention",
        lambda true: lambda q, k, v, scale, mask: true(q[:, ::-1], k, v, scale, mask)[:, ::-1],
        "attention",
    ),
    "dropped eps": ("rms_norm", lambda true: lambda x, weight, eps: true(x, weight, 0.0), "normed"),
    "rope ignores the cache": (
        "rope",
        lambda true: lambda x, dims, t, base, scale, offset, freqs: true(x, dims, t, base, scale, 0, freqs),
        "q",
    ),
    "scale dropped": (
        "scaled_dot_product_attention",
        lambda true: lambda q, k, v, scale, mask: true(q, k, v, 1.0, mask),
        "attention",
    ),
    "residual subtracted": ("add", lambda true: lambda x, y: x - y, "output"),
}


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_turns_the_block_red_and_names_the_stage(monkeypatch, fault, dtype):
    op, make, stage = FAULTS[fault]
    backend = selection.get("cpu")
    monkeypatch.setattr(backend, op, make(getattr(backend, op)))
    failed = [o for o in (outcome_of(dtype, name, "cpu") for name in NAMES) if o.status == "failed"]
    assert failed
    assert all(f"/{stage}:" in outcome.message for outcome in failed), [outcome.message for outcome in failed]


def test_a_missing_stage_is_red():
    (case, *_) = (case for case in load(BLOCK) if case.dtype == "float32")
    results = block.run(case, "cpu")
    del results["step1/attention"]
    outcome = block.judge(case, results, "cpu")
    assert outcome.status == "failed"
    assert "step1/attention" in outcome.message
