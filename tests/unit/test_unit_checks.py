"""Kind U on every cell; that the tables are complete and their constants right; and that each op's rows can fail."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import isometal as im
from isometal import dtypes, selection
from isometal.optable import OPS
from isometal.parity import properties, unit
from isometal.parity.model import DEFAULT_SEED
from isometal.parity.properties.law import Law, try_law
from isometal.parity.unit import activations, attention, positions, softmax
from isometal.parity.unit.table import LARGEST, SMALLEST, UNIT_ROUNDOFF, Make, Row, run

BACKENDS = selection.available()
CELLS = [(op, dtype, backend) for op, row in OPS.items() for dtype in row.dtypes for backend in BACKENDS]

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.mark.parametrize(("op", "dtype", "backend"), CELLS, ids=["-".join(cell) for cell in CELLS])
def test_hand_checked_values(op: str, dtype: str, backend: str) -> None:
    outcomes = [check.run() for check in unit.checks(op, dtype, backend)]
    assert [outcome.message for outcome in outcomes if outcome.status != "passed"] == []
    assert len(outcomes) >= 5


# -- the tables -------------------------------------------------------------------------------------------------------
def test_every_op_has_rows() -> None:
    assert set(unit.ROWS) == set(OPS)


@pytest.mark.parametrize("op", OPS)
def test_names_are_unique_within_a_cell(op: str) -> None:
    for dtype in OPS[op].dtypes:
        names = [check.name for check in unit.checks(op, dtype, "cpu")]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("op", OPS)
def test_every_parameter_is_given_somewhere(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    signature = inspect.signature(getattr(im, op))
    true = getattr(im, op)
    given: set[str] = set()

    def spy(*args: Any, **kwargs: Any) -> Any:
        given.update(signature.bind(*args, **kwargs).arguments)
        return true(*args, **kwargs)

    monkeypatch.setattr(im, op, spy)
    for check in unit.checks(op, "float32", "cpu"):
        check.run()
    assert given == set(signature.parameters)


def test_constants_of_the_dtypes() -> None:
    for name in UNIT_ROUNDOFF:
        info = np.finfo(np.dtype(name)) if name != "bfloat16" else __import__("ml_dtypes").finfo(dtypes.bfloat16)
        assert UNIT_ROUNDOFF[name] == float(info.eps) / 2
        assert LARGEST[name] == float(info.max)
        assert SMALLEST[name] == float(info.smallest_subnormal)


def test_constants_of_the_functions() -> None:
    def s(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    def p(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    def tanh(x: float) -> float:
        return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

    e = math.e
    stated = {
        **{getattr(activations, f"S_{n}"): s(x) for n, x in (("HALF", 0.5), (1, 1), (2, 2))},
        **{getattr(activations, f"P_{n}"): p(x) for n, x in (("HALF", 0.5), (1, 1), (2, 2))},
        activations.TANH_1: tanh(1),
        activations.TANH_2: tanh(2),
        activations.FAST_1: s(1.702),
        activations.FAST_2: 2 * s(3.404),
        softmax.A0: 1 / (1 + e),
        softmax.A1: e / (1 + e),
        softmax.B0: 1 / (1 + e + e * e),
        softmax.B1: e / (1 + e + e * e),
        softmax.B2: e * e / (1 + e + e * e),
        attention.A0: 1 / (1 + e),
        attention.A1: e / (1 + e),
        **{getattr(positions, f"C{n}"): math.cos(n) for n in (1, 2, 4)},
        **{getattr(positions, f"S{n}"): math.sin(n) for n in (1, 2, 4)},
    }
    for constant, value in stated.items():
        assert constant == pytest.approx(value, rel=1e-15)


# -- a row ------------------------------------------------------------------------------------------------------------
def outcome_of(expected: Any, result: str | None = None, op: str = "add", call: Any = None) -> Any:
    row = Row("row", call or (lambda x: im.add(x([1, 2]), x([3, 4]))), expected, result)
    return run(op, row, "float32", "cpu")


def test_right_row_passes_with_metrics() -> None:
    outcome = outcome_of([4, 6])
    assert outcome.status == "passed"
    assert outcome.metrics.size == 2


@pytest.mark.parametrize(
    ("expected", "result", "message"),
    [
        ([4, 7], None, "[add] row: the result is [4.0, 6.0]; it must be [4.0, 7.0]."),
        ([[4, 6]], None, "[add] row: the result is float32 (2,); it must be float32 (1, 2)."),
        ([4, 6], "float16", "[add] row: the result is float32 (2,); it must be float16 (2,)."),
        ([4, 6 + 2.0**-21], None, "[add] row: the result is [4.0, 6.0]; it must be [4.0, 6.000000476837158]."),
    ],
    ids=["value", "shape", "dtype", "last-bit"],
)
def test_wrong_row_says_what_is_wrong(expected: Any, result: str | None, message: str) -> None:
    outcome = outcome_of(expected, result)
    assert outcome.status == "failed"
    assert outcome.message == message


def test_negative_zero_counts_under_every_rule() -> None:
    # `divide` allows one unit, which +0 and -0 are within.
    outcome = outcome_of([-0.0], op="divide", call=lambda x: im.divide(x([0.0]), x([1.0])))
    assert outcome.status == "failed"


def test_result_on_another_backend_fails() -> None:
    if "mlx" not in BACKENDS:
        pytest.skip("MLX is not installed: there is no other backend")
    row = Row("row", lambda x: im.add(im.array([1.0], backend="mlx"), 1.0), [2])
    outcome = run("add", row, "float32", "cpu")
    assert outcome.message == "[add] the result is on mlx; it must be on cpu."


# -- faults -----------------------------------------------------------------------------------------------------------
# What a wrong kernel or adapter would do. Each takes the backend and its true method, and gives the faulty one.
Method = Callable[..., Any]


def changed_result(change: Callable[..., np.ndarray]) -> Callable[[Any, Method], Method]:
    """``change`` gets the right values, then the arguments."""
    return lambda b, true: (
        lambda *args: b.from_numpy(np.ascontiguousarray(change(np.array(b.to_numpy(true(*args))), *args)))
    )


def changed_arguments(change: Callable[..., tuple[Any, ...]]) -> Callable[[Any, Method], Method]:
    return lambda b, true: lambda *args: true(*change(*args))


def from_values(compute: Callable[..., np.ndarray]) -> Callable[[Any, Method], Method]:
    """The result computed from the first operand's values in float32, in its dtype."""

    def fault(b: Any, true: Method) -> Method:
        def op(x: Any, *args: Any) -> Any:
            values = np.array(b.to_numpy(x))
            with np.errstate(all="ignore"):
                return b.from_numpy(np.asarray(compute(values.astype(np.float32), *args), values.dtype))

        return op

    return fault


