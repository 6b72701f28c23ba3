"""The committed coefficients are what chebyshev.py computes, and are as close as their comments say."""

from __future__ import annotations

import math
import re
from pathlib import Path

from isometal.soft.lower.intrinsics import chebyshev, coefficients


def test_coefficients_are_generated() -> None:
    assert Path(coefficients.__file__).read_text() == chebyshev.source()


def test_errors_are_far_below_a_float() -> None:
    errors = [float(e) for e in re.findall(r"relative error ([\d.e-]+)\.\n", chebyshev.source())]
    assert len(errors) == len(chebyshev.approximations()) == 5
    assert max(errors) < 2.0**-37


def test_parts_of_pi() -> None:
    """All but the last part have so few bits that products with 31 bits are exact."""
    *exact, last = coefficients.HALF_PI
    assert sum(exact) + last == math.pi / 2
    for part, place in zip(exact, (21, 43, 65), strict=True):
        whole = part * 2.0**place
        assert whole == int(whole)
        assert int(whole).bit_length() <= 22
    words = coefficients.TWO_OVER_PI
    assert sum(w * 2.0 ** (-32 * (i + 1)) for i, w in enumerate(words)) == 2 / math.pi
