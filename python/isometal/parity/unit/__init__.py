"""Kind U: every op against values worked by hand, as tables that a reader can check by eye.

Small integers, halves and other numbers that every dtype holds exactly; where a result is irrational, the constant
stands in the table with its source. Errors are tested elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from isometal.parity.model import Check
from isometal.parity.unit import (
    activations,
    attention,
    elementwise,
    linear,
    norms,
    positions,
    reductions,
    shapes,
    softmax,
)
from isometal.parity.unit.table import Row, run

#: The hand-checked rows of each op.
ROWS: Mapping[str, tuple[Row, ...]] = MappingProxyType(
    {
        **elementwise.ROWS,
        **linear.ROWS,
        **activations.ROWS,
        **softmax.ROWS,
        **norms.ROWS,
        **positions.ROWS,
        **reductions.ROWS,
        **shapes.ROWS,
        **attention.ROWS,
    }
)


def checks(op: str, dtype: str, backend: str) -> list[Check]:
    """One check for each row of ``op`` that is about ``dtype``, in the table's order."""
    return [
        Check(op, dtype, backend, "U", row.name, partial(run, op, row, dtype, backend))
        for row in ROWS[op]
        if row.applies(dtype)
    ]
