"""How far a result is from the float64 answer, and whether ours may be that far.

Errors are counted in units in the last place (ULP) of the answer rounded to the dtype; where terms cancel, of the sum
of their magnitudes. The yardstick is MLX's own CPU result on the same inputs: over all cases of a kernel and dtype our
largest and our root-mean-square error must not exceed MLX's. A correctly rounded result is never asked to be better.
Families of few operations have a ceiling besides.
Where the kernel itself, as Apple compiled it, loses more than MLX's CPU code does, allowances.py says how much and why;
there a second yardstick may hold it: plain code in the kernel's own arithmetic, from first to last and in pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from apple.allowances import CEILINGS, allowance
from apple.launch import NDArray
from isometal.parity.rounding import FORMATS, round_to, spacing


@dataclass(frozen=True)
class Score:
    """Errors of one result, or of several merged.

    mismatches  elements whose NaN or infinity is not the answer's; of exact results, elements that differ
    worst       where the largest error is: (case, index)
    """

    size: int = 0
    max_ulp: float = 0.0
    sum_squares: float = 0.0
    max_abs: float = 0.0
    mismatches: int = 0
    worst: tuple[str, int] | None = None

    @property
    def rms_ulp(self) -> float:
        return math.sqrt(self.sum_squares / self.size) if self.size else 0.0

    def merged(self, other: Score) -> Score:
        worse = self if (self.mismatches, self.max_ulp) >= (other.mismatches, other.max_ulp) else other
        return Score(
            self.size + other.size,
            max(self.max_ulp, other.max_ulp),
            self.sum_squares + other.sum_squares,
            max(self.max_abs, other.max_abs),
            self.mismatches + other.mismatches,
            worse.worst,
        )


def merge(scores: Iterable[Score]) -> Score:
    total = Score()
    for each in scores:
        total = total.merged(each)
    return total


def score(result: NDArray, truth: NDArray, dtype: str, magnitude: NDArray | None = None, case: str = "") -> Score:
    """Both flat and of one size."""
    result, truth = np.asarray(result).reshape(-1), np.asarray(truth).reshape(-1)
    if result.shape != truth.shape:
        raise ValueError(f"[judge] {case}: the result has {result.size} elements; it must have {truth.size}.")
    if result.size == 0:
        return Score()
    if dtype not in FORMATS:
        wrong = result != truth
        return Score(result.size, mismatches=int(wrong.sum()), worst=(case, int(np.argmax(wrong))))
    x = result.astype(np.float64)
    rounded = round_to(truth, dtype)
    finite = np.isfinite(x) & np.isfinite(rounded)
    same = (np.isnan(x) & np.isnan(rounded)) | (x == rounded)
    mismatch = ~finite & ~same
    error = np.abs(np.where(finite, x, 0.0) - np.where(finite, truth, 0.0))
    unit_of = rounded if magnitude is None else np.asarray(magnitude).reshape(-1)
    ulps = error / spacing(np.where(finite, unit_of, 0.0), dtype)
    worst = int(np.argmax(mismatch if mismatch.any() else ulps))
    squares = float(np.square(ulps).sum())
    return Score(result.size, float(ulps.max()), squares, float(error.max()), int(mismatch.sum()), (case, worst))


def rounding_score(truth: NDArray, dtype: str, magnitude: NDArray | None = None) -> Score:
    """What the correctly rounded answer scores: nothing of this dtype can be closer."""
    return score(round_to(truth, dtype), truth, dtype, magnitude) if dtype in FORMATS else Score()


@dataclass(frozen=True)
class Verdict:
    """What a group scored. `peer` is None where MLX has no such op on the CPU: then only exactness counts."""

    family: str
    kernel: str
    dtype: str
    cases: int
    ours: Score
    peer: Score | None
    rounding: Score
    plain: Score | None

    @property
    def ratio_max(self) -> float | None:
        return _ratio(self.ours.max_ulp, self.peer.max_ulp, self.rounding.max_ulp) if self.peer else None

    @property
    def ratio_rms(self) -> float | None:
        return _ratio(self.ours.rms_ulp, self.peer.rms_ulp, self.rounding.rms_ulp) if self.peer else None

    @property
    def ratio_plain(self) -> float | None:
        """RMS against that of plain code in the dtype, the worse of two orders."""
        return _ratio(self.ours.rms_ulp, self.plain.rms_ulp, self.rounding.rms_ulp) if self.plain else None

    @property
    def larger(self) -> bool:
        """Whether any error is larger than MLX's, by however little."""
        return max(self.ratio_max or 0.0, self.ratio_rms or 0.0) > 1.0

    @property
    def faults(self) -> list[str]:
        """What is wrong, as text; empty when the kernel is accepted."""
        where = f"{self.family} {self.kernel} {self.dtype}"
        found = []
        if self.ours.mismatches:
            wrong = f"{self.ours.mismatches} of {self.ours.size} elements differ in NaN, infinity or exact value"
            found.append(f"{where}: {wrong}, first {self.ours.worst}")
        elif self.peer is None and self.ours.max_ulp > self.rounding.max_ulp:
            found.append(
                f"{where}: off by {self.ours.max_ulp:.3g} ULP where only rounding is allowed, at {self.ours.worst}"
            )
        allowed = allowance(self.family, self.kernel, self.dtype)
        limits = (("largest", self.ratio_max, allowed.largest), ("RMS", self.ratio_rms, allowed.rms))
        for what, ratio, limit in limits:
            if ratio is not None and ratio > limit:
                found.append(
                    f"{where}: {what} error is {ratio:.3f} times MLX's, {limit:g} is allowed, at {self.ours.worst}"
                )
        ceiling = allowed.ceiling or CEILINGS.get(self.family, math.inf)
        if self.dtype in FORMATS and self.ours.max_ulp > ceiling:
            found.append(f"{where}: off by {self.ours.max_ulp:.3g} ULP, {ceiling:g} are allowed, at {self.ours.worst}")
        if allowed.plain is not None and self.ratio_plain is not None and self.ratio_plain > allowed.plain:
            found.append(
                f"{where}: RMS error is {self.ratio_plain:.3f} times that of plain code, {allowed.plain:g} is allowed"
            )
        return found


def _ratio(ours: float, peer: float, rounding: float) -> float:
    """Ours against the larger of MLX's and of rounding alone; 0 where ours is exact."""
    floor = max(peer, rounding)
    if ours == 0:
        return 0.0
    return ours / floor if floor > 0 else math.inf
