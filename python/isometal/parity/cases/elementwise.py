"""Cases of the elementwise ops: binary arithmetic, negative, silu, gelu."""

from __future__ import annotations

from isometal.optable import ALL_DTYPES
from isometal.parity.cases.collect import AWKWARD, DEEP_EDGES, EDGES, Collector

_FLOAT_VALUES = (
    "uniform", "positive", "spread", "wide", "tiny", "huge", "large", "denormal", "zeros", "ones", "special",
    "nonfinite", "ties", "ramp", "alternating", "extremes", "offset",
)  # fmt: skip
_INT_VALUES = ("huge", "extremes", "zeros", "ones", "ramp", "large", "ties", "alternating")


def binary(c: Collector) -> None:
    for size, deep in c.each(EDGES, DEEP_EDGES):
        # Where a row ends is the same for every dtype: in "ci" the floating ones meet all sizes, the rest a few.
        c.add(c.spec(size), c.spec(size), deep=deep or not (c.floating or size in (1, 33, 1025)))
    for left, right in (
        ((), ()),
        ((0,), (0,)),
        ((3, 0, 5), (1, 5)),
        ((0,), (1,)),
        ((17, 33), (33,)),
        ((17, 33), (17, 1)),
        ((1, 33), (17, 1)),
        ((5, 1, 7), (3, 1)),
        ((), (4, 5)),
        ((129,), ()),
        ((1,), (131,)),
        ((2, 3, 1, 5), (3, 4, 1)),
        ((2, 1, 3, 1, 5), (3, 1, 2, 1)),
        ((1, 1, 1), (1,)),
    ):
        c.add(c.spec(*left), c.spec(*right), note="shapes")
    for layout in AWKWARD:
        c.add(c.spec(7, 33, layout=layout), c.spec(7, 33))
        c.add(c.spec(7, 33), c.spec(7, 33, layout=layout))
        c.add(c.spec(3, 1, 9, layout=layout), c.spec(5, 9), note="broadcast")
        for second in AWKWARD:
            c.add(c.spec(3, 5, 17, layout=layout), c.spec(3, 5, 17, layout=second), deep=layout != second)
    c.add(c.spec(2, 3, 5, 7, layout="transposed"), c.spec(3, 5, 1, layout="reversed"))
    for values in _FLOAT_VALUES if c.floating else _INT_VALUES:
        c.add(c.spec(5, 67, values=values), c.spec(5, 67, values=values))
        c.add(c.spec(259, values=values), c.spec(259), deep=True)
    c.add(c.spec(5, 67), c.spec(5, 67, values="zeros"))
    c.add(c.spec(5, 67, values="extremes"), c.spec(5, 67, values="ones"))
    _scalars(c)
    for other in ALL_DTYPES:
        if other != c.dtype:
            # Small integers: how an int64 beyond 2^24 becomes float16 or bfloat16 is the cast's business, not the op's.
            c.add(c.spec(4, 9), c.spec(4, 9, dtype=other), note="mixed")
            c.add(c.spec(9, dtype=other), c.spec(4, 9), note="mixed", deep=True)
    c.add(c.spec(1000, 1000), c.spec(1000, 1000), note="large")
    c.add(c.spec(1000, 1000, layout="transposed"), c.spec(1000), note="large", deep=True)


def _scalars(c: Collector) -> None:
    """Weakly typed Python scalars on either side; 0.1 rounds differently in every dtype, 2.5 in none."""
    for scalar, name in ((3, "3"), (2.5, "2.5"), (0.1, "0.1"), (True, "true"), (-0.0, "-0.0"), (0, "0")):
        c.add(c.spec(4, 9), scalar, note=f"scalar-right{'' if name[0] == '-' else '-'}{name}")
        c.add(scalar, c.spec(4, 9), note=f"scalar-left{'' if name[0] == '-' else '-'}{name}")
    if c.dtype != "uint32":
        # MLX refuses negative scalars beside unsigned integers.
        c.add(c.spec(4, 9), -7, note="scalar-right-7")


def _unary_inputs(c: Collector, note: str, params: dict[str, object], brief: bool) -> None:
    """``brief`` for the second and later variants of one op, which share everything but the formula."""
    for size, deep in c.each((33,) if brief else EDGES, DEEP_EDGES):
        c.add(c.spec(size), note=note, params=params, deep=deep)
    for shape in ((), (0,), (3, 0, 5), (17, 33), (2, 3, 1, 5, 7)):
        c.add(c.spec(*shape), note=note, params=params, deep=brief)
    for layout in AWKWARD:
        c.add(c.spec(7, 33, layout=layout), note=note, params=params, deep=brief)
        c.add(c.spec(3, 5, 17, layout=layout), note=note, params=params, deep=brief)
    # "precise" is an alias of "tanh": that it is one is all there is to see.
    rare = params.get("approx") in ("none", "precise")
    for values in _unary_values(c, params):
        c.add(c.spec(7, 131, values=values), note=note, params=params, deep=rare)
    c.add(c.spec(1000, 1000), note="-".join(part for part in (note, "large") if part), params=params, deep=brief)


def _unary_values(c: Collector, params: dict[str, object]) -> tuple[str, ...]:
    if c.op == "gelu" and params.get("approx", "none") == "none":
        # MLX computes x * (1 + erf(x / sqrt 2)) / 2, which overflows beyond half the largest number.
        return (*(values for values in _FLOAT_VALUES if values not in ("huge", "extremes")), "big")
    return _FLOAT_VALUES if c.floating else _INT_VALUES


def unary(c: Collector) -> None:
    _unary_inputs(c, "", {}, brief=False)


def gelu(c: Collector) -> None:
    _unary_inputs(c, "", {}, brief=False)
    for approx in ("none", "tanh", "precise", "fast"):
        _unary_inputs(c, approx, {"approx": approx}, brief=True)
