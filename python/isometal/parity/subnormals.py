"""Devices that flush subnormals: what they may answer where the operands or the truth are that small.

Metal lets a GPU take float32 operands below 2^-126 for zero, and give zero for such a result (Metal Shading Language
Specification, "Floating-point exceptions"; AIR says so with `air.compile.denorms_disable`). bfloat16 has the same
exponents and is computed as float32. float16 keeps its subnormals: they are normal in float32.

A backend on such a device says `flushes_subnormals`. Its results, and the truth, are then compared with subnormals
taken for zeros of their sign; and a result that fails against the operands as they are may be right for the operands
flushed. Ops that move bits get none of this: a copy keeps every bit on every device.
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
    return np.asarray(np.abs(values) < np.asarray(FORMATS[dtype].smallest_normal, values.dtype))


def judge(case: Case, operands: Operands, truth: Truth, result: NDArray, backend: str) -> Metrics:
    """How far ``result`` of ``backend`` is from ``truth``, the answer to ``case`` on ``operands``.

    Raises MismatchError where dtype or shape is wrong.
    """
    tolerance = OPS[case.op].tolerance[truth.dtype]
    if not flushes(backend, case.op):
        return compare(result, truth, tolerance, backend)
    metrics = compare(flush(result, truth.dtype), as_flushed(truth), tolerance, backend)
    if metrics.passed:
        return metrics
    seen = Operands([_seen(x) for x in operands.inputs], {name: _seen(x) for name, x in operands.params.items()})
    again = as_flushed(truth_of(case, seen))
    flushed = compare(flush(result, truth.dtype), again, tolerance, backend)
    return flushed if flushed.passed else metrics


def as_flushed(truth: Truth) -> Truth:
    """The truth with its subnormals flushed: rounded first, so that what rounds to the smallest normal stays."""
    if truth.dtype not in FLUSHED:
        return truth
    small = _small(round_to(truth.value, truth.dtype), truth.dtype)
    return replace(truth, value=np.where(small, np.copysign(0.0, truth.value), truth.value))


def _seen(value: Any) -> Any:
    """An operand as a flushing device may see it."""
    if isinstance(value, np.ndarray) and value.dtype.name in FLUSHED:
        return flush(value, value.dtype.name)
    return value
