"""Devices that flush subnormals: what they may answer where the operands or the truth are that small.

Metal lets a GPU take float32 operands below 2^-126 for zero, and give zero for such a result (Metal Shading Language
Specification, "Floating-point exceptions"; AIR says so with `air.compile.denorms_disable`). bfloat16 has the same
exponents and is computed as float32. float16 keeps its subnormals: they are normal in float32.

A backend on such a device says `flushes_subnormals`. Its results, and the truth, are then compared with subnormals
taken for zeros of their sign, and a zero is right where the truth is subnormal before it is rounded. A result that
fails against the operands as they are may be right for the operands flushed. A sum may lose each partial sum and
product that is subnormal (`Truth.flush_slack`), which among normal numbers is far below a rounding. Ops that move bits
get none of this: a copy keeps every bit on every device.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from isometal import selection
from isometal.optable import BACKENDS, OPS
from isometal.parity.compare import compare
from isometal.parity.model import Case, Metrics, NDArray, Truth
from isometal.parity.operands import Operands
from isometal.parity.rounding import FORMATS, round_to
from isometal.parity.truth import truth as truth_of

#: Dtypes whose subnormals may be flushed.
FLUSHED = ("float32", "bfloat16")
#: Kernel families that move elements as bits.
_MOVES = ("copy",)


def flushes(backend: str, op: str) -> bool:
    """Whether ``backend`` runs ``op`` on a device that flushes subnormals."""
    return backend in BACKENDS and OPS[op].family not in _MOVES and selection.get(backend).flushes_subnormals


def flush(values: NDArray, dtype: str) -> NDArray:
    """``values`` (of the dtype, or float64) with what is subnormal in ``dtype`` replaced by a zero of its sign."""
    if dtype not in FLUSHED:
        return values
    small = _small(values, dtype)
    return np.where(small, np.copysign(np.zeros((), values.dtype), values), values) if small.any() else values


def has_subnormals(value: Any) -> bool:
    """Whether ``value`` is an array that a flushing device sees other numbers in."""
    if not isinstance(value, np.ndarray) or value.dtype.name not in FLUSHED:
        return False
    return bool(np.any(_small(value, value.dtype.name) & (value != 0)))


def _small(values: NDArray, dtype: str) -> NDArray:
    """Where ``values`` are zero or subnormal in ``dtype``."""
    with np.errstate(invalid="ignore"):  # bfloat16 warns of NaN
        return np.asarray(np.abs(values) < np.asarray(FORMATS[dtype].smallest_normal, values.dtype))


def judge(case: Case, operands: Operands, truth: Truth, result: NDArray, backend: str) -> Metrics:
    """How far ``result`` of ``backend`` is from ``truth``, the answer to ``case`` on ``operands``.

    Raises MismatchError where dtype or shape is wrong.
    """
    tolerance = OPS[case.op].tolerance[truth.dtype]
    if not flushes(backend, case.op):
        return compare(result, truth, tolerance, backend)
    kept = flush(result, truth.dtype)
    metrics = compare(kept, as_flushed(truth, kept), tolerance, backend, truth.flush_slack)
    if metrics.passed:
        return metrics
    seen = truth_of(case, flushed_operands(operands))
    again = compare(kept, as_flushed(seen, kept), tolerance, backend, seen.flush_slack)
    return again if again.passed else metrics


def as_flushed(truth: Truth, result: NDArray) -> Truth:
    """The truth with its subnormals flushed. What rounds to the smallest normal stays, unless ``result`` is 0 there."""
    if truth.dtype not in FLUSHED or result.shape != truth.value.shape:
        return truth
    small = _small(round_to(truth.value, truth.dtype), truth.dtype)
    small |= _small(truth.value, truth.dtype) & (result == 0)
    return replace(truth, value=np.where(small, np.copysign(0.0, truth.value), truth.value))


def flushed_operands(operands: Operands) -> Operands:
    """The operands as a flushing device may see them."""
    return Operands([_seen(x) for x in operands.inputs], {name: _seen(x) for name, x in operands.params.items()})


def _seen(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.name in FLUSHED:
        return flush(value, value.dtype.name)
    return value
