"""Where a kernel may be further from the answer than MLX's CPU code, by how much, and why."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

_HALVES = ("float16", "bfloat16")
_ALL = ("float32", *_HALVES)


@dataclass(frozen=True)
class Allowance:
    """For kernels of a family whose name matches, in the dtypes named.

    largest, rms  ratio to MLX's largest and root-mean-square error, at most
    plain         ratio to the RMS error of plain code in the dtype, at most; None where there is no such code
    ceiling       largest error in ULP, whatever MLX's is; None for that of the family
    """

    family: str
    kernel: str
    dtypes: tuple[str, ...]
    largest: float
    rms: float
    reason: str
    plain: float | None = None
    ceiling: float | None = None


#: Largest error in ULP where results depend on few operations: MLX's own may be far off (erf of small numbers).
CEILINGS = {"unary": 2.5, "binary": 2.5, "gemv": 2.5, "gemm": 6.0, "attention": 6.0, "rms_norm": 4.0}

#: One result in thousands that falls on the other side of a midpoint moves a ratio by this much.
TIE = 1.01

EQUAL = Allowance("*", "*", _ALL, TIE, TIE, "equal to within 1 %: single results on the other side of a midpoint")

_HALF_SUM = "Apple's kernel adds and multiplies in the half-precision type, MLX's CPU code in float32"
_DRAW = "as many roundings in another order: the largest error of thousands is a draw, the RMS is not"

_LOG1P = "MLX's kernels compute log1p as x * (log(1 + x) / ((1 + x) - 1)) (utils.h), its CPU code calls the C library"
_EXPM1 = (
    "MLX 0.32.4's kernel reduces its argument by the upper half of log 2 only (expm1f.h): "
    "1.4e-6 * round(x / log 2) is missing"
)
_ERF = "MLX's erf calls that expm1"
_STEPS = "Apple's kernel rounds every step to the half-precision type, MLX's CPU code computes in float32"
_AXPBY = "Apple's kernel rounds the product to the half-precision type before it scales and adds, MLX's CPU code after"

#: The first that matches counts.
ALLOWANCES: tuple[Allowance, ...] = (
    Allowance("unary", "*_Expm1", ("float32",), 1000.0, 1000.0, _EXPM1, ceiling=800.0),
    Allowance("unary", "*_Erf", ("float32",), TIE, TIE, _ERF, ceiling=16.0),
    Allowance("unary", "*_Expm1", _HALVES, 1.05, TIE, _EXPM1),
    Allowance("unary", "*_Log1p", ("float32",), 2.5, 1.8, _LOG1P),
    Allowance("unary", "*_Sigmoid", _HALVES, 1.8, 1.25, _STEPS),
    Allowance("reduce", "*_sum", _HALVES, 6.0, 6.0, _HALF_SUM, plain=TIE),
    Allowance("reduce", "*_prod", _HALVES, 5000.0, 5000.0, _HALF_SUM, plain=1.25),
    Allowance("reduce", "*_sum", ("float32",), 1.1, 1.05, _DRAW, plain=TIE),
    Allowance("reduce", "*_prod", ("float32",), 1.75, 1.5, _DRAW, plain=1.5),
    Allowance("gemv", "*_axpby1", _HALVES, 3.5, 2.1, _AXPBY),
    Allowance("gemm", "*", ("float32",), 1.5, TIE, _DRAW),
    Allowance("attention", "*", _ALL, 1.05, TIE, _DRAW),
    Allowance("binary", "*_LogAddExp", _HALVES, 1.05, TIE, _STEPS),
)


def allowance(family: str, kernel: str, dtype: str) -> Allowance:
    for each in ALLOWANCES:
        if (
            fnmatch.fnmatchcase(family, each.family)
            and fnmatch.fnmatchcase(kernel, each.kernel)
            and dtype in each.dtypes
        ):
            return each
    return EQUAL
