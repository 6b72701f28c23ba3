"""How far a backend is from float64, in units of MLX's error on the same inputs: one figure per op and dtype.

The figure pools the cases of kind R: the root of the summed squared errors, over MLX's. Errors of a case are in units
of the RMS of its truth (of the sums of magnitudes, where bounds are relative to those), else the cases with the largest
numbers alone would decide; every element counts once, else the draws of cases with a handful of elements would.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from isometal.optable import OPS
from isometal.parity.evidence import CellResult, Evidence
from isometal.parity.model import Metrics, Truth
from isometal.parity.operands import Operands
from isometal.parity.subnormals import has_subnormals

#: More than a sum of a thousand terms loses with a subnormal number in each; in float32, what kernels compute in.
_FLUSHED = 1024 * float(np.finfo(np.float32).smallest_normal)
#: Of the floating results; others are exact.
_EPSILON = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}


@dataclass(frozen=True)
class ErrorRow:
    """``ratio`` is None where MLX and the backend are both exact; ``above`` counts the cases whose own is beyond 1."""

    op: str
    backend: str
    dtype: str
    cases: int
    ratio: float | None
    above: int
    worst: str | None
    worst_ratio: float | None


def facts(mine: Metrics, mlx: Metrics | None, truth: Truth, operands: Operands) -> Mapping[str, float]:
    """What the table needs of one case. Empty without MLX, and where not rounding decides but that Metal may take
    subnormal numbers for zeros: they are among the operands, or are more than a rounding of the truth."""
    value = np.abs(np.asarray(truth.value if truth.magnitude is None else truth.magnitude, np.float64))
    value = value[np.isfinite(value)]
    largest = float(value.max(initial=0.0))
    if mlx is None or largest * _EPSILON.get(truth.dtype, 0.0) < _FLUSHED:
        return {}
    if any(has_subnormals(one) for one in (*operands.inputs, *operands.params.values())):
        return {}
    # Scaled, so that squares neither overflow nor vanish.
    scale = largest * math.sqrt(float(np.mean(np.square(value / largest))))
    return {"elements": float(mine.size), "rms": mine.rms, "mlx_rms": mlx.rms, "truth_rms": scale}


def rows(evidence: Evidence) -> list[ErrorRow]:
    """In the order of the op table, of every backend but mlx."""
    cells = {(cell.op, cell.backend, cell.dtype): cell for cell in evidence.cells if cell.kind == "R"}
    return [
        _row(cells[op, backend, dtype])
        for op in OPS
        for backend in evidence.backends
        for dtype in OPS[op].dtypes
        if backend != "mlx" and (op, backend, dtype) in cells
    ]


def markdown(evidence: Evidence) -> str:
    """The table, empty where the evidence has no errors."""
    found = [row for row in rows(evidence) if row.ratio is not None]
    if not found:
        return ""
    lines = ["RMS error against float64, in units of MLX's on the same inputs:", ""]
    lines += ["| op | backend | dtype | cases | pooled | above 1 | worst case |", "|---|---|---|---|---|---|---|"]
    for row in found:
        worst = "" if row.worst is None else f"{row.worst_ratio:.3g}, {row.worst}"
        lines.append(
            f"| {row.op} | {row.backend} | {row.dtype} | {row.cases} | {row.ratio:.3f} | {row.above} | {worst} |"
        )
    return "\n".join(lines) + "\n"


def _row(cell: CellResult) -> ErrorRow:
    cases = list(_cases(cell))
    mine, theirs = (math.fsum(n * part[i] ** 2 for _, n, part in cases) for i in (0, 1))
    ratio = None if mine == theirs == 0 else math.sqrt(mine / theirs) if theirs > 0 else math.inf
    ratios = {name: a / b if b > 0 else math.inf for name, _, (a, b) in cases if a > 0 or b > 0}
    worst = max(ratios, key=lambda name: ratios[name], default=None)
    above = sum(one > 1 for one in ratios.values())
    return ErrorRow(
        cell.op, cell.backend, cell.dtype, len(cases), ratio, above, worst, None if worst is None else ratios[worst]
    )


def _cases(cell: CellResult) -> Iterator[tuple[str, float, tuple[float, float]]]:
    """Name, elements, and both errors in units of the truth."""
    for name, one in cell.facts.items():
        if one.keys() >= {"elements", "rms", "mlx_rms", "truth_rms"}:
            yield name, one["elements"], (one["rms"] / one["truth_rms"], one["mlx_rms"] / one["truth_rms"])
