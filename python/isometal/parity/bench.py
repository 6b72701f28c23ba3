"""Kind B and `pytest --benchmark`: what an op costs, as ratios to its peers and as a share of a measured ceiling.

One measurement takes one case and times every backend, plain NumPy, plain MLX and a ceiling in turns in one loop
(see timing.py). The result of each backend is held against float64 truth: a fast wrong answer is a failure. Speed
itself passes or fails nothing.

The ceiling of `matmul` and attention is the float32 BLAS, in floating-point operations per second. That of the other
ops is a copy of as many bytes as the op must read and write. The shape ops make views, which move nothing: no ceiling.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, cast

import numpy as np

from isometal import selection
from isometal.array import Array, array
from isometal.optable import OPS
from isometal.parity import peers, timing
from isometal.parity.model import Case, Check, Metrics, NDArray, Outcome
from isometal.parity.operands import Operands, materialise
from isometal.parity.timing import Figure, Timing

#: What a row says: time in units of NumPy's and of MLX's, and the fraction of the ceiling that is reached.
FIGURES = ("ratio_to_numpy", "ratio_to_mlx", "share_of_ceiling")
#: Seconds of timing for one check of kind B.
CHECK_BUDGET = 0.25
#: Seconds of timing for one op, dtype and size of a whole bench, which then takes some minutes.
GROUP_BUDGET = 0.6

NO_MLX = "MLX is not installed here: no ratio to MLX"


@dataclass(frozen=True)
class Work:
    """What a call must do whatever the implementation.

    nbytes  bytes of the operands and of the result
    flops   floating-point operations of the products and sums of `matmul` and attention; 0 for the other ops
    """

    nbytes: int
    flops: int


@dataclass(frozen=True)
class Row:
    """One line of the bench table; ``size`` is small, medium or large.

    ``figures`` lacks a peer that is not installed and a ceiling that does not apply.
    """

    op: str
    dtype: str
    size: str
    backend: str
    figures: Mapping[str, Figure]
    #: Sizes and raw times: elements (of the result), nbytes, flops, seconds (fastest call), median_seconds, rounds.
    facts: Mapping[str, float]

    @property
    def key(self) -> str:
        return f"{self.op}-{self.dtype}-{self.size}-{self.backend}"


@dataclass(frozen=True)
class Measurement:
    """One case measured: a row per backend, and what the timed call of each backend gave."""

    case: Case
    operands: Operands
    rows: tuple[Row, ...]
    results: Mapping[str, NDArray]


def work(case: Case, operands: Operands, result: NDArray) -> Work:
    """Bytes and floating-point operations of a case.

    matmul     2 K for each element of the result
    attention  2 (D + Dv) for each pair of a query and a key that the query may attend to, in each head and batch;
               only the causal mask rules pairs out, any other mask is data
    """
    arrays = [one for one in (*operands.inputs, *operands.params.values()) if isinstance(one, np.ndarray)]
    nbytes = sum(one.nbytes for one in arrays) + result.nbytes
    if case.op == "matmul":
        return Work(nbytes, 2 * result.size * operands.inputs[0].shape[-1])
    if case.op == "scaled_dot_product_attention":
        q, k, v = (one.shape for one in operands.inputs[:3])
        pairs = attended_pairs(q[2], k[2], operands.params.get("mask") is not None and _is_causal(operands))
        return Work(nbytes, 2 * q[0] * q[1] * pairs * (q[3] + v[3]))
    return Work(nbytes, 0)


def _is_causal(operands: Operands) -> bool:
    return isinstance(operands.params["mask"], str)


def attended_pairs(q_len: int, kv_len: int, causal: bool) -> int:
    """Pairs (i, j) of query and key with j <= i + kv_len - q_len where ``causal``, else all of them."""
    if not causal:
        return q_len * kv_len
    return sum(min(kv_len, max(0, i + 1 + kv_len - q_len)) for i in range(q_len))


def measure(case: Case, size: str, backends: Sequence[str], budget: float) -> Measurement:
    """Time ``case`` on each of ``backends`` (which must be able to run) and on its peers for about ``budget`` seconds.

    Raises what the op raises.
    """
    operands = materialise(case)
    numpy_call = _numpy_call(case.op, operands)
    with np.errstate(all="ignore"):
        todo = work(case, operands, np.asarray(numpy_call()))
    calls = {backend: _facade_call(case.op, operands, backend) for backend in backends}
    participants: dict[str, Callable[[], object]] = {**calls, "plain numpy": numpy_call}
    mlx_call = _mlx_call(case.op, operands)
    if mlx_call is not None:
        participants["plain mlx"] = mlx_call
    family = OPS[case.op].family
    if todo.flops:
        participants["ceiling"] = timing.blas_call()
    elif family != "copy":
        participants["ceiling"] = timing.copy_call(todo.nbytes)
    # Normal values do overflow in float16 quotients; NumPy's warning would be formatted inside the timed loop.
    with np.errstate(all="ignore"):
        timings = timing.interleave(participants, budget)
    rows, results = [], {}
    for backend, call in calls.items():
        result = results[backend] = call().numpy()
        facts = {
            "elements": float(result.size),
            "nbytes": float(todo.nbytes),
            "flops": float(todo.flops),
            "seconds": timings[backend].best,
            "median_seconds": timings[backend].median,
            "rounds": float(len(timings[backend].rounds)),
        }
        rows.append(Row(case.op, case.dtype, size, backend, _figures(timings, backend, todo), facts))
    return Measurement(case, operands, tuple(rows), results)


def verify(measured: Measurement) -> dict[str, Metrics]:
    """How far each timed result is from float64 truth, under the tolerance of the op's row.

    Raises MismatchError where a result has another shape or dtype.
    """
    from isometal.parity import compare, truth

    expected = truth.truth(measured.case, measured.operands)
    tolerance = OPS[measured.case.op].tolerance[expected.dtype]
    return {
        backend: compare.compare(result, expected, tolerance, backend) for backend, result in measured.results.items()
    }


def _figures(timings: Mapping[str, Timing], backend: str, todo: Work) -> dict[str, Figure]:
    subject = timings[backend]
    figures = {"ratio_to_numpy": timing.ratio(subject, timings["plain numpy"])}
    if "plain mlx" in timings:
        figures["ratio_to_mlx"] = timing.ratio(subject, timings["plain mlx"])
    if "ceiling" in timings:
        share = timing.ratio(timings["ceiling"], subject)
        # The copy moves exactly the op's bytes; the BLAS call does its own number of operations.
        scale = todo.flops / timing.BLAS_FLOPS if todo.flops else 1.0
        figures["share_of_ceiling"] = Figure(share.value * scale, share.spread)
    return figures


def _facade_call(op: str, operands: Operands, backend: str) -> Callable[[], Array]:
    """The op through the facade on Arrays of ``backend``, waited for."""
    import isometal

    function = cast("Callable[..., Array]", getattr(isometal, op))

    def on_backend(value: Any) -> Any:
        return array(value, backend=backend).eval() if isinstance(value, np.ndarray) else value

    inputs = [on_backend(one) for one in operands.inputs]
    params = {name: on_backend(one) for name, one in operands.params.items()}
    if any(isinstance(one, Array) for one in inputs):
        return lambda: function(*inputs, **params).eval()
    # Without an operand to tell the backend (causal_mask), the default of the context does.

    def in_context() -> Array:
        with selection.use_backend(backend):
            return function(*inputs, **params).eval()

    return in_context


def _numpy_call(op: str, operands: Operands) -> Callable[[], NDArray]:
    function, inputs, params = peers.NUMPY[op], operands.inputs, operands.params
    return lambda: cast("NDArray", function(*inputs, **params))


def _mlx_call(op: str, operands: Operands) -> Callable[[], object] | None:
    functions = peers.mlx()
    if functions is None:
        return None
    import mlx.core as mx

    function = functions[op]
    inputs = [peers.to_mlx(one) for one in operands.inputs]
    params = {name: peers.to_mlx(one) for name, one in operands.params.items()}
    mx.eval(inputs, params)
    return lambda: mx.eval(function(*inputs, **params))


# -- kind B -----------------------------------------------------------------------------------------------------------


def checks(op: str, dtype: str, backend: str, seed: int) -> list[Check]:
    """The checks of kind B for one cell: the medium case measured once. Empty where the op does not take ``dtype``."""
    from isometal.parity.cases import bench_cases

    case = bench_cases(op, dtype).get("medium")
    if case is None:
        return []
    pinned = replace(case, seed=seed)
    return [Check(op, dtype, backend, "B", "medium", run=lambda: _run(pinned, backend))]


def _run(case: Case, backend: str) -> Outcome:
    reason = selection.unavailable(backend)
    if reason is not None:
        return Outcome("not-run", reason)
    start = perf_counter()
    measured = measure(case, "medium", (backend,), CHECK_BUDGET)
    metrics = verify(measured)[backend]
    (row,) = measured.rows
    figures = row.figures
    facts = {name: figure.value for name, figure in figures.items()}
    facts |= {f"{name}_spread": figure.spread for name, figure in figures.items()}
    facts |= row.facts
    status, message = "passed", "" if "ratio_to_mlx" in figures else NO_MLX
    unsound = [name for name, value in facts.items() if not math.isfinite(value) or value < 0]
    if not metrics.passed:
        status = "failed"
        message = f"the timed result is wrong: {metrics.bound_ratio:.3g} times the bound at {metrics.worst_index}"
    elif unsound:
        status, message = "failed", f"measured figures are not finite: {', '.join(unsound)}"
    return Outcome(cast("Any", status), message, metrics, perf_counter() - start, facts)
