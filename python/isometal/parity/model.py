"""The words of the parity engine: cases, checks, outcomes. Data only; what they do lives beside them.

Case      one call of one op: operands as specs, parameters, seed. Serves parity, golden and bench alike.
Truth     the float64 answer to a case, and what its bound scales with.
Metrics   how far one result is from the truth.
Check     one thing to run for one cell: (op, dtype, backend, kind) and a name.
Outcome   what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy.typing as npt

NDArray = npt.NDArray[Any]

#: The seed of every run that does not name another.
DEFAULT_SEED = 20261122

#: How much runs: "ci" on every commit; "deep" holds all of it and more.
PROFILES = ("ci", "deep")

#: How an operand lies in memory; `operands.py` says how each is made, with poison in the gaps.
Layout = Literal["contiguous", "transposed", "reversed", "strided", "offset", "broadcast"]
LAYOUTS: tuple[Layout, ...] = ("contiguous", "transposed", "reversed", "strided", "offset", "broadcast")


@dataclass(frozen=True)
class ArraySpec:
    """An operand to be made: shape, dtype, which values (a name in values.py), how it lies in memory."""

    shape: tuple[int, ...]
    dtype: str
    values: str = "normal"
    layout: Layout = "contiguous"


#: Operands are arrays, weakly typed Python scalars, or None for an optional operand left out.
Operand = ArraySpec | float | bool | None


@dataclass(frozen=True)
class Case:
    """One call of one op. ``name`` is unique within (op, dtype) and says what the case is about.

    ``inputs`` are the positional operands, ``params`` the keyword arguments; a parameter may be an ArraySpec too
    (an offset array, freqs, a mask). ``dtype`` is the cell that the case counts for.
    """

    op: str
    dtype: str
    name: str
    inputs: tuple[Operand, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    @property
    def id(self) -> str:
        return f"{self.op}-{self.dtype}-{self.name}"


@dataclass(frozen=True)
class Truth:
    """The answer to a case.

    value      float64 for floating results; int64, uint32 or bool where the result is that (exact arithmetic)
    dtype      name of the dtype that the result must have
    magnitude  sum of magnitudes per element (same shape as value), for the rule "magnitude"
    mlx_slack  absolute error per element that MLX's own float32 algorithm is known to add, from a formula with its
               source; it widens the bound of the mlx backend only, never of our own code
    flush_slack  absolute error per element that a device may add which takes subnormal partial sums and products for
               zero; it counts for such devices only (subnormals.py)
    signed_zeros  False where -0 and +0 are equally right although the rule is exact: max of the two, the mask
    """

    value: NDArray
    dtype: str
    magnitude: NDArray | None = None
    mlx_slack: NDArray | None = None
    flush_slack: NDArray | None = None
    signed_zeros: bool = True


@dataclass(frozen=True)
class Metrics:
    """How far a result is from the truth, over elements where both are finite.

    ``worst_index`` is that of the largest error relative to its bound, ``bound_ratio`` that error in units of the
    bound (1.0 is the limit; inf where the bound is 0 and the error is not).
    """

    size: int
    max_abs: float
    max_rel: float
    max_ulp: float
    rms: float
    bound_ratio: float
    worst_index: tuple[int, ...] | None
    #: Elements whose NaN, +inf or -inf pattern differs from the truth's, or under the rule exact the sign of zero.
    pattern_mismatches: int
    #: RMS error divided by MLX's on the same inputs; None where MLX did not run or both are exact.
    error_ratio_to_mlx: float | None = None
    #: Which of the backends that ran is the odd one out against float64, or None.
    odd_one_out: str | None = None

    @property
    def passed(self) -> bool:
        """Whether every element is within its bound and of the right pattern."""
        return self.pattern_mismatches == 0 and self.bound_ratio <= 1.0


@dataclass(frozen=True)
class Outcome:
    """What came of a check. ``message`` says what is wrong, or why it could not run."""

    status: Literal["passed", "failed", "not-run"]
    message: str = ""
    metrics: Metrics | None = None
    seconds: float = 0.0
    #: Measured facts that are not errors, such as the ratios of a bench.
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One thing to run for the cell (op, dtype, backend) and kind; ``run`` may raise, which counts as failed."""

    op: str
    dtype: str
    backend: str
    kind: str
    name: str
    run: Callable[[], Outcome] = field(compare=False, repr=False)
    #: Set on checks of the attention-block golden, which the gate asks for by name.
    attention_block: bool = False

    @property
    def id(self) -> str:
        return f"{self.op}-{self.dtype}-{self.backend}-{self.kind}-{self.name}"
