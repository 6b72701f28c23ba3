"""Cases of the shape ops: reshape, transpose, broadcast_to. Moving values must change none, NaN and -0 included."""

from __future__ import annotations

from itertools import permutations

from isometal.parity.cases.collect import AWKWARD, Collector

_VALUES = ("normal", "special", "extremes", "denormal", "zeros")
_INT_VALUES = ("extremes", "zeros")


def _join(shape: tuple[int, ...]) -> str:
    return "x".join("m1" if n == -1 else str(n) for n in shape) or "0d"


def reshape(c: Collector) -> None:
    for old, new in (
        ((6, 35), (210,)), ((210,), (6, 35)), ((6, 35), (5, 6, 7)), ((6, 35), (-1,)), ((6, 35), (-1, 5)),
        ((6, 35), (2, -1, 7)), ((6, 35), (6, 35)), ((6, 35), (1, 6, 1, 35, 1)), ((1, 6, 1, 35), (6, 35)),
        ((), (1,)), ((), (1, 1, 1)), ((), (-1,)), ((), ()), ((1,), ()), ((1, 1), ()), ((0,), (0, 3)),
        ((0, 3), (3, 0)), ((0, 3), (0,)), ((2, 0, 3), (0, 7)), ((2, 0, 3), (5, 0)),
        ((127, 3), (3, 127)), ((2, 3, 4, 5), (6, 20)), ((33, 31), (31, 33)), ((1025,), (25, 41)),
    ):  # fmt: skip
        c.add(c.spec(*old, values="ramp"), note=f"to-{_join(new)}", params={"shape": new})
    c.add(c.spec(6, 35, values="ramp"), note="to-int", params={"shape": 210})
    for layout in AWKWARD:
        # Some of these stay views (adding an axis), the others need a copy (merging axes that are not adjacent).
        for old, new in (((6, 35), (210,)), ((6, 35), (6, 1, 35)), ((6, 35), (6, 5, 7)), ((4, 6, 9), (24, 9)),
                         ((4, 6, 9), (4, 54)), ((12,), (3, 4))):  # fmt: skip
            c.add(c.spec(*old, values="ramp", layout=layout), note=f"to-{_join(new)}", params={"shape": new})
    for values in _VALUES if c.floating else _INT_VALUES:
        c.add(c.spec(6, 35, values=values, layout="transposed"), note="to-210", params={"shape": (210,)})
    c.add(c.spec(500, 400, values="ramp", layout="transposed"), note="large", params={"shape": (200000,)})
    c.add(c.spec(1000, 1000, values="ramp", layout="strided"), note="large", params={"shape": (-1,)}, deep=True)


def transpose(c: Collector) -> None:
    for shape in ((), (5,), (3, 5), (3, 5, 7), (2, 3, 4, 5), (0, 3), (1, 7, 1), (31, 33), (127, 129)):
        c.add(c.spec(*shape, values="ramp"), note="default")
    for axes in permutations(range(3)):
        c.add(c.spec(3, 5, 17, values="ramp"), note="axes-" + ".".join(map(str, axes)), params={"axes": axes})
    for axes in permutations(range(4)):
        c.add(c.spec(2, 3, 4, 5, values="ramp"), note="axes-" + ".".join(map(str, axes)), params={"axes": axes})
    c.add(c.spec(3, 5, 7, values="ramp"), note="axes-m1.0.m2", params={"axes": (-1, 0, -2)})
    c.add(c.spec(2, 1, 3, 1, 5, values="ramp"), note="axes-4.2.0.1.3", params={"axes": (4, 2, 0, 1, 3)})
    for layout in AWKWARD:
        c.add(c.spec(7, 33, values="ramp", layout=layout), note="default")
        c.add(c.spec(3, 5, 17, values="ramp", layout=layout), note="axes-1.2.0", params={"axes": (1, 2, 0)})
    for values in _VALUES if c.floating else _INT_VALUES:
        c.add(c.spec(6, 35, values=values), note="default")
    c.add(c.spec(500, 401, values="ramp"), note="large")
    c.add(c.spec(64, 65, 129, values="ramp"), note="large-axes-2.0.1", params={"axes": (2, 0, 1)}, deep=True)


def broadcast_to(c: Collector) -> None:
    for old, new in (
        ((), ()), ((), (5,)), ((), (3, 5)), ((), (0,)), ((1,), (33,)), ((5,), (3, 5)), ((5,), (5,)), ((3, 1), (3, 7)),
        ((3, 1), (2, 3, 7)), ((1, 5), (4, 5)), ((1, 1), (3, 4, 5)), ((2, 1, 3, 1), (2, 5, 3, 4)), ((0,), (3, 0)),
        ((1, 3), (0, 3)), ((1,), (0,)), ((3, 1, 5), (2, 3, 4, 5)), ((31,), (33, 31)), ((1025, 1), (1025, 3)),
    ):  # fmt: skip
        c.add(c.spec(*old, values="ramp"), note=f"to-{_join(new)}", params={"shape": new})
    c.add(c.spec(1, values="ramp"), note="to-int", params={"shape": 7})
    for layout in AWKWARD:
        for old, new in (((7, 33), (2, 7, 33)), ((3, 1, 9), (3, 5, 9)), ((5,), (4, 5)), ((6, 1), (6, 8))):
            c.add(c.spec(*old, values="ramp", layout=layout), note=f"to-{_join(new)}", params={"shape": new})
    for values in _VALUES if c.floating else _INT_VALUES:
        c.add(c.spec(6, 1, 35, values=values), note="to-6x3x35", params={"shape": (6, 3, 35)})
    c.add(c.spec(1, 1000, values="ramp"), note="large", params={"shape": (500, 1000)})
    c.add(c.spec(1000, 1, values="ramp"), note="large", params={"shape": (1000, 1000)}, deep=True)
