"""What a law is, and how one is tried: Hypothesis searches for an example that breaks it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

import isometal as im
from isometal.parity.model import Outcome
from isometal.parity.properties.trial import Trial

#: Examples for each law, by profile.
PROFILES: Mapping[str, int] = MappingProxyType({"ci": 10, "deep": 250})


@dataclass(frozen=True)
class Law:
    """A statement about an op that holds for every example that ``holds`` draws; it raises where it does not.

    dtypes  those that the law is about; None: all that the op takes
    """

    name: str
    holds: Callable[[Trial], None]
    dtypes: tuple[str, ...] | None = None

    def applies(self, dtype: str) -> bool:
        return self.dtypes is None or dtype in self.dtypes


def examples_of(profile: str) -> int:
    """How many examples a law gets. ValueError where ``profile`` names no profile."""
    if profile not in PROFILES:
        raise ValueError(f"[properties] {profile!r} names no profile; choose one of {', '.join(PROFILES)}.")
    return PROFILES[profile]


def seed_of(law: Law, op: str, dtype: str, seed: int) -> int:
    """A seed of its own for each law and cell, the same on every backend."""
    return zlib.crc32(f"{seed}/{op}/{dtype}/{law.name}".encode())


def try_law(law: Law, op: str, dtype: str, backend: str, profile: str, seed: int, *, shrink: bool = True) -> Outcome:
    """Search for a counterexample. Reproducible: the same seed gives the same examples.

    (In a checkout, Hypothesis also tries numbers that it reads in the sources of the modules loaded, so there the
    modules count too. A counterexample is printed with all that is needed to make it again.)

    shrink  look for the simplest counterexample; False stops at the first

    facts of the outcome: ``examples``, how many ran (none is a failure), and ``worst_bound_ratio``, the largest error
    seen in units of its bound.
    """
    import hypothesis
    from hypothesis import strategies

    tried = 0
    worst = 0.0
    last_broken = ""

    def example(data: Any) -> None:
        nonlocal tried, worst, last_broken
        trial = Trial(data, op, dtype, backend)
        tried += 1
        try:
            law.holds(trial)
        except Exception as error:
            # Hypothesis replays the simplest counterexample last, so that is what remains here.
            last_broken = f"{type(error).__name__}: {error} Falsifying example: {trial.describe()}"
            raise
        worst = max(worst, trial.worst)

    settings = hypothesis.settings(
        max_examples=examples_of(profile),
        deadline=None,
        database=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=hypothesis.Verbosity.quiet,
        phases=(hypothesis.Phase.generate, *((hypothesis.Phase.shrink,) if shrink else ())),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    search = hypothesis.seed(seed_of(law, op, dtype, seed))(settings(hypothesis.given(strategies.data())(example)))
    failure: Exception | None = None
    with im.use_backend(backend), np.errstate(all="ignore"):
        try:
            search()
        except Exception as error:
            failure = error
    where = f"[{op}] law {law.name}"
    facts = {"examples": float(tried), "worst_bound_ratio": worst if math.isfinite(worst) else -1.0}
    if failure is not None:
        what = last_broken or f"{type(failure).__name__}: {failure}"
        return Outcome("failed", f"{where} broken (seed {seed}, {tried} examples). {what}", facts=facts)
    if tried == 0:
        return Outcome("failed", f"{where}: no example ran (seed {seed}); at least one must.", facts=facts)
    return Outcome("passed", facts=facts)