def last_zero(values: np.ndarray, *_: Any) -> np.ndarray:
    values[(-1,) * values.ndim if values.size else (slice(0),)] = 0
    return values


def softmax_without_maximum(x: np.ndarray, axes: tuple[int, ...], precise: bool) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(axis=axes, keepdims=True)


def rms_norm_eps_outside(x: np.ndarray, weight: Any, eps: float) -> np.ndarray:
    return x / (np.sqrt(np.mean(x * x, -1, keepdims=True)) + np.float32(eps))


def other_head(b: Any, true: Method) -> Method:
    """Query head h reads key head h % Hkv, not h // group."""

    def op(q: Any, k: Any, v: Any, scale: float, mask: Any) -> Any:
        heads, kv_heads = b.shape(q)[1], b.shape(k)[1]
        order = [h % kv_heads for h in range(heads)]
        k, v = (b.from_numpy(np.ascontiguousarray(np.array(b.to_numpy(x))[:, order])) for x in (k, v))
        return true(q, k, v, scale, mask)

    return op


FAULTS: dict[str, Callable[[Any, Method], Method]] = {
    "add": changed_result(last_zero),
    "subtract": changed_arguments(lambda x, y: (y, x)),
    "multiply": changed_result(lambda values, *_: np.abs(values)),
    "divide": changed_arguments(lambda x, y: (y, x)),
    # 0 - x: the sign of zero is lost.
    "negative": from_values(lambda x: np.float32(0) - x),
    "matmul": changed_result(last_zero),
    "silu": from_values(lambda x: x / (1 + np.exp(-1.01 * x))),
    "gelu": changed_arguments(lambda x, approx: (x, "fast")),
    "softmax": from_values(softmax_without_maximum),
    "causal_mask": lambda b, true: lambda q, k, dtype: b.getitem(true(q + 1, k, dtype), (slice(0, q), slice(0, k))),
    "rms_norm": from_values(rms_norm_eps_outside),
    "layer_norm": changed_arguments(lambda x, weight, bias, eps: (x, weight, None, eps)),
    "rope": changed_arguments(lambda x, dims, traditional, *rest: (x, dims, not traditional, *rest)),
    "sum": changed_result(last_zero),
    "mean": changed_result(lambda values, *_: values * np.asarray(1.125, values.dtype)),
    # A maximum that starts from 0.
    "max": changed_result(lambda values, *_: np.maximum(values, 0)),
    "reshape": lambda b, true: (
        lambda x, shape: b.from_numpy(np.ascontiguousarray(np.array(b.to_numpy(x)).reshape(shape, order="F")))
    ),
    # The inverse permutation.
    "transpose": changed_arguments(lambda x, axes: (x, tuple(int(i) for i in np.argsort(axes)))),
    "broadcast_to": changed_result(lambda values, *_: values[::-1] if values.ndim else values),
    "scaled_dot_product_attention": other_head,
}


def test_a_fault_for_every_op() -> None:
    assert set(FAULTS) == set(OPS)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("op", OPS)
def test_fault_turns_unit_and_property_checks_red(op: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    held = selection.get(backend)
    monkeypatch.setattr(held, op, FAULTS[op](held, getattr(held, op)))
    rows = [check for check in unit.checks(op, "float32", backend) if check.run().status == "failed"]
    laws = [law.name for law in properties.LAWS[op] if law.applies("float32") and _broken(law, op, backend)]
    assert rows, f"no row of {op} sees the fault"
    assert laws, f"no law of {op} sees the fault"


def _broken(law: Law, op: str, backend: str) -> bool:
    return try_law(law, op, "float32", backend, "ci", DEFAULT_SEED, shrink=False).status == "failed"


def test_make_gives_the_dtype_under_test() -> None:
    x = Make("cpu", "bfloat16")
    assert (x(1).dtype, x(1, "int32").dtype, x(1).shape) == (dtypes.bfloat16, dtypes.int32, ())
