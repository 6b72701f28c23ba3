"""The engine: which checks a selection means, and running them.

`plan` enumerates, `run` executes. What came of each check goes to a callback; counting, the matrix and the gate are
others' jobs. Checks of one case stand beside each other for all backends, because they share truth and results.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from isometal import selection
from isometal.optable import ALL_DTYPES, BACKENDS, KINDS, OPS
from isometal.parity import against_truth, attention_block, bench, golden, properties, unit
from isometal.parity.model import DEFAULT_SEED, Check, Outcome


@dataclass(frozen=True)
class Selection:
    """What to run. Backends that cannot run here contribute no checks; the matrix says why."""

    backends: tuple[str, ...] = BACKENDS
    ops: tuple[str, ...] = tuple(OPS)
    kinds: tuple[str, ...] = tuple(KINDS)
    dtypes: tuple[str, ...] = ALL_DTYPES
    seed: int = DEFAULT_SEED
    profile: str = "ci"


def plan(chosen: Selection) -> list[Check]:
    """Every check that ``chosen`` means, in the order of the matrix."""
    backends = [name for name in chosen.backends if selection.unavailable(name) is None]
    evaluations = against_truth.Evaluations()
    out: list[Check] = []
    for op in chosen.ops:
        for dtype in (name for name in OPS[op].dtypes if name in chosen.dtypes):
            if "U" in chosen.kinds:
                out += [check for backend in backends for check in unit.checks(op, dtype, backend)]
            if "P" in chosen.kinds:
                for backend in backends:
                    out += properties.checks(op, dtype, backend, chosen.profile, chosen.seed)
            if "G" in chosen.kinds:
                out += [check for backend in backends for check in _golden_checks(op, dtype, backend)]
            if "R" in chosen.kinds:
                out += against_truth.checks(op, dtype, backends, chosen.seed, chosen.profile, evaluations)
            if "B" in chosen.kinds and "B" in OPS[op].owes:
                out += [check for backend in backends for check in bench.checks(op, dtype, backend, chosen.seed)]
    return out


def run(checks: Iterable[Check], on_result: Callable[[Check, Outcome], None]) -> None:
    """Run ``checks`` in order and hand each outcome to ``on_result``. KeyboardInterrupt passes through."""
    for check in checks:
        on_result(check, execute(check))


def execute(check: Check) -> Outcome:
    """The outcome of one check; an exception is a failure, never a lost check."""
    start = time.perf_counter()
    try:
        outcome = check.run()
    except Exception as error:
        outcome = Outcome("failed", f"{type(error).__name__}: {error}")
    return replace(outcome, seconds=time.perf_counter() - start)


def _golden_checks(op: str, dtype: str, backend: str) -> list[Check]:
    found = golden.checks(op, dtype, backend)
    if op == attention_block.OP:
        found = found + attention_block.checks(dtype, backend)
    return found
