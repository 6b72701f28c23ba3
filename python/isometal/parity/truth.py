"""The answer to a case, in float64 from the definition of each op; integers in exact wraparound arithmetic.

Written from OPS.md and the facts measured on MLX, not from any backend: no blocks, no float32, no shared code.
Inputs are the values that the operands really hold (rounded to their dtype). Parameters are the caller's Python floats:
MLX takes eps, scale and base as float32, which differs by 2^-25 relative at most; test_truth.py shows that this
stays far below every tolerance. Cases with large rope positions use values that float32 holds exactly, because there
an angle of 10^6 would multiply the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from isometal.parity.definitions import attention, elementwise, reductions, rope, rows
from isometal.parity.definitions.common import Inputs, Params
from isometal.parity.model import Case, Truth

if TYPE_CHECKING:
    from isometal.parity.operands import Operands

__all__ = ["truth"]


def truth(case: Case, operands: Operands) -> Truth:
    """The Truth of ``case`` on ``operands`` (what `operands.materialise(case)` returns)."""
    with np.errstate(all="ignore"):
        return _DEFINITIONS[case.op](operands.inputs, operands.params)


_DEFINITIONS: dict[str, Callable[[Inputs, Params], Truth]] = {
    "add": elementwise.binary(np.add, np.logical_or),
    "subtract": elementwise.binary(np.subtract, np.logical_xor),
    "multiply": elementwise.binary(np.multiply, np.logical_and),
    "divide": elementwise.divide,
    "negative": elementwise.negative,
    "matmul": elementwise.matmul,
    "silu": rows.silu,
    "gelu": rows.gelu,
    "softmax": rows.softmax,
    "causal_mask": rows.causal_mask,
    "rms_norm": rows.rms_norm,
    "layer_norm": rows.layer_norm,
    "rope": rope.rope,
    "sum": reductions.sum,
    "mean": reductions.mean,
    "max": reductions.max,
    "reshape": reductions.reshape,
    "transpose": reductions.transpose,
    "broadcast_to": reductions.broadcast_to,
    "scaled_dot_product_attention": attention.attention,
}
