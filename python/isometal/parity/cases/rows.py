"""Cases of the ops on rows: softmax, the norms, and the causal mask."""

from __future__ import annotations

from isometal.optable import FLOATING
from isometal.parity.cases.collect import AWKWARD, DEEP_EDGES, EDGES, Collector
from isometal.parity.model import Operand


def softmax(c: Collector) -> None:
    for size, deep in c.each(EDGES, DEEP_EDGES):
        c.add(c.spec(3, size), deep=deep)
    for shape in ((5,), (0, 4), (4, 0), (2, 0, 3), (2, 3, 5), (2, 1, 3, 1, 5)):
        c.add(c.spec(*shape), note="shapes")
    c.add(c.spec(), note="axis-none", params={"axis": None})
    for note, axis in (
        ("axis-0", 0), ("axis-1", 1), ("axis-m2", -2), ("axis-m1", -1), ("axis-none", None), ("axis-0.2", (0, 2)),
        ("axis-m1.0", (-1, 0)), ("axis-1.2", (1, 2)), ("axis-empty", ()),
    ):  # fmt: skip
        c.add(c.spec(5, 7, 33), note=note, params={"axis": axis})
        c.add(c.spec(5, 7, 33), note=f"{note}-precise", params={"axis": axis, "precise": True}, deep=True)
    for layout in AWKWARD:
        c.add(c.spec(7, 33, layout=layout))
        c.add(c.spec(7, 33, layout=layout), note="axis-0", params={"axis": 0})
        c.add(c.spec(3, 5, 17, layout=layout), deep=True)
    for values in (
        "uniform", "spread", "wide", "tiny", "huge", "large", "denormal", "zeros", "ones", "special", "nonfinite",
        "ties", "ramp", "alternating", "extremes", "offset", "neginf-rows", "dead-rows", "mask", "positive",
    ):  # fmt: skip
        c.add(c.spec(9, 67, values=values))
        c.add(c.spec(9, 67, values=values), note="precise", params={"precise": True})
    c.add(c.spec(67, 9, values="neginf-rows", layout="transposed"), note="axis-0", params={"axis": 0})
    c.add(c.spec(512, 2048), note="large")
    c.add(c.spec(16, 8192, values="spread"), note="long", params={"precise": True})
    c.add(c.spec(3, 100003), note="long", deep=True)


def _norm(c: Collector, vectors: int) -> None:
    """``vectors``: how many optional operands follow x (weight, bias)."""

    def full(size: int, **how: str) -> list[Operand]:
        return [c.spec(size, values="uniform", **how) for _ in range(vectors)]  # type: ignore[arg-type]

    for size, deep in c.each(EDGES, DEEP_EDGES):
        c.add(c.spec(3, size), *full(size), deep=deep)
    for size in (33, 1025):
        c.add(c.spec(3, size), note="bare")
        c.add(c.spec(3, size), *[None] * vectors, note="bare")
    if vectors == 2:
        c.add(c.spec(3, 65), c.spec(65, values="uniform"), note="weight-only")
        c.add(c.spec(3, 65), None, c.spec(65, values="uniform"), note="bias-only")
    for shape in ((5,), (0, 4), (4, 0), (2, 0, 3), (2, 3, 5), (2, 1, 3, 1, 5)):
        c.add(c.spec(*shape), *full(shape[-1]), note="shapes")
    for layout in AWKWARD:
        c.add(c.spec(7, 33, layout=layout), *full(33))
        c.add(c.spec(3, 5, 17, layout=layout), *full(17))
        for position in range(vectors):
            operands = full(33)
            operands[position] = c.spec(33, values="uniform", layout=layout)
            c.add(c.spec(7, 33), *operands, note=f"vector{position}")
    # Values whose squares overflow float32 are left out (huge, wide, special, extremes): MLX squares in float32.
    for values in (
        "uniform", "positive", "spread", "tiny", "large", "denormal", "zeros", "ones", "nonfinite", "ties", "ramp",
        "alternating", "offset",
    ):  # fmt: skip
        c.add(c.spec(9, 67, values=values), *full(67))
    for eps in (0.0, 1e-12, 1e-6, 1e-3, 1.0):
        c.add(c.spec(5, 65), *full(65), note=f"eps-{eps}", params={"eps": eps})
    c.add(c.spec(5, 65, values="uniform"), note="eps-0.1", params={"eps": 0.1})
    for other in FLOATING:
        if other != c.dtype:
            c.add(c.spec(5, 65), *[c.spec(65, values="uniform", dtype=other)] * vectors, note="mixed")
    c.add(c.spec(256, 1024), *full(1024), note="large")
    c.add(c.spec(2, 16384), *full(16384), note="long")
    c.add(c.spec(3, 1025, values="offset"), *full(1025), note="long", deep=True)


def rms_norm(c: Collector) -> None:
    _norm(c, 1)


def layer_norm(c: Collector) -> None:
    _norm(c, 2)


def causal_mask(c: Collector) -> None:
    """The op has no operands: its cases are the lengths."""
    lengths = (
        (1, None), (7, None), (33, None), (64, None), (0, None), (1, 1), (8, 8), (31, 33), (33, 31), (1, 65),
        (65, 1), (0, 5), (5, 0), (32, 64), (64, 32), (127, 129), (3, 1025), (17, 16),
    )  # fmt: skip
    deep_lengths = ((1025, None), (1023, 1025), (1025, 1023), (2, 4097), (512, 2048))
    for q_len, kv_len in (*lengths, *deep_lengths):
        note = f"{q_len}" + ("" if kv_len is None else f"x{kv_len}")
        params: dict[str, object] = {"q_len": q_len, "dtype": c.dtype}
        if kv_len is not None:
            params["kv_len"] = kv_len
        c.add(note=note, params=params, deep=(q_len, kv_len) in deep_lengths)
