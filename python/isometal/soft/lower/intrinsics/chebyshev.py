"""Computes coefficients.py: polynomials through Chebyshev's nodes, with 100 digits and the standard library only.

Interpolation at the roots of a Chebyshev polynomial is within a small factor of the best polynomial of its degree (the
Lebesgue constant, under 3 up to degree 8), which costs no more than one or two bits here and needs no search.

    python -m isometal.soft.lower.intrinsics.chebyshev > coefficients.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, localcontext

_DIGITS = 100
_TERMS = 120


@dataclass(frozen=True, slots=True)
class Approximation:
    """A polynomial to compute.

    Attributes:
        name: of the constant in coefficients.py.
        meaning: what it approximates.
        function: that, at a point.
        low, high: the interval.
        degree: of the polynomial.
    """

    name: str
    meaning: str
    function: Callable[[Decimal], Decimal]
    low: Decimal
    high: Decimal
    degree: int


def pi() -> Decimal:
    """Machin's formula."""
    return 4 * (4 * _arctangent(Decimal(1) / 5) - _arctangent(Decimal(1) / 239))


def _arctangent(x: Decimal) -> Decimal:
    return x * _series(-x * x, (1 / Decimal(2 * k + 1) for k in range(_TERMS)))


def _series(z: Decimal, coefficients: Iterable[Decimal]) -> Decimal:
    total, power = Decimal(0), Decimal(1)
    for coefficient in coefficients:
        total += coefficient * power
        power *= z
    return total


def _factorial_series(z: Decimal, first: int, step: int) -> Decimal:
    """The sum of z^k first! / (first + step k)!."""
    total, term, at = Decimal(0), Decimal(1), first
    for _ in range(_TERMS):
        total += term
        for _ in range(step):
            at += 1
            term /= at
        term *= z
    return total


def approximations() -> list[Approximation]:
    """The polynomials that the definitions use."""
    ln2 = Decimal(2).ln()
    quarter = (pi() / 4 * Decimal("1.0001")) ** 2
    eighth = (Decimal(2).sqrt() - 1) ** 2
    root = Decimal(2).sqrt()
    half = Decimal("0.5")
    return [
        Approximation(
            "EXP2",
            "(2^f - 1) / f for |f| <= 1/2",
            lambda f: ln2 * _factorial_series(f * ln2, 1, 1),
            -half,
            half,
            7,
        ),
        Approximation(
            "ATANH",
            "(atanh(s) / s - 1) / z, z = s^2, for s = (m - 1) / (m + 1), sqrt(1/2) <= m <= sqrt(2)",
            lambda z: _series(z, (1 / Decimal(2 * k + 3) for k in range(_TERMS))),
            Decimal(0),
            ((root - 1) / (root + 1)) ** 2,
            5,
        ),
        Approximation(
            "SINE",
            "(sin(r) / r - 1) / z, z = r^2, for |r| <= pi/4",
            lambda z: -_factorial_series(-z, 3, 2) / 6,
            Decimal(0),
            quarter,
            4,
        ),
        Approximation(
            "COSINE",
            "(cos(r) - 1) / z, z = r^2, for |r| <= pi/4",
            lambda z: -_factorial_series(-z, 2, 2) / 2,
            Decimal(0),
            quarter,
            4,
        ),
        Approximation(
            "ATAN",
            "(atan(t) / t - 1) / z, z = t^2, for |t| <= tan(pi/8)",
            lambda z: -_series(-z, (1 / Decimal(2 * k + 3) for k in range(_TERMS))),
            Decimal(0),
            eighth,
            8,
        ),
    ]


def interpolate(target: Approximation) -> list[float]:
    """Coefficients, lowest power first, rounded to float64."""
    count = target.degree + 1
    middle, radius = (target.low + target.high) / 2, (target.high - target.low) / 2
    nodes = [middle + radius * _cosine(pi() * (2 * k + 1) / (2 * count)) for k in range(count)]
    # Newton's divided differences, then the powers of x collected from the innermost factor outwards.
    differences = [target.function(x) for x in nodes]
    for level in range(1, count):
        for k in range(count - 1, level - 1, -1):
            differences[k] = (differences[k] - differences[k - 1]) / (nodes[k] - nodes[k - level])
    powers = [differences[-1]]
    for k in range(count - 2, -1, -1):
        shifted = [Decimal(0), *powers]
        for i, power in enumerate(powers):
            shifted[i] -= nodes[k] * power
        shifted[0] += differences[k]
        powers = shifted
    return [float(p) for p in powers]


def _cosine(x: Decimal) -> Decimal:
    return _factorial_series(-x * x, 0, 2)


def error(target: Approximation, coefficients: list[float], points: int = 200) -> float:
    """Largest error relative to the function, over the interval."""
    exact = [Decimal(c) for c in coefficients]
    worst = Decimal(0)
    for k in range(points + 1):
        x = target.low + (target.high - target.low) * k / points
        value = target.function(x)
        worst = max(worst, abs(_series(x, exact) - value) / abs(value))
    return float(worst)


def half_pi_parts() -> list[float]:
    """pi/2 as a sum of which all but the last have 22 bits: their products with integers below 2^31 are exact."""
    rest, parts = pi() / 2, []
    for place in (21, 43, 65):
        part = (rest * 2**place).to_integral_value(ROUND_FLOOR) / 2**place
        parts.append(float(part))
        rest -= part
    return [*parts, float(rest)]


def two_over_pi_words(count: int) -> list[int]:
    """The binary digits of 2/pi behind the point, 32 to a word."""
    digits = int(2 / pi() * 2 ** (32 * count))
    return [digits >> (32 * (count - 1 - k)) & 0xFFFFFFFF for k in range(count)]


def source() -> str:
    """The text of coefficients.py."""
    with localcontext() as context:
        context.prec = _DIGITS
        lines = [
            '"""Polynomial coefficients, lowest power first. Written by chebyshev.py: change that, not this."""',
            "",
            "from __future__ import annotations",
            "",
        ]
        for target in approximations():
            values = interpolate(target)
            lines.append(f"# {target.meaning}; relative error {error(target, values):.1e}.")
            lines.append(f"{target.name} = (")
            lines += [f"    {value!r}," for value in values]
            lines.append(")")
        lines.append("# pi/2 as a sum; all but the last have 22 bits.")
        lines += ["HALF_PI = (", *(f"    {part!r}," for part in half_pi_parts()), ")"]
        lines.append("# The binary digits of 2/pi behind the point, 32 to a word.")
        lines += ["TWO_OVER_PI = (", *(f"    0x{word:08X}," for word in two_over_pi_words(7)), ")"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(source(), end="")
