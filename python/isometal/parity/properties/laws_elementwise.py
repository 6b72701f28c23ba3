"""Laws of add, subtract, multiply, divide, negative."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import isometal as im
from isometal.optable import FLOATING, NUMERIC
from isometal.parity.model import NDArray
from isometal.parity.properties.draw import ANY, FINITE
from isometal.parity.properties.law import Law
from isometal.parity.properties.trial import Trial, real, scalar, to_numpy

INTEGRAL = ("int32", "int64", "uint32", "bool")


def _op(t: Trial) -> Callable[..., im.Array]:
    return {"add": im.add, "subtract": im.subtract, "multiply": im.multiply, "divide": im.divide}[t.op]


def _pair(t: Trial, classes: tuple[str, ...] = ANY) -> tuple[NDArray, NDArray]:
    shape = t.shape()
    return t.numbers(t.broadcastable(shape), classes, "a"), t.numbers(shape, classes, "b")


def _commutes(t: Trial) -> None:
    # IEEE 754: a + b and a * b are defined on the unordered pair, so the results are equal bit for bit.
    a, b = _pair(t)
    x, y = t.place(a, t.layout()), t.array(b)
    t.same(_op(t)(x, y), _op(t)(y, x), "a op b = b op a")


def _broadcasts(t: Trial) -> None:
    # The same numbers meet, so the results are equal bit for bit; division may use its unit twice.
    shape = t.shape()
    a, b = t.numbers(t.broadcastable(shape), ANY, "a"), t.numbers(t.broadcastable(shape), ANY, "b")
    shape = np.broadcast_shapes(a.shape, b.shape)
    x, y = t.place(a, t.layout()), t.array(b)
    implicit = _op(t)(x, y)
    explicit = _op(t)(im.broadcast_to(x, shape), im.broadcast_to(y, shape))
    if t.op == "divide":
        t.within(implicit, real(explicit), 2 * t.allowed(t.truth(a, b)), "a / b = broadcast(a) / broadcast(b)")
    else:
        t.same(implicit, explicit, "a op b = broadcast(a) op broadcast(b)")


def _weak_scalar(t: Trial) -> None:
    # A Python scalar that the dtype holds is the same operand as a 0-d array of that dtype.
    values = t.numbers(t.shape(), ANY)
    value = t.choice(
        (2.0, 0.5, -3.0, 1.0) if t.floating else (2, 1, 3) if t.dtype != "bool" else (True, False), "scalar"
    )
    x, y = t.place(values, t.layout()), t.array(scalar(value, t.dtype))
    t.same(_op(t)(x, value), _op(t)(x, y), "x op scalar = x op array(scalar)")
    t.same(_op(t)(value, x), _op(t)(y, x), "scalar op x = array(scalar) op x")


def _neutral(t: Trial) -> None:
    # IEEE 754: x + -0 and x - +0 are x, for both zeros too; x * 1 is x. xor and or with False, and with True, are x.
    x = t.operand(t.shape(), ANY)
    element = {
        "add": -0.0 if t.floating else 0,
        "subtract": 0.0 if t.floating else 0,
        "multiply": 1.0 if t.floating else 1,
    }[t.op]
    neutral = bool(element) if t.dtype == "bool" else element
    t.same(_op(t)(x, neutral), x, f"x op {neutral} = x")


def _minus_itself(t: Trial) -> None:
    # x - x is +0 for finite x in round-to-nearest; 0 modulo 2^n for integers; False for xor.
    values = t.numbers(t.shape(), FINITE if t.floating else ANY)
    x, y = t.place(values, t.layout()), t.array(values)
    t.same(im.subtract(x, y), np.zeros_like(values), "x - x = 0")


def _antisymmetric(t: Trial) -> None:
    # Rounding to nearest is symmetric about 0. Only x - x gives +0 both ways, so zeros compare as one number.
    a, b = _pair(t)
    x, y = t.place(a, t.layout()), t.array(b)
    t.equal(im.subtract(x, y), im.negative(im.subtract(y, x)), "a - b = -(b - a)")


def _subtracts_by_adding(t: Trial) -> None:
    # IEEE 754 defines a - b as a + (-b), the signs of zeros included; two's complement too.
    a, b = _pair(t)
    x, y = t.place(a, t.layout()), t.array(b)
    t.same(im.subtract(x, y), im.add(x, im.negative(y)), "a - b = a + (-b)")


def _associates(t: Trial) -> None:
    # Integers modulo 2^n, and `or`. Whole numbers whose sums and products of three every dtype holds exactly:
    # 3 * 16 = 48 and 6^3 = 216 are less than 256, up to where bfloat16 holds all whole numbers.
    shape = t.shape()
    limit = 6 if t.op == "multiply" else 16
    a, b, c = (t.array(t.whole(shape, limit, n) if t.floating else t.numbers(shape, ANY, n)) for n in "abc")
    op = _op(t)
    t.equal(op(op(a, b), c), op(a, op(b, c)), "(a op b) op c = a op (b op c)")


def _distributes(t: Trial) -> None:
    # As above: whole numbers up to 7 give at most 7 * 14 = 98; integers modulo 2^n; `and` over `or`.
    shape = t.shape()
    a, b, c = (t.array(t.whole(shape, 7, n) if t.floating else t.numbers(shape, ANY, n)) for n in "abc")
    t.equal(im.multiply(im.add(a, b), c), im.add(im.multiply(a, c), im.multiply(b, c)), "(a + b) c = ac + bc")


def _scales_exactly(t: Trial) -> None:
    # A power of two changes the exponent only. Values lie within [2^-8, 2^8], so nothing overflows or underflows.
    values = t.numbers(t.shape(), ("positive", "ramp"))
    power = t.integer(-4, 4)
    t.drawn.append(("power", power))
    result = im.multiply(t.place(values, t.layout()), 2.0**power)
    t.same(result, np.ldexp(real(values), power).astype(values.dtype), "x * 2^k is exact")


def _sign_moves_out(t: Trial) -> None:
    # Signs and magnitudes are separate in IEEE 754 products; integers: (-a) b = -(ab) modulo 2^n.
    a, b = _pair(t)
    x, y = t.place(a, t.layout()), t.array(b)
    left, right = im.multiply(im.negative(x), y), im.negative(im.multiply(x, y))
    (t.same if t.floating else t.equal)(left, right, "(-a) b = -(ab)")


def _divided_by_itself(t: Trial) -> None:
    # The truth is 1, and one unit is allowed.
    values = t.numbers(t.shape(), ("positive", "ties", "wide"))
    x, y = t.place(values, t.layout()), t.array(values)
    t.within(im.divide(x, y), np.ones(values.shape), t.allowed(t.truth(values, values)), "x / x = 1")


def _divided_by_one(t: Trial) -> None:
    # The truth is x, integers converted to float32.
    values = t.numbers(t.shape(), ANY)
    one = np.ones_like(values)
    expected = t.truth(values, one)
    result = im.divide(t.place(values, t.layout()), t.array(one))
    converted = real(values) if t.floating else real(values.astype(np.float32))
    t.within(result, converted, t.allowed(expected), "x / 1 = x")


def _multiplied_back(t: Trial) -> None:
    # q = (a / b)(1 + d) with |d| <= 2u, one unit in the last place of a normal quotient; the product rounds once more:
    # |q b - a| <= |a| ((1 + 2u)(1 + u) - 1) = |a| (3u + 2u^2). Values in [1/4, 4]: all is normal.
    shape = t.shape()
    a, b = t.numbers(shape, ("positive",), "a"), t.numbers(shape, ("positive",), "b")
    u = t.unit_roundoff
    back = im.multiply(im.divide(t.place(a, t.layout()), t.array(b)), t.array(b))
    t.within(back, real(a), np.abs(real(a)) * (3 * u + 2 * u * u), "(a / b) b = a")


def _quotient_sign(t: Trial) -> None:
    # Both have the truth -(a / b).
    a, b = _pair(t)
    x, y = t.place(a, t.layout()), t.array(b)
    bound = 2 * t.allowed(t.truth(a, b))
    t.within(im.divide(im.negative(x), y), -real(im.divide(x, y)), bound, "(-a) / b = -(a / b)")


def _integers_divide_as_float32(t: Trial) -> None:
    # Integers are converted first, so that the quotient is that of the float32 operands: both within one unit of it.
    shape = t.shape()
    a, b = t.numbers(shape, ANY, "a"), t.numbers(shape, ANY, "b")
    x, y = t.place(a, t.layout()), t.array(b)
    other = im.divide(x.astype("float32"), y.astype("float32"))
    t.within(im.divide(x, y), real(other), 2 * t.allowed(t.truth(a, b)), "integers divide as float32")


def _involution(t: Trial) -> None:
    x = t.operand(t.shape(), ANY)
    t.same(im.negative(im.negative(x)), x, "-(-x) = x")


def _flips_signs(t: Trial) -> None:
    # The sign bit of every number flips, zeros and infinities included; the magnitude stays.
    values = t.numbers(t.shape(), ANY)
    result = to_numpy(im.negative(t.place(values, t.layout())))
    t.same(np.abs(real(result)), np.abs(real(values)), "|-x| = |x|")
    number = ~np.isnan(real(values))
    t.same(np.signbit(real(result))[number], ~np.signbit(real(values))[number], "the sign of -x is the other one")


def _sums_to_zero(t: Trial) -> None:
    values = t.numbers(t.shape(), FINITE if t.floating else ANY)
    x = t.place(values, t.layout())
    t.same(im.add(x, im.negative(x)), np.zeros_like(values), "x + (-x) = 0")


def _negates_as_subtraction(t: Trial) -> None:
    # 0 - x is -x but for x = 0, where it is +0.
    values = t.numbers(t.shape(), ANY)
    x = t.place(values, t.layout())
    t.equal(im.negative(x), im.subtract(t.array(np.zeros_like(values)), x), "-x = 0 - x")


_COMMON = (Law("broadcasts", _broadcasts),)
_EXACT = (*_COMMON, Law("weak-scalar", _weak_scalar), Law("neutral-element", _neutral))

LAWS = {
    "add": (*_EXACT, Law("commutes", _commutes), Law("associates", _associates)),
    "subtract": (
        *_EXACT,
        Law("minus-itself", _minus_itself),
        Law("antisymmetric", _antisymmetric, NUMERIC),
        Law("subtracts-by-adding", _subtracts_by_adding, NUMERIC),
    ),
    "multiply": (
        *_EXACT,
        Law("commutes", _commutes),
        Law("associates", _associates),
        Law("distributes", _distributes),
        Law("scales-exactly", _scales_exactly, FLOATING),
        Law("sign-moves-out", _sign_moves_out, NUMERIC),
    ),
    "divide": (
        *_COMMON,
        Law("divided-by-one", _divided_by_one),
        Law("divided-by-itself", _divided_by_itself, FLOATING),
        Law("multiplied-back", _multiplied_back, FLOATING),
        Law("quotient-sign", _quotient_sign, FLOATING),
        Law("integers-divide-as-float32", _integers_divide_as_float32, INTEGRAL),
    ),
    "negative": (
        Law("involution", _involution),
        Law("flips-signs", _flips_signs, FLOATING),
        Law("sums-to-zero", _sums_to_zero),
        Law("negates-as-subtraction", _negates_as_subtraction),
    ),
}
