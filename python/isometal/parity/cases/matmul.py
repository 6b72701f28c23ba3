"""Cases of matmul: sizes around every tile edge, ranks, broadcast batches, transposed operands."""

from __future__ import annotations

from isometal.optable import FLOATING
from isometal.parity.cases.collect import AWKWARD, Collector

#: (M, K, N). Each of the three meets the edges of 8, 16, 32, 64 and 128.
_SIZES = (
    (1, 1, 1), (2, 3, 5), (7, 9, 8), (8, 8, 8), (9, 7, 15), (16, 16, 16), (17, 15, 17), (31, 33, 32), (32, 32, 32),
    (33, 31, 33), (63, 65, 64), (64, 64, 64), (65, 63, 33), (127, 5, 129), (129, 127, 31), (64, 128, 65),
    (1, 64, 65), (1, 1023, 17), (65, 64, 1), (17, 1025, 1), (1, 1025, 1), (33, 1, 31), (128, 128, 128),
)  # fmt: skip
_DEEP_SIZES = (
    (127, 127, 127), (129, 129, 129), (3, 4097, 5), (1, 4096, 257), (257, 4096, 1), (255, 257, 256), (512, 512, 512),
    (1023, 33, 65), (65, 33, 1025),
)  # fmt: skip
_RANKS = (
    ((129,), (129,)),
    ((65,), (65, 7)),
    ((7, 65), (65,)),
    ((65,), (3, 65, 7)),
    ((2, 3, 17, 9), (9,)),
    ((3, 17, 33), (3, 33, 9)),
    ((5, 9, 17), (17, 4)),
    ((17, 9), (4, 9, 3)),
    ((2, 1, 9, 17), (3, 17, 5)),
    ((1, 3, 9, 17), (2, 1, 17, 5)),
    ((2, 1, 2, 5, 7), (3, 1, 7, 4)),
    ((7, 1, 65), (7, 65, 1)),
    ((4, 33, 33), (1, 33, 33)),
    # Empty: no rows, no columns, no batch, and nothing to sum, which gives zeros.
    ((0, 4), (4, 3)),
    ((3, 4), (4, 0)),
    ((0, 3, 4), (4, 5)),
    ((3, 0), (0, 5)),
    ((0,), (0,)),
    ((0,), (0, 5)),
    ((2, 3, 0), (0,)),
)


def matmul(c: Collector) -> None:
    for m, k, n in _SIZES:
        c.add(c.spec(m, k), c.spec(k, n))
    for m, k, n in _DEEP_SIZES:
        c.add(c.spec(m, k), c.spec(k, n), deep=True)
    for left, right in _RANKS:
        c.add(c.spec(*left), c.spec(*right), note="rank")
    for layout in AWKWARD:
        c.add(c.spec(33, 65, layout=layout), c.spec(65, 31))
        c.add(c.spec(33, 65), c.spec(65, 31, layout=layout))
        c.add(c.spec(3, 17, 33, layout=layout), c.spec(3, 33, 9, layout=layout))
        c.add(c.spec(33, layout=layout), c.spec(33, 5))
        for second in AWKWARD:
            c.add(c.spec(65, 33, layout=layout), c.spec(33, 129, layout=second), deep=True)
    # Left out where float32 partial sums overflow though the float64 sum does not: huge, wide, special, extremes.
    for values in (
        "uniform", "positive", "spread", "large", "zeros", "ones", "nonfinite", "ties", "ramp", "alternating", "offset",
    ):  # fmt: skip
        c.add(c.spec(17, 65, values=values), c.spec(65, 33, values=values))
    for values in ("tiny", "denormal", "huge", "alternating"):
        small = "ones" if values == "alternating" else "uniform"
        # One product each for huge: sums of them leave the range.
        k = 1 if values == "huge" else 65
        c.add(c.spec(17, k, values=values), c.spec(k, 33, values=small))
    for other in FLOATING:
        if other != c.dtype:
            c.add(c.spec(9, 33), c.spec(33, 17, dtype=other), note="mixed")
            c.add(c.spec(9, 33, dtype=other), c.spec(33, 17), note="mixed")
    c.add(c.spec(256, 256), c.spec(256, 256), note="large")
    c.add(c.spec(2, 100, 700), c.spec(700, 90), note="large")
