"""Cases of sum, mean and max."""

from __future__ import annotations

from isometal.parity.cases.collect import AWKWARD, DEEP_EDGES, EDGES, Collector

_SUBSETS = (
    ("none", None), ("0", 0), ("1", 1), ("m1", -1), ("0.1", (0, 1)), ("0.2", (0, 2)), ("1.m1", (1, -1)),
    ("2.0", (2, 0)), ("all", (0, 1, 2)), ("empty", ()),
)  # fmt: skip
#: Left out where float32 partial sums overflow though the float64 sum does not: huge, wide, special, extremes.
_SUM_VALUES = (
    "uniform", "positive", "spread", "tiny", "large", "denormal", "zeros", "ones", "nonfinite", "ties", "ramp",
    "alternating", "offset",
)  # fmt: skip
_MAX_VALUES = (
    "uniform", "spread", "wide", "tiny", "huge", "large", "denormal", "zeros", "ones", "special", "nonfinite", "ties",
    "ramp", "alternating", "extremes", "neginf-rows",
)  # fmt: skip
_INT_VALUES = ("huge", "extremes", "zeros", "ones", "ramp", "large", "ties")


def reduction(c: Collector) -> None:
    for note, axis in _SUBSETS:
        for keepdims in (False, True):
            params: dict[str, object] = {"axis": axis, "keepdims": keepdims}
            c.add(c.spec(5, 7, 33), note=f"axis-{note}{'-keep' if keepdims else ''}", params=params)
    for size, deep in c.each(EDGES, DEEP_EDGES):
        # Where a row ends is the same for every dtype: in "ci" the floating ones meet all sizes, the rest a few.
        rare = deep or not (c.floating or size in (1, 33, 1025))
        c.add(c.spec(size), note="edge", deep=rare or size not in (1, 33, 1023, 1025))
        c.add(c.spec(3, size), note="rows", params={"axis": -1}, deep=rare)
        c.add(c.spec(size, 3), note="columns", params={"axis": 0}, deep=rare)
    for x, axis in (
        (c.spec(), None), (c.spec(2, 3, 2, 5, 3), (1, 3)), (c.spec(1, 1), 0), (c.spec(0, 4), 1), (c.spec(2, 0, 3), 2),
    ):  # fmt: skip
        c.add(x, note="shapes", params={"axis": axis})
    if c.op != "max":
        # Nothing to add: 0, and 0 / 0 = NaN for the mean. The maximum of nothing is an error.
        for x, axis in ((c.spec(0), None), (c.spec(0, 4), 0), (c.spec(2, 0, 3), 1), (c.spec(3, 0, 2), (0, 1))):
            c.add(x, note="nothing", params={"axis": axis})
    for layout in AWKWARD:
        c.add(c.spec(7, 33, layout=layout), note="axis-m1", params={"axis": -1})
        c.add(c.spec(7, 33, layout=layout), note="axis-0", params={"axis": 0})
        c.add(c.spec(3, 5, 17, layout=layout), note="axis-1", params={"axis": 1})
        c.add(c.spec(3, 5, 17, layout=layout), deep=True)
    for values in (_MAX_VALUES if c.op == "max" else _SUM_VALUES) if c.floating else _INT_VALUES:
        c.add(c.spec(9, 131, values=values), note="axis-m1", params={"axis": -1})
        c.add(c.spec(131, 9, values=values), note="axis-0", params={"axis": 0})
    c.add(c.spec(1000, 1000), note="large")
    c.add(c.spec(1000, 1000), note="large-axis-0", params={"axis": 0})
    c.add(c.spec(1000, 1000), note="large-axis-m1", params={"axis": -1})
    c.add(c.spec(1000, 1000, values="positive", layout="transposed"), note="large", deep=True)
