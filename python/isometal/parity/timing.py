"""Time several callables against each other on a noisy machine.

Speed here is always a ratio of two things measured in the same loop, never a time. The participants take turns
(A B C, C B A, A B C, ...), so that a slow moment of the machine hits all of them; the figure of each is its fastest
turn, because what disturbs a run only ever makes it slower.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from isometal.parity.model import NDArray

Call = Callable[[], object]

#: A turn of fast calls is this long, in seconds: a thousand times what reading the clock costs.
TURN = 2e-4
#: Below this many seconds per call, a turn starts with an untimed call. Its predecessor has just filled the caches
#: and let other threads go to sleep; one call restores what the participant finds when it runs alone (512 x 512
#: float32 np.matmul after MLX's: 15 % too slow without).
WARM_UP_BELOW = 5e-3
#: Next to a slow participant the fast ones take up to this many turns in a round, within a quarter of its time and
#: their part of the budget: what costs little to repeat is not left to the few rounds that the slow one allows.
TURNS_PER_ROUND = 8
#: Rounds per measurement, whatever the budget. Three, because the spread compares three parts.
MIN_ROUNDS, MAX_ROUNDS = 3, 60
#: Stop before the budget is spent once every ratio repeats this well (relative) ...
SETTLED = 0.02
#: ... over at least this many rounds.
SETTLED_ROUNDS = 9


@dataclass(frozen=True)
class Timing:
    """Seconds per call of one participant, one entry per round: the fastest of its turns there."""

    rounds: tuple[float, ...]

    @property
    def best(self) -> float:
        return min(self.rounds)

    @property
    def median(self) -> float:
        return float(np.median(self.rounds))

    def thirds(self) -> tuple[float, ...]:
        """The best of each consecutive third of the rounds: three shorter measurements of the same thing."""
        parts = np.array_split(np.array(self.rounds), 3)
        return tuple(float(part.min()) for part in parts if part.size)


@dataclass(frozen=True)
class Figure:
    """A measured ratio, and how well it repeats: the largest relative deviation over the three thirds of the run."""

    value: float
    spread: float


def ratio(a: Timing, b: Timing) -> Figure:
    """Time of ``a`` in units of ``b``'s: 2 is twice as slow."""
    value = a.best / b.best
    return Figure(value, max(abs(x / y / value - 1) for x, y in zip(a.thirds(), b.thirds(), strict=True)))


def interleave(participants: Mapping[str, Call], budget: float) -> dict[str, Timing]:
    """Time the participants in turns for about ``budget`` seconds, garbage collection off.

    In a round everyone has its turn (see TURNS_PER_ROUND); the order is reversed after every round, so that none
    always follows the same one. Whatever the budget, every participant gets one untimed call and MIN_ROUNDS rounds.
    """
    with _no_garbage_collection():
        plans = _plans(participants, budget)
        samples: dict[str, list[float]] = {name: [] for name in participants}
        order = list(participants)
        end = perf_counter() + budget
        for done in itertools.count():
            if done >= MIN_ROUNDS and (done >= MAX_ROUNDS or perf_counter() >= end or _settled(samples)):
                return {name: Timing(tuple(times)) for name, times in samples.items()}
            for name in order:
                samples[name].append(_best_turn(participants[name], plans[name]))
            order.reverse()
    raise AssertionError("unreachable: the loop above returns")


@dataclass(frozen=True)
class _Plan:
    """A participant's part of a round: turns of so many calls, each after an untimed call where ``warm``."""

    turns: int
    calls: int
    warm: bool


def _plans(participants: Mapping[str, Call], budget: float) -> dict[str, _Plan]:
    sizes = {name: _turn_size(call) for name, call in participants.items()}
    slowest = max(calls * seconds for calls, seconds in sizes.values())
    allowance = min(slowest / 4, budget / MIN_ROUNDS / len(participants))
    plans = {}
    for name, (calls, seconds) in sizes.items():
        warm = seconds < WARM_UP_BELOW
        cost = (calls + warm) * seconds
        plans[name] = _Plan(max(1, min(TURNS_PER_ROUND, int(allowance / max(cost, 1e-9)))), calls, warm)
    return plans


def _turn_size(call: Call) -> tuple[int, float]:
    """How many calls make a turn, and how long one takes."""
    # The first call pays what only a first call costs; where that is long, it need not be known better.
    calls, seconds = 1, _turn(call, 1, False)
    if seconds < WARM_UP_BELOW:
        seconds = _turn(call, 1, False)
    while calls * seconds < TURN:
        calls = max(2 * calls, min(int(TURN / max(seconds, 1e-9)), 10 * calls))
        seconds = _turn(call, calls, False)
    return calls, seconds


def _best_turn(call: Call, plan: _Plan) -> float:
    return min(_turn(call, plan.calls, plan.warm) for _ in range(plan.turns))


def _turn(call: Call, calls: int, warm: bool) -> float:
    """Seconds per call. Each result is dropped before the next call, inside the timed region, as in a caller's loop."""
    if warm:
        call()
    repeats = itertools.repeat(None, calls)
    start = perf_counter()
    for _ in repeats:
        call()
    return (perf_counter() - start) / calls


def _settled(samples: Mapping[str, list[float]]) -> bool:
    timings = [Timing(tuple(times)) for times in samples.values()]
    if len(timings[0].rounds) < SETTLED_ROUNDS:
        return False
    return all(ratio(timing, timings[0]).spread <= SETTLED for timing in timings[1:])


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


# -- ceilings ---------------------------------------------------------------------------------------------------------

#: np.matmul of two float32 matrices of this order is the compute ceiling: the smallest at which OpenBLAS comes within
#: 10 % of its speed at order 1024 (178 and 195 GFLOP/s measured), short enough to take a turn in every round.
BLAS_ORDER = 512
BLAS_FLOPS = 2 * BLAS_ORDER**3


def copy_call(nbytes: int) -> Call:
    """`np.copyto` that moves ``nbytes`` in all, half of them read and half written.

    The bandwidth ceiling of an op that moves as many: the same bytes live in the same level of the cache.
    """
    source = np.zeros(max(nbytes // 2, 1), np.uint8)
    # Written once, or every page of the source would be the kernel's one page of zeros.
    source.fill(1)
    target = source.copy()
    return lambda: np.copyto(target, source)


def blas_call() -> Call:
    """float32 `np.matmul` of BLAS_FLOPS floating-point operations into a given array."""
    generator = np.random.default_rng(0)
    a, b = (generator.standard_normal((BLAS_ORDER, BLAS_ORDER), np.float32) for _ in range(2))
    out: NDArray = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)


#: Two arrays of 64 MiB: beyond the last-level cache of today's machines.
LARGE_COPY_BYTES = 2 * 64 * 2**20


def machine_ceilings(budget: float = 0.6) -> dict[str, float]:
    """What this machine reaches now: ``copy_gb_per_s`` on arrays far larger than the caches, ``blas_gflop_per_s``."""
    timings = interleave({"copy": copy_call(LARGE_COPY_BYTES), "blas": blas_call()}, budget)
    return {
        "copy_gb_per_s": LARGE_COPY_BYTES / timings["copy"].best / 1e9,
        "blas_gflop_per_s": BLAS_FLOPS / timings["blas"].best / 1e9,
    }
