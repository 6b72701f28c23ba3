"""A device that flushes subnormals is excused for that, and for nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from isometal import selection
from isometal.dtypes import BY_NAME
from isometal.parity import subnormals
from isometal.parity.model import ArraySpec, Case
from isometal.parity.operands import Operands
from isometal.parity.truth import truth

SMALL = 2.0**-130
#: Ops that leave one number of a vector.
_TO_A_NUMBER = ("sum", "mean", "matmul")


@pytest.fixture
def flushing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection.get("cpu"), "flushes_subnormals", True, raising=False)


def _passes(op: str, dtype: str, inputs: list[list[float]], result: list[float]) -> bool:
    arrays = [np.array(x, BY_NAME[dtype]) for x in inputs]
    case = Case(op, dtype, "made", tuple(ArraySpec(x.shape, dtype) for x in arrays))
    operands = Operands(list(arrays), {})
    return subnormals.judge(case, operands, truth(case, operands), np.array(result, BY_NAME[dtype]), "cpu").passed


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("op", "inputs", "kept", "flushed"),
    [
        ("add", [[SMALL], [SMALL]], 2 * SMALL, 0.0),
        ("multiply", [[SMALL], [2.0**20]], 2.0**-110, 0.0),
        ("divide", [[1.0], [-(2.0**-127)]], -(2.0**127), -np.inf),
        ("subtract", [[SMALL], [2 * SMALL]], -SMALL, 0.0),
        ("sum", [[SMALL] * 64], 64 * SMALL, 0.0),
        # A partial sum is flushed although neither operands nor result are subnormal.
        ("sum", [[2.0**-126, -1.25 * 2.0**-126, 2.0**-124]], 0.9375 * 2.0**-124, 2.0**-124),
        ("mean", [[2.0**-126, -1.25 * 2.0**-126, 2.0**-124, 2.0**-124]], 1.9375 * 2.0**-126, 2.0**-125),
        ("matmul", [[2.0**-60, 2.0**-60], [2.0**-67, 1.0]], 2.0**-60 * (1 + 2.0**-67), 2.0**-60),
        ("matmul", [[2.0**-60] * 2, [2.0**-64, 1.5 * 2.0**-66]], 2.0**-124 * 1.375, 2.0**-124),
    ],
)
def test_both_answers_are_right_on_a_flushing_device(
    op: str, dtype: str, inputs: list[list[float]], kept: float, flushed: float, flushing: None
) -> None:
    for answer in (kept, flushed):
        assert _passes(op, dtype, inputs, answer if op in _TO_A_NUMBER else [answer])  # type: ignore[arg-type]


@pytest.mark.parametrize(("dtype", "below_one"), [("float32", 1.0 - 2.0**-24), ("bfloat16", 1.0 - 2.0**-8)])
@pytest.mark.parametrize("answer", [2.0**-126, 0.0])
def test_a_result_may_be_flushed_before_it_is_rounded_up(
    dtype: str, below_one: float, answer: float, flushing: None
) -> None:
    assert _passes("multiply", dtype, [[below_one], [2.0**-126]], [answer])


@pytest.mark.parametrize(
    ("op", "dtype", "inputs", "result"),
    [
        ("add", "float32", [[1.0], [SMALL]], [0.0]),
        ("add", "float32", [[2.0**-126], [0.0]], [0.0]),
        ("add", "float32", [[SMALL], [1.0]], [1.0 + 2.0**-23]),
        ("add", "float16", [[2.0**-24], [2.0**-24]], [0.0]),
        ("negative", "float32", [[np.nan]], [0.0]),
        # No more than there is can be lost, and in normal numbers nothing that shows.
        ("sum", "float32", [[SMALL] * 64], 128 * SMALL * (1 + 2.0**-15)),
        ("sum", "float32", [[1.0, 2.0**-10]], 1.0),
        ("matmul", "float32", [[2.0**-60] * 2, [2.0**-64, 1.5 * 2.0**-66]], 0.0),
    ],
)
def test_what_is_wrong_stays_wrong(
    op: str, dtype: str, inputs: list[list[float]], result: list[float], flushing: None
) -> None:
    assert not _passes(op, dtype, inputs, result)


def test_ops_that_move_bits_are_not_excused(flushing: None) -> None:
    assert not any(subnormals.flushes("cpu", op) for op in ("reshape", "transpose", "broadcast_to"))
    assert subnormals.flushes("cpu", "add")


def test_a_device_that_keeps_subnormals_is_not_excused() -> None:
    assert not _passes("add", "float32", [[SMALL], [SMALL]], [0.0])
    assert _passes("add", "float32", [[SMALL], [SMALL]], [2 * SMALL])


def test_what_rounds_to_the_smallest_normal_number_stays() -> None:
    case = Case("add", "float32", "made", (ArraySpec((1,), "float32"),) * 2)
    below = Operands([np.array([2.0**-126], np.float32), np.array([-(2.0**-149)], np.float32)], {})
    answer = truth(case, below)
    assert subnormals.as_flushed(answer, np.array([2.0**-126])).value == 0.0
    assert subnormals.flush(np.array([2.0**-126]), "float32") == 2.0**-126
