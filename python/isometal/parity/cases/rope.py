"""Cases of rope.

scale and base are numbers that float32 holds exactly: at position 10^6 the rounding of 0.1 alone would turn an angle
by 0.015 radians.
"""

from __future__ import annotations

from isometal.parity.cases.collect import AWKWARD, Collector


def rope(c: Collector) -> None:
    for traditional in (False, True):
        style = "pairs" if traditional else "halves"
        flag = {"traditional": traditional}
        # Ranks 2 to 5, dims equal to D and below it, T = 1.
        for shape, dims in (
            ((5, 8), 8), ((3, 5, 8), 8), ((2, 3, 5, 8), 8), ((2, 3, 2, 5, 8), 8), ((2, 3, 5, 10), 6), ((3, 5, 9), 2),
            ((2, 4, 1, 64), 64), ((1, 2, 33, 80), 80), ((1, 2, 17, 128), 64), ((1, 1, 7, 2), 2), ((2, 0, 4), 4),
            ((0, 3, 4), 4),
        ):  # fmt: skip
            c.add(c.spec(*shape), note=f"{style}-dims{dims}", params={"dims": dims, **flag})
        for offset in (1, 7, 1000, 100_000, 1_000_000 - 9):
            c.add(c.spec(1, 2, 9, 32), note=f"{style}-offset{offset}", params={"dims": 32, "offset": offset, **flag})
        for layout in AWKWARD:
            c.add(c.spec(2, 3, 5, 16, layout=layout), note=style, params={"dims": 16, "offset": 3, **flag})
            c.add(c.spec(7, 16, layout=layout), note=style, params={"dims": 12, **flag}, deep=True)
        for scale in (0.5, 0.25, 2.0):
            c.add(c.spec(1, 2, 9, 32), note=f"{style}-scale{scale}", params={"dims": 32, "scale": scale, **flag})
        for base in (10.0, 500_000.0, 1e6):
            c.add(c.spec(1, 2, 9, 32), note=f"{style}-base{base:.0f}", params={"dims": 32, "base": base, **flag})
        freqs = c.spec(8, values="frequencies", dtype="float32")
        c.add(c.spec(2, 3, 5, 16), note=f"{style}-freqs", params={"dims": 16, "freqs": freqs, "offset": 11, **flag})
        c.add(c.spec(2, 3, 5, 18), note=f"{style}-freqs-scale0.5",
              params={"dims": 16, "freqs": freqs, "offset": 11, "scale": 0.5, **flag})  # fmt: skip
        for dtype in ("int32", "int64", "uint32"):
            offsets = c.spec(3, values="positions", dtype=dtype)
            c.add(c.spec(3, 2, 5, 16), note=f"{style}-offsets-{dtype}",
                  params={"dims": 16, "offset": offsets, **flag})  # fmt: skip
        offsets = c.spec(3, values="positions", dtype="int32")
        c.add(c.spec(3, 5, 16), note=f"{style}-offsets", params={"dims": 16, "offset": offsets, **flag})
        c.add(c.spec(3, 2, 2, 5, 16), note=f"{style}-offsets", params={"dims": 12, "offset": offsets, **flag})
        one = c.spec(1, values="positions", dtype="int32")
        c.add(c.spec(1, 2, 5, 16), note=f"{style}-one-offset", params={"dims": 16, "offset": one, **flag})
        # The tolerance is absolute (1e-6) where the two products cancel: values far from 1, whose products float32
        # itself rounds by more than that, are outside what it can demand.
        for values in ("uniform", "positive", "tiny", "denormal", "zeros", "ones", "nonfinite", "ties"):
            c.add(c.spec(2, 9, 32, values=values), note=style, params={"dims": 32, "offset": 5, **flag})
        c.add(c.spec(1, 8, 256, 128), note=f"{style}-large", params={"dims": 128, "offset": 17, **flag})
        c.add(c.spec(1, 2, 4097, 64), note=f"{style}-long", params={"dims": 64, **flag}, deep=True)
    for layout in AWKWARD:
        # int32 vectors cannot be transposed into anything else; the layout is then the plain one.
        offsets = c.spec(3, values="positions", dtype="int32", layout=layout)
        c.add(c.spec(3, 2, 5, 16), note=f"offsets-{layout}", params={"dims": 16, "offset": offsets})
        freqs = c.spec(8, values="frequencies", dtype="float32", layout=layout)
        c.add(c.spec(2, 3, 5, 16), note=f"freqs-{layout}", params={"dims": 16, "freqs": freqs, "offset": 4})
    half = c.spec(8, values="frequencies", dtype="float16")
    c.add(c.spec(2, 3, 5, 16), note="freqs-float16", params={"dims": 16, "freqs": half, "offset": 4})
