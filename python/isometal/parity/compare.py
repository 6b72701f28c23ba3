"""Comparison of a result with the float64 truth: `compare`, and who is wrong when several results exist: `attribute`.

All arithmetic here is float64; results of every floating dtype convert to it exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from isometal.errors import IsometalError
from isometal.optable import Tolerance
from isometal.parity.model import Metrics, NDArray, Truth
from isometal.parity.rounding import FORMATS, round_to, spacing

#: A result passes its bound, yet stands out when its RMS error is this many times that of every other backend.
ODD_ONE_OUT_FACTOR = 16.0


class MismatchError(IsometalError, AssertionError):
    """A result cannot be compared: its dtype or its shape is wrong."""


def ulp_distance(x: NDArray, t: NDArray, dtype: str) -> NDArray:
    """|x - t| in units in the last place of ``dtype`` at ``t`` rounded to it, element by element, as float64.

    ``x`` of any floating dtype, ``t`` float64. Equal infinities and two NaN are 0 apart, unequal patterns inf.
    """
    x, t = np.asarray(x).astype(np.float64), np.asarray(t, np.float64)
    rounded = round_to(t, dtype)
    same = (np.isnan(x) & np.isnan(rounded)) | (np.isinf(x) & (x == rounded))
    finite = np.isfinite(x) & np.isfinite(rounded)
    distance = np.full(np.broadcast_shapes(x.shape, t.shape), np.inf)
    np.subtract(x, t, out=distance, where=finite)
    distance[finite] = np.abs(distance[finite]) / spacing(rounded, dtype)[finite]
    distance[same] = 0.0
    return distance


def compare(result: NDArray, truth: Truth, tolerance: Tolerance, backend: str, slack: NDArray | None = None) -> Metrics:
    """How far ``result`` of ``backend`` is from ``truth``, against the bound of ``tolerance``.

    - rule exact: the target is the truth rounded once to the dtype, and zeros must agree in sign, as IEEE 754
      says, unless the truth leaves it open (``signed_zeros``).
    - other rules: the target is the float64 truth. The bound is never below the error of rounding the truth itself,
      which no result of that dtype can beat (it matters where results are subnormal), and it is widened by
      ``slack``, an absolute error per element, and for the backend mlx only by ``truth.mlx_slack``.
    - the NaN, +inf and -inf pattern must be that of the truth rounded to the dtype. Under the other rules a result
      may overflow, or not, where the bound reaches across the overflow threshold.

    Raises MismatchError where dtype or shape is wrong; then there is nothing to measure.
    """
    result = np.asarray(result)
    if result.dtype.name != truth.dtype:
        raise MismatchError(f"[compare] wrong dtype: the result is {result.dtype.name}; it must be {truth.dtype}.")
    if result.shape != truth.value.shape:
        raise MismatchError(f"[compare] wrong shape: the result has {result.shape}; it must have {truth.value.shape}.")
    if result.size == 0:
        return Metrics(0, 0.0, 0.0, 0.0, 0.0, 0.0, None, 0)
    if truth.dtype not in FORMATS:
        return _compare_integers(result, truth.value)
    return _compare_floats(result, truth, tolerance, backend, slack)


def _compare_integers(result: NDArray, value: NDArray) -> Metrics:
    wrong = result != value
    t = value.astype(np.float64)
    # Neighbours above 2^53 are one float64: a difference is at least 1.
    error = np.where(wrong, np.maximum(np.abs(result.astype(np.float64) - t), 1.0), 0.0)
    return _metrics(error, error, np.where(wrong, np.inf, 0.0), t, np.zeros(result.shape, bool))


def _compare_floats(
    result: NDArray, truth: Truth, tolerance: Tolerance, backend: str, slack: NDArray | None
) -> Metrics:
    dtype = truth.dtype
    x = result.astype(np.float64)
    rounded = round_to(truth.value, dtype)
    exact = tolerance.rule == "exact"
    target = rounded if exact else np.asarray(truth.value, np.float64)
    bound = _bound(truth, rounded, tolerance, backend)
    if slack is not None:
        bound = bound + slack

    mismatch = (np.isnan(x) != np.isnan(rounded)) | ((np.isinf(x) | np.isinf(rounded)) & (x != rounded))
    mismatch &= ~(np.isnan(x) & np.isnan(rounded))
    if exact:
        if truth.signed_zeros:
            mismatch |= (x == 0) & (rounded == 0) & (np.signbit(x) != np.signbit(rounded))
    elif np.any(mismatch):
        mismatch &= ~_overflow_within_bound(x, target, bound, dtype)

    finite = np.isfinite(x) & np.isfinite(target)
    t = np.where(finite, target, 0.0)
    error = np.abs(np.where(finite, x, 0.0) - t)
    ratio = np.zeros(error.shape)
    np.divide(error, bound, out=ratio, where=bound > 0)
    ratio[(bound == 0) & (error > 0)] = np.inf
    ulps = error / spacing(np.where(finite, rounded, 0.0), dtype)
    return _metrics(error, ulps, ratio, t, mismatch)


def _bound(truth: Truth, rounded: NDArray, tolerance: Tolerance, backend: str) -> NDArray:
    """Largest allowed |x - t|, per element; finite everywhere (what is not finite in the truth is pattern)."""
    t = truth.value
    if tolerance.rule == "exact":
        return np.zeros(t.shape)
    finite = np.isfinite(t)
    size = np.abs(np.where(finite, t, 0.0))
    if tolerance.rule == "ulp":
        bound = tolerance.value * spacing(rounded, truth.dtype)
    elif tolerance.rule == "close":
        bound = tolerance.value + tolerance.value * size
    elif tolerance.rule == "magnitude":
        if truth.magnitude is None:
            raise ValueError("[compare] the rule magnitude needs the sum of magnitudes, which this truth lacks.")
        bound = tolerance.value * np.where(np.isfinite(truth.magnitude), truth.magnitude, 0.0)
    else:
        raise ValueError(f"[compare] {tolerance.rule!r} names no rule; choose one of exact, ulp, close, magnitude.")
    own_rounding = np.zeros(t.shape)
    np.subtract(rounded, t, out=own_rounding, where=finite & np.isfinite(rounded))
    bound = np.maximum(bound, np.abs(own_rounding))
    if backend == "mlx" and truth.mlx_slack is not None:
        bound = bound + truth.mlx_slack
    return np.asarray(bound)


def _overflow_within_bound(x: NDArray, t: NDArray, bound: NDArray, dtype: str) -> NDArray:
    """Where one of result and rounded truth is infinite, the other finite, and their difference still in bound.

    An infinite result stands for the smallest magnitude that rounds to it, or for the truth where that is larger.
    """
    form = FORMATS[dtype]
    comparable = np.isfinite(t) & ~np.isnan(x)
    t = np.where(comparable, t, 0.0)
    stands_for = np.where(np.isinf(x), np.copysign(np.maximum(form.overflow, np.abs(t)), x), x)
    return np.asarray(comparable & (np.abs(np.where(comparable, stands_for, np.inf) - t) <= bound))


def _metrics(error: NDArray, ulps: NDArray, ratio: NDArray, t: NDArray, mismatch: NDArray) -> Metrics:
    relative = np.zeros(error.shape)
    with np.errstate(over="ignore"):
        # A truth below 1e-300 can make this infinite; it is a figure to read, not one that decides.
        np.divide(error, np.abs(t), out=relative, where=t != 0)
    mismatches = int(np.count_nonzero(mismatch))
    # A wrong pattern outranks any finite error.
    worst = int(np.argmax(mismatch if mismatches else ratio))
    # Scaled, so that errors near the largest float32 do not overflow when squared.
    largest = float(error.max())
    rms = largest * math.sqrt(float(np.mean(np.square(error / largest)))) if largest > 0 else 0.0
    return Metrics(
        size=error.size,
        max_abs=largest,
        max_rel=float(relative.max()),
        max_ulp=float(ulps.max()),
        rms=rms,
        bound_ratio=float(ratio.max()),
        worst_index=tuple(int(i) for i in np.unravel_index(worst, error.shape)),
        pattern_mismatches=mismatches,
    )


def error_ratio(rms: float, rms_mlx: float | None) -> float | None:
    """RMS error as a multiple of MLX's on the same inputs.

    None where MLX did not run or both are exact; inf where only MLX is exact.
    """
    if rms_mlx is None or (rms == 0 and rms_mlx == 0):
        return None
    return rms / rms_mlx if rms_mlx > 0 else math.inf


def attribute(metrics: Mapping[str, Metrics | None], truth: Truth) -> str | None:
    """The one backend that is the odd one out against float64, or None.

    metrics  what `compare` found for each backend, None where there was nothing to compare (MismatchError)

    It is the only one that fails; or, where all pass, the only one whose RMS error is ODD_ONE_OUT_FACTOR times that of
    every other (and of the rounding to the dtype, below which nobody can be). Needs two backends or more.
    """
    if len(metrics) < 2:
        return None
    failed = [backend for backend, found in metrics.items() if found is None or not found.passed]
    if failed:
        return failed[0] if len(failed) == 1 else None
    rms = sorted((found.rms, backend) for backend, found in metrics.items() if found is not None)
    (second, _), (worst, name) = rms[-2], rms[-1]
    if worst <= ODD_ONE_OUT_FACTOR * second:
        return None
    return name if worst > ODD_ONE_OUT_FACTOR * _rounding_rms(truth) else None


def _rounding_rms(truth: Truth) -> float:
    """RMS error of the correctly rounded result."""
    if truth.dtype not in FORMATS or truth.value.size == 0:
        return 0.0
    rounded = round_to(truth.value, truth.dtype)
    finite = np.isfinite(rounded)
    error = np.abs(rounded[finite] - truth.value[finite])
    largest = float(error.max(initial=0.0))
    return largest * math.sqrt(float(np.mean(np.square(error / largest)))) if largest > 0 else 0.0
