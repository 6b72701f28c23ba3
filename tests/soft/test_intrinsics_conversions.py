"""Conversions between all types, with saturation and rounding, and packed integers."""

from __future__ import annotations

import numpy as np
import pytest
from intrinsic_checks import check_convert
from intrinsic_jit import apply

TEXT = {"f32": "float", "f16": "half", "bf16": "bfloat"}
FLOATS = [("f", t) for t in TEXT]
INTEGERS = [(s, f"i{w}") for s in "su" for w in (8, 16, 32, 64)] + [("u", "i1")]
TYPES = FLOATS + INTEGERS


def declaration(to: tuple[str, str], source: tuple[str, str], suffix: str = "", count: int = 0) -> str:
    def text(element: str) -> str:
        scalar = TEXT.get(element, element)
        return f"<{count} x {scalar}>" if count else scalar

    prefix = f"v{count}" if count else ""
    name = f"air.convert.{to[0]}.{prefix}{to[1]}.{source[0]}.{prefix}{source[1]}{suffix}"
    return f"declare {text(to[1])} @{name}({text(source[1])})"


@pytest.mark.parametrize("source", TYPES, ids=".".join)
@pytest.mark.parametrize("to", TYPES, ids=".".join)
def test_convert(to: tuple[str, str], source: tuple[str, str]) -> None:
    check_convert(declaration(to, source), (*to, *source, None, None), {})


@pytest.mark.parametrize("rounding", ["rte", "rtz", "rtp", "rtn"])
@pytest.mark.parametrize(
    ("to", "source"),
    [(("f", t), s) for t in TEXT for s in (("f", "f32"), ("s", "i64"), ("u", "i32"))]
    + [((s, "i32"), ("f", t)) for s in "su" for t in TEXT],
    ids=".".join,
)
def test_rounding(to: tuple[str, str], source: tuple[str, str], rounding: str) -> None:
    check_convert(declaration(to, source, f".{rounding}"), (*to, *source, None, rounding), {})


@pytest.mark.parametrize("source", INTEGERS[:8], ids=".".join)
@pytest.mark.parametrize("to", INTEGERS[:8], ids=".".join)
def test_saturation(to: tuple[str, str], source: tuple[str, str]) -> None:
    check_convert(declaration(to, source, ".sat"), (*to, *source, ".sat", None), {})


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize(
    ("to", "source"),
    [
        (("f", "f32"), ("f", "f16")),
        (("f", "bf16"), ("f", "f32")),
        (("s", "i32"), ("f", "f32")),
        (("u", "i8"), ("f", "f16")),
        (("f", "f16"), ("u", "i64")),
        (("f", "f32"), ("u", "i1")),
        (("u", "i16"), ("s", "i32")),
    ],
    ids=".".join,
)
def test_vectors(to: tuple[str, str], source: tuple[str, str], count: int) -> None:
    parts = (to[0], f"v{count}{to[1]}", source[0], f"v{count}{source[1]}", None, None)
    check_convert(declaration(to, source, count=count), parts, {})


def test_every_bfloat_is_the_nearest() -> None:
    """All floats next to and between two bfloats of a binade: ties go to even."""
    bits = np.arange(0x3F800000, 0x40000000, 0x800, dtype=np.uint32)
    bits = np.concatenate([bits, bits + 1, bits - 1])
    check = apply(declaration(("f", "bf16"), ("f", "f32")), bits.view(np.float32)).view(np.uint16)
    wanted = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    assert np.array_equal(check, wanted)


def test_nan_stays_quiet() -> None:
    nans = np.array([0x7F800001, 0xFF800001, 0x7FC12345, 0x7FFFFFFF], np.uint32).view(np.float32)
    halfs = apply(declaration(("f", "f16"), ("f", "f32")), nans).view(np.uint16)
    bfloats = apply(declaration(("f", "bf16"), ("f", "f32")), nans).view(np.uint16)
    assert (halfs & 0x7E00 == 0x7E00).all()
    assert (bfloats & 0x7FC0 == 0x7FC0).all()


def packed_text(kind: str, count: int, direction: str, element: str = "f32") -> str:
    vector = f"<{count} x {TEXT[element]}>"
    if direction == "pack":
        return f"declare i32 @air.pack.{kind}.v{count}{element}({vector})"
    return f"declare {vector} @air.unpack.{kind}.v{count}{element}(i32)"


@pytest.mark.parametrize(
    ("kind", "widths"),
    [("norm4x8", [8] * 4), ("norm2x16", [16] * 2), ("norm.rgb10a2", [10, 10, 10, 2])],
)
@pytest.mark.parametrize("sign", ["u", "s"])
def test_packing(kind: str, widths: list[int], sign: str) -> None:
    random = np.random.default_rng(90)
    count = len(widths)
    values = random.uniform(-1.5, 1.5, (2000, count)).astype(np.float32)
    values[:3] = [[0] * count, [1] * count, [-1] * count]
    values[3, 0], values[4, 0], values[5, 0] = np.nan, np.inf, -np.inf
    largest = np.array([(1 << (w - (sign == "s"))) - 1 for w in widths])
    limited = np.where(np.isnan(values), 0, np.clip(values, -1 if sign == "s" else 0, 1))
    # Scaled in float, as the definition does it: the product is what ties refer to.
    whole = np.rint((limited * largest.astype(np.float32)).astype(np.float32)).astype(np.int64)
    places = np.cumsum([0, *widths[:-1]])
    expected = sum((whole[:, i] & ((1 << w) - 1)) << places[i] for i, w in enumerate(widths))
    got = apply(packed_text(sign + kind, count, "pack"), values)
    assert np.array_equal(got.view(np.uint32), np.asarray(expected, np.uint32))
    back = apply(packed_text(sign + kind, count, "unpack"), got)
    assert np.array_equal(back, (whole / largest).astype(np.float32))
    half = apply(packed_text(sign + kind, count, "unpack", "f16"), got)
    assert np.array_equal(half, back.astype(np.float16))


def test_unpacking_the_most_negative() -> None:
    got = apply(packed_text("snorm4x8", 4, "unpack"), np.array([0x80817F00], np.uint32).view(np.int32))
    assert np.array_equal(got, [[0, 1, -1, -1]])
