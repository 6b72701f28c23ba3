"""Operands: the same values in every layout, poison in the gaps, and an op that writes to one is caught."""

from __future__ import annotations

import numpy as np
import pytest

import isometal as im
from isometal import selection
from isometal.optable import ALL_DTYPES
from isometal.parity import operands
from isometal.parity.model import LAYOUTS, ArraySpec, Case

BACKENDS = selection.available()


def _case(layout: str, shape: tuple[int, ...], dtype: str = "float32", op: str = "negative") -> Case:
    return Case(op, dtype, f"test-{layout}", (ArraySpec(shape, dtype, "normal", layout),), {}, 5)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 4), (2, 3, 5), (0, 3), (1, 1)])
@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_a_layout_keeps_the_values(backend: str, layout: str, shape: tuple[int, ...], dtype: str) -> None:
    case = _case(layout, shape, dtype)
    (values,) = operands.materialise(case).inputs
    placed = operands._place("x", values, layout, backend)
    assert placed.array.shape == shape
    np.testing.assert_array_equal(placed.array.numpy(), values)


def test_values_depend_on_seed_case_and_position_only() -> None:
    spec = ArraySpec((4,), "float32")
    case = Case("add", "float32", "a", (spec, spec), {}, 1)
    first, second = operands.materialise(case).inputs
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, operands.materialise(case).inputs[0])
    for other in (Case("add", "float32", "b", (spec, spec), {}, 1), Case("add", "float32", "a", (spec, spec), {}, 2)):
        assert not np.array_equal(first, operands.materialise(other).inputs[0])


@pytest.mark.parametrize(("layout", "strides"), [("transposed", (4, 12)), ("reversed", (-16, -4)), ("strided", (64, 8)),
                                                 ("offset", (28, 4)), ("broadcast", (0, 4))])  # fmt: skip
def test_layouts_on_cpu_are_what_they_say(layout: str, strides: tuple[int, ...]) -> None:
    (values,) = operands.materialise(_case(layout, (3, 4))).inputs
    array = operands._place("x", values, layout, "cpu").array
    assert array._data.strides == strides


@pytest.mark.parametrize("layout", ["strided", "offset"])
def test_gaps_hold_poison(layout: str) -> None:
    values = np.ones((3, 4), np.float32)
    base, _ = operands._layout(values, layout)
    assert np.isnan(base).sum() == base.size - values.size > 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_op_that_writes_to_an_operand_is_caught(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = selection.get("cpu")
    true = cpu.negative

    def writes(x: np.ndarray) -> np.ndarray:
        result = true(x)
        owner = x
        while not owner.flags.writeable:  # a broadcast view is read-only, its owner is not
            owner = owner.base
        owner[...] = 7
        return result

    monkeypatch.setattr(type(cpu), "negative", staticmethod(writes))
    with pytest.raises(operands.MutationError, match="changed the memory of operand 0"):
        operands.run(_case(layout, (3, 4)), "cpu")


@pytest.mark.parametrize("elements", [16, 1000, 30_000])
def test_an_unwritten_output_shows(elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without poison the output would hold the previous run's right answer."""
    cpu = selection.get("cpu")
    monkeypatch.setattr(type(cpu), "negative", staticmethod(np.empty_like))
    case = _case("contiguous", (elements,))
    out = operands.run(case, "cpu", output_nbytes=4 * elements)
    assert np.isnan(out).any()


def test_the_result_must_be_on_the_operands_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    if "mlx" not in BACKENDS:
        pytest.skip("MLX is not installed: two backends are needed")
    monkeypatch.setattr(operands, "call", lambda op, inputs, params: im.array([1.0], backend="mlx"))
    with pytest.raises(AssertionError, match="the result is on mlx, the operands were on cpu"):
        operands.run(_case("contiguous", (1,)), "cpu")
