"""Laws of silu and gelu. Both are x F(x) with a distribution function F: F(x) + F(-x) = 1, F rises from 0 to 1."""

from __future__ import annotations

import numpy as np

import isometal as im
from isometal.parity.model import NDArray
from isometal.parity.properties.law import Law
from isometal.parity.properties.trial import Trial, real

#: Lowest value of each function, found by golden section in 40-digit arithmetic on the formulas in ops.py.
_MINIMUM = {
    "silu": -0.2784645427610738,
    "none": -0.16997120747990363,
    "tanh": -0.17004075057125412,
    "precise": -0.17004075057125412,
    "fast": -0.16361018963635382,
}
_APPROXIMATIONS = ("none", "tanh", "precise", "fast")
_VALUES = ("normal", "spread", "positive", "ties", "ramp", "denormal", "zeros")


def _call(t: Trial, x: im.Array, approx: str) -> im.Array:
    return im.silu(x) if t.op == "silu" else im.gelu(x, approx)


def _draw(t: Trial, classes: tuple[str, ...] = _VALUES) -> tuple[NDArray, str]:
    approx = t.choice(_APPROXIMATIONS, "approx") if t.op == "gelu" else "silu"
    return t.numbers(t.shape(), classes), approx


def _allowed(t: Trial, values: NDArray, approx: str) -> NDArray:
    return t.allowed(t.truth(values) if t.op == "silu" else t.truth(values, approx=approx))


def _reflects(t: Trial) -> None:
    # f(x) - f(-x) = x (F(x) + F(-x)) = x. Each side of the difference has its allowance.
    values, approx = _draw(t)
    x = t.place(values, t.layout())
    there, back = _call(t, x, approx), _call(t, im.negative(x), approx)
    bound = _allowed(t, values, approx) + _allowed(t, -values, approx)
    t.within(real(there) - real(back), real(values), bound, "f(x) - f(-x) = x")


def _bounded(t: Trial) -> None:
    # minimum <= f(x) <= max(x, 0), and f(x) >= 0 where x >= 0; the truth keeps to it, the result within its allowance.
    values, approx = _draw(t)
    result, slack = real(_call(t, t.place(values, t.layout()), approx)), _allowed(t, values, approx)
    t.at_least(result, _MINIMUM[approx], slack, "f(x) >= its minimum")
    t.at_least(np.maximum(real(values), 0), result, slack, "f(x) <= max(x, 0)")
    t.at_least(np.where(real(values) >= 0, result, 0.0), 0.0, slack, "f(x) >= 0 for x >= 0")


def _rises(t: Trial) -> None:
    # For 0 <= a <= b both x and F(x) rise, so f(a) <= f(b).
    values, approx = _draw(t, ("positive", "normal", "spread", "ramp"))
    values = np.sort(np.abs(real(values)).reshape(-1)).astype(values.dtype)
    result, slack = real(_call(t, t.array(values), approx)), _allowed(t, values, approx)
    t.at_least(result[1:], result[:-1], slack[1:] + slack[:-1], "f rises on x >= 0")


def _saturates(t: Trial) -> None:
    # |x| >= 32: 1 - F(32) <= exp(-32) = 1.3e-14 for all of them, so f is x or 0 to far less than the allowance:
    # |x| exp(-|x|) <= 32 exp(-32) = 4.1e-13 is added to it.
    values, approx = _draw(t, ("normal", "positive", "spread"))
    far = (np.copysign(32.0 + np.floor(np.abs(real(values))), real(values))).astype(values.dtype)
    result = _call(t, t.place(far, t.layout()), approx)
    bound = _allowed(t, far, approx) + 4.1e-13
    t.within(result, np.maximum(real(far), 0.0), bound, "f(x) = max(x, 0) far from 0")


def _elementwise(t: Trial) -> None:
    # Each element depends on itself alone: order, shape and layout do not matter. Two evaluations, two allowances:
    # vector and scalar code of one library may differ in the last bit.
    values, approx = _draw(t, (*_VALUES, "special"))
    straight = real(_call(t, t.array(values), approx)).reshape(-1)
    backwards = real(_call(t, t.array(values.reshape(-1)[::-1].copy()), approx))[::-1]
    bound = 2 * _allowed(t, values, approx).reshape(-1)
    t.within(straight, backwards, bound, "f acts on each element alone")


def _aliases(t: Trial) -> None:
    # One name, one function.
    values = t.numbers(t.shape(), _VALUES)
    x = t.place(values, t.layout())
    t.same(im.gelu(x, "tanh"), im.gelu(x, "precise"), "tanh = precise")
    t.same(im.gelu(x), im.gelu(x, "none"), "none is the default")


def _approximations_near(t: Trial) -> None:
    # |gelu_tanh - gelu| <= 4.8e-4 and |gelu_fast - gelu| <= 2.1e-2 everywhere: the maxima over a grid of step 1e-4 in
    # [-10, 10] are 4.732e-4 and 2.034e-2 (test_properties.py measures them again).
    values = t.numbers(t.shape(), _VALUES)
    x = t.place(values, t.layout())
    exact = real(im.gelu(x))
    for approx, distance in (("tanh", 4.8e-4), ("fast", 2.1e-2)):
        bound = distance + _allowed(t, values, approx) + _allowed(t, values, "none")
        t.within(im.gelu(x, approx), exact, bound, f"{approx} is near the exact gelu")


_SHARED = (
    Law("reflects", _reflects),
    Law("bounded", _bounded),
    Law("rises", _rises),
    Law("saturates", _saturates),
    Law("elementwise", _elementwise),
)
LAWS = {"silu": _SHARED, "gelu": (*_SHARED, Law("aliases", _aliases), Law("approximations-near", _approximations_near))}
