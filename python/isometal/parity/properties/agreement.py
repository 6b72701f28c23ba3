"""The law that every op has: its result agrees with float64, for cases that Hypothesis makes up.

Shapes, values, layouts and parameters are drawn together, as a `Case`, and run as the parity kind runs its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isometal.parity.model import LAYOUTS, ArraySpec, Case, Operand
from isometal.parity.operands import materialise, run
from isometal.parity.properties.draw import Shape
from isometal.parity.properties.law import Law
from isometal.parity.properties.trial import Broken, Trial
from isometal.parity.subnormals import judge
from isometal.parity.truth import truth

Drawn = tuple[tuple[Operand, ...], dict[str, Any]]

ELEMENTWISE = ("normal", "special", "ties", "denormal", "huge", "tiny", "extremes", "wide", "zeros")
SUMMANDS = ("normal", "alternating", "positive", "nonfinite", "ones", "ramp")


def _agrees(t: Trial) -> None:
    inputs, params = _DRAWS[t.op](t)
    case = Case(t.op, t.dtype, "property", inputs, params, seed=t.integer(0, 0xFFFF))
    t.drawn.append(("case", case))
    operands = materialise(case)
    expected = truth(case, operands)
    metrics = judge(case, operands, expected, run(case, t.backend, operands), t.backend)
    if not metrics.passed:
        raise Broken(
            f"the result differs from float64 at {metrics.worst_index}: {metrics.bound_ratio:.3g} x the bound, "
            f"max abs {metrics.max_abs:.3g}, {metrics.pattern_mismatches} wrong in NaN, infinity or sign of zero."
        )
    t.worst = max(t.worst, metrics.bound_ratio)


AGREES = Law("agrees-with-float64", _agrees)


def _spec(t: Trial, shape: Shape, classes: tuple[str, ...], dtype: str = "") -> ArraySpec:
    return ArraySpec(shape, dtype or t.dtype, t.choice(classes), t.choice(LAYOUTS))


def _binary(t: Trial) -> Drawn:
    shape = t.shape()
    a = _spec(t, t.broadcastable(shape) if t.flag() else shape, ELEMENTWISE)
    if t.integer(0, 4) == 4:
        # Weakly typed, and representable everywhere.
        return (a, 2 if not t.floating else 0.5), {}
    return (a, _spec(t, t.broadcastable(shape) if t.flag() else shape, ELEMENTWISE)), {}


def _unary(t: Trial) -> Drawn:
    return (_spec(t, t.shape(), ELEMENTWISE),), {}


def _activation(t: Trial) -> Drawn:
    params = {"approx": t.choice(("none", "tanh", "precise", "fast"))} if t.op == "gelu" else {}
    # MLX computes x * (1 + erf(x / sqrt 2)) / 2, which overflows beyond half the largest number.
    large = ("big", "nonfinite") if t.op == "gelu" else ("huge", "special")
    return (_spec(t, t.shape(), ("normal", "spread", "denormal", "zeros", *large)),), params


def _matmul(t: Trial) -> Drawn:
    m, k, n = t.extent(), t.extent(), t.extent()
    batch = t.shape(0, 2, limit=3) if t.flag() else ()
    a = (k,) if t.integer(0, 5) == 5 else (*t.broadcastable(batch), m, k)
    b = (k,) if t.integer(0, 5) == 5 else (*t.broadcastable(batch), k, n)
    classes = ("normal", "alternating", "offset", "ties", "ramp")
    return (_spec(t, a, classes), _spec(t, b, classes)), {}


def _softmax(t: Trial) -> Drawn:
    x = _spec(t, t.shape(), ("normal", "spread", "neginf-rows", "large", "ties"))
    return (x,), {"axis": t.axes(len(x.shape))[0], "precise": t.flag()}


def _causal_mask(t: Trial) -> Drawn:
    q_len, kv_len = t.extent(), t.extent()
    return ((q_len,) if q_len == kv_len and t.flag() else (q_len, kv_len)), {"dtype": t.dtype}


def _norm(t: Trial) -> Drawn:
    width = t.extent(1)
    classes: tuple[str, ...] = ("normal", "offset", "positive", "large", "ramp", "alternating")
    if t.op == "layer_norm" and width < 31:
        # Short rows of random numbers may have next to no variance; then the last bit of the mean decides.
        classes = ("ramp", "alternating")
    x = _spec(t, (*t.shape(0, 3, limit=64), width), classes)
    inputs: list[Operand] = [x]
    for _ in range(2 if t.op == "layer_norm" else 1):
        inputs.append(_spec(t, x.shape[-1:], ("normal", "positive")) if t.flag() else None)
    return tuple(inputs), {"eps": t.choice((1e-5, 1e-3, 1.0))}


def _rope(t: Trial) -> Drawn:
    features = t.choice((2, 4, 8, 32, 33))
    dims = 2 * t.integer(1, features // 2)
    shape = (*t.shape(0, 2, low=1, limit=6), t.extent(), features)
    params: dict[str, Any] = {"dims": dims, "traditional": t.flag(), "scale": t.choice((1.0, 0.5, 2.0))}
    if t.flag():
        params["freqs"] = ArraySpec((dims // 2,), "float32", "frequencies")
    else:
        params["base"] = t.choice((10000.0, 500.0, 16.0))
    per_batch = len(shape) >= 3 and t.flag()
    params["offset"] = ArraySpec(shape[:1], "int32", "positions") if per_batch else t.integer(0, 64)
    # Of size 1: the rounding of a large pair is not small beside a result that cancels.
    return (_spec(t, shape, ("normal", "uniform")),), params


def _reduction(t: Trial) -> Drawn:
    if t.op == "max":
        # A maximum over an empty axis is an error.
        x = _spec(t, t.shape(low=1), (*SUMMANDS, "special", "extremes"))
    else:
        # MLX adds equal float32 numbers up with a bias: 1.2e-5 of the sum for 2000 of them, where 1e-5 is allowed.
        x = _spec(t, t.shape(limit=500), SUMMANDS)
    return (x,), {"axis": t.axes(len(x.shape))[0], "keepdims": t.flag()}


def _reshape(t: Trial) -> Drawn:
    x = _spec(t, t.shape(), ELEMENTWISE)
    return (x,), {"shape": refold(t, x.shape)}


def _transpose(t: Trial) -> Drawn:
    x = _spec(t, t.shape(), ELEMENTWISE)
    return (x,), {"axes": t.permutation(len(x.shape)) if t.flag() else None}


def _broadcast_to(t: Trial) -> Drawn:
    shape = t.shape()
    return (_spec(t, t.broadcastable(shape), ELEMENTWISE),), {"shape": shape}


def _attention(t: Trial) -> Drawn:
    batch, kv_heads, group = t.integer(1, 2), t.integer(1, 2), t.integer(1, 3)
    q_len, kv_len = t.extent(), t.extent(1)
    dim, value_dim = t.choice((1, 2, 8, 33)), t.choice((1, 3, 8, 32))
    values = ("normal", "uniform", "positive")
    shapes = (batch, kv_heads * group, q_len, dim), (batch, kv_heads, kv_len, dim), (batch, kv_heads, kv_len, value_dim)
    q, k, v = (_spec(t, shape, values) for shape in shapes)
    kind = t.choice(("none", "causal", "bool", "additive"))
    mask: Any = {"none": None, "causal": "causal"}.get(kind)
    if kind in ("bool", "additive"):
        shape = (1 if t.flag() else batch, 1 if t.flag() else kv_heads * group, 1 if t.flag() else q_len, kv_len)
        mask = ArraySpec(shape, "bool" if kind == "bool" else t.dtype, t.choice(("mask", "dead-rows")))
    return (q, k, v), {"scale": dim**-0.5, "mask": mask}


def refold(t: Trial, shape: Shape) -> Shape:
    """Another shape with as many elements: axes merged, split at a divisor, and ones put in."""
    flat = [n for n in shape if n != 1 and t.flag()]
    rest = 1
    for n in shape:
        rest *= n
    out: list[int] = []
    if rest == 0:
        return (0, *flat) if t.flag() else (*[n for n in flat if n], 0)
    while rest > 1 and len(out) < 4:
        divisors = [d for d in (2, 3, 7, 8, 31, 32, 33, rest) if rest % d == 0]
        out.append(t.choice(divisors[::-1]))
        rest //= out[-1]
    out += [rest] if rest > 1 else []
    if t.flag():
        out.insert(t.integer(0, len(out)), 1)
    return tuple(out)


_DRAWS: dict[str, Callable[[Trial], Drawn]] = {
    "add": _binary,
    "subtract": _binary,
    "multiply": _binary,
    "divide": _binary,
    "negative": _unary,
    "matmul": _matmul,
    "silu": _activation,
    "gelu": _activation,
    "softmax": _softmax,
    "causal_mask": _causal_mask,
    "rms_norm": _norm,
    "layer_norm": _norm,
    "rope": _rope,
    "sum": _reduction,
    "mean": _reduction,
    "max": _reduction,
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast_to,
    "scaled_dot_product_attention": _attention,
}
