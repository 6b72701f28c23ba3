"""Hand-checked rows of silu and gelu.

Constants to 16 digits. s(x) = 1 / (1 + exp(-x)) is the logistic function; from e = 2.718281828459045:
s(1) = e / (1 + e), s(2) = e^2 / (1 + e^2), s(1/2) = sqrt(e) / (1 + sqrt(e)), s(-x) = 1 - s(x).
P(x) is the normal distribution function, Abramowitz and Stegun, Table 26.1: P(1) = 0.84134 47460 68543,
P(2) = 0.97724 98680 51821, P(1/2) = 0.69146 24612 74013; P(-x) = 1 - P(x).
"""

from __future__ import annotations

from functools import partial

import numpy as np

import isometal as im
from isometal.parity.unit.table import INF, NAN, Make, Row

S_HALF, S_1, S_2 = 0.6224593312018546, 0.7310585786300049, 0.8807970779778824
P_HALF, P_1, P_2 = 0.6914624612740131, 0.8413447460685429, 0.9772498680518208
#: x/2 (1 + tanh u) = x s(2u) with u = sqrt(2/pi) (x + 0.044715 x^3): u(1) = 0.8335619689391655,
#: u(2) = 1.8811883866961317; tanh u = 1 - 2 / (exp(2u) + 1).
TANH_1, TANH_2 = 0.8411919906082767, 1.9545976940877750
#: x s(1.702 x): s(1.702) = 1 / (1 + exp(-1.702)), s(3.404) = 1 / (1 + exp(-3.404)).
FAST_1, FAST_2 = 0.8457957659328213, 1.9356586231442081

APPROXIMATIONS = ("none", "tanh", "fast")
EMPTY = np.zeros((2, 0, 3))


def _gelu(values: list[float], approx: str, x: Make) -> im.Array:
    return im.gelu(x(values), approx)


def for_each_approx(name: str, values: list[float], expected: list[float]) -> tuple[Row, ...]:
    """A row that holds for every approximation."""
    return tuple(Row(f"{name}-{approx}", partial(_gelu, values, approx), expected) for approx in APPROXIMATIONS)


# fmt: off
SILU = (
    Row("zero", lambda x: im.silu(x([0])), [0]),
    Row("one-two", lambda x: im.silu(x([1, 2])), [S_1, 2 * S_2]),
    Row("negative", lambda x: im.silu(x([-1, -2])), [-(1 - S_1), -2 * (1 - S_2)]),
    Row("half", lambda x: im.silu(x([0.5, -0.5])), [0.5 * S_HALF, -0.5 * (1 - S_HALF)]),
    Row("zero-d", lambda x: im.silu(x(1)), S_1),
    Row("matrix", lambda x: im.silu(x([[0, 1, 2], [-2, -1, 0]])), [[0, S_1, 2 * S_2], [-2 * (1 - S_2), -(1 - S_1), 0]]),
    Row("transposed", lambda x: im.silu(x([[0, 1, 2], [0, 0, 1]]).T), [[0, 0], [S_1, 0], [2 * S_2, S_1]]),
    Row("every-other", lambda x: im.silu(x([9, 1, 9, 2, 9])[1::2]), [S_1, 2 * S_2]),
    Row("empty", lambda x: im.silu(x(EMPTY)), EMPTY),
    # 100 s(100) = 100 (1 - 4e-44); -100 s(-100) = -4e-42, and -60000 underflows: both are 0 within every tolerance.
    Row("saturates", lambda x: im.silu(x([100, -100, 60000, -60000])),
        [100, 0, 60000, 0], dtypes=("float32", "float16")),
    Row("saturates", lambda x: im.silu(x([100, -100, 2.0**100, -(2.0**100)])),
        [100, 0, 2.0**100, 0], dtypes=("bfloat16",)),
    # -inf * s(-inf) = -inf * 0, as in MLX.
    Row("special", lambda x: im.silu(x([INF, NAN, -INF])), [INF, NAN, NAN]),
)

GELU = (
    Row("zero", lambda x: im.gelu(x([0])), [0]),
    Row("one-two", lambda x: im.gelu(x([1, 2])), [P_1, 2 * P_2]),
    Row("negative", lambda x: im.gelu(x([-1, -2])), [-(1 - P_1), -2 * (1 - P_2)]),
    Row("half", lambda x: im.gelu(x([0.5, -0.5])), [0.5 * P_HALF, -0.5 * (1 - P_HALF)]),
    Row("none-is-the-default", lambda x: im.gelu(x([1, -1]), approx="none"), [P_1, P_1 - 1]),
    Row("tanh", lambda x: im.gelu(x([1, -1, 2, 0]), approx="tanh"), [TANH_1, TANH_1 - 1, TANH_2, 0]),
    Row("precise-is-tanh", lambda x: im.gelu(x([1, 2]), approx="precise"), [TANH_1, TANH_2]),
    Row("fast", lambda x: im.gelu(x([1, -1, 2, 0]), "fast"), [FAST_1, FAST_1 - 1, FAST_2, 0]),
    Row("zero-d", lambda x: im.gelu(x(1)), P_1),
    Row("matrix", lambda x: im.gelu(x([[0, 1, 2], [-2, -1, 0]])), [[0, P_1, 2 * P_2], [-2 * (1 - P_2), P_1 - 1, 0]]),
    Row("transposed", lambda x: im.gelu(x([[0, 1, 2], [0, 0, 1]]).T), [[0, 0], [P_1, 0], [2 * P_2, P_1]]),
    Row("reversed", lambda x: im.gelu(x([0, 1, 2])[::-1], "fast"), [FAST_2, FAST_1, 0]),
    Row("empty", lambda x: im.gelu(x(EMPTY), "tanh"), EMPTY),
    # P(10) = 1 - 8e-24, P(-10) = 8e-24.
    *for_each_approx("saturates", [10, -10, 100, -100], [10, 0, 100, 0]),
    *for_each_approx("special", [INF, NAN], [INF, NAN]),
)
# fmt: on

ROWS = {"silu": SILU, "gelu": GELU}
