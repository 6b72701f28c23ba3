"""Bench rows on paper: the table, the baseline file of ratios, and what moved between two runs.

A baseline holds ratios only, because they survive a change of machine better than times do; versions and machine say
where it comes from. Nothing here fails a run: the comparison is for the reader.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isometal._version import __version__
from isometal.backends.host import host_cpu
from isometal.errors import IsometalError
from isometal.files import write_atomic
from isometal.parity.bench import FIGURES, Row
from isometal.parity.builder import versions
from isometal.parity.timing import Figure

FORMAT = "isometal-bench-baseline"
FORMAT_VERSION = 1

#: A figure has moved where it changed by more than this factor, up or down, and by more than both runs' spreads
#: together. Between runs of unchanged code most ratios repeat within 10 %; memory placement and clock speed account
#: for more than the spread inside one run shows, which is why the spread alone does not decide.
MOVED_FACTOR = 1.25

#: Figures of one row by name; rows by `Row.key`.
Figures = Mapping[str, Figure]
Rows = Mapping[str, Figures]


class BaselineError(IsometalError, ValueError):
    """A baseline file cannot be used."""


@dataclass(frozen=True)
class Move:
    """A figure that changed beyond noise."""

    key: str
    figure: str
    before: Figure
    after: Figure

    @property
    def factor(self) -> float:
        return self.after.value / self.before.value

    @property
    def better(self) -> bool:
        """Less time in units of the peer, or a larger share of the ceiling."""
        return (self.factor > 1) == (self.figure == "share_of_ceiling")


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs. ``added`` and ``missing`` name rows, or `row: figure` in rows that both have."""

    moved: tuple[Move, ...]
    added: tuple[str, ...]
    missing: tuple[str, ...]
    #: Figures that both runs have.
    compared: int


@dataclass(frozen=True)
class Baseline:
    environment: Mapping[str, str]
    rows: Rows


def moved(before: Figure, after: Figure) -> bool:
    """The noise rule, see MOVED_FACTOR. Both values positive."""
    change = abs(math.log(after.value / before.value))
    noise = math.log1p(before.spread) + math.log1p(after.spread)
    return change > math.log(MOVED_FACTOR) and change > noise


def compare(before: Rows, after: Rows) -> Comparison:
    """What changed from ``before`` to ``after``, largest change first."""
    moves, added, missing, compared = [], [], [], 0
    for key in (*before, *(key for key in after if key not in before)):
        if key not in after:
            missing.append(key)
        elif key not in before:
            added.append(key)
        else:
            old, new = before[key], after[key]
            missing += [f"{key}: {name}" for name in old if name not in new]
            added += [f"{key}: {name}" for name in new if name not in old]
            common = [name for name in old if name in new]
            compared += len(common)
            moves += [Move(key, name, old[name], new[name]) for name in common if moved(old[name], new[name])]
    moves.sort(key=lambda move: -abs(math.log(move.factor)))
    return Comparison(tuple(moves), tuple(added), tuple(missing), compared)


def figures(rows: Iterable[Row]) -> dict[str, Figures]:
    """Rows as `compare` takes them."""
    return {row.key: row.figures for row in rows}


# -- file -------------------------------------------------------------------------------------------------------------


def environment() -> dict[str, str]:
    """Versions and machine: what a ratio may depend on."""
    host = host_cpu()
    return {
        "isometal": __version__,
        **{package: version or "not installed" for package, version in versions().items() if package != "hypothesis"},
        "blas": _numpy_blas(),
        "os": host["os"],
        "processor": host["name"],
        "cores": str(_cores()),
    }


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write a baseline whole or not at all, one line per row so that two can be compared with diff. Raises OSError."""
    lines = ",\n".join(f"    {json.dumps(key)}: {_encode(of)}" for key, of in sorted(figures(rows).items()))
    head = {"format": FORMAT, "format_version": FORMAT_VERSION, "environment": environment()}
    text = json.dumps(head, indent=2).rstrip("} \n") + "\n  },\n" + f'  "rows": {{\n{lines}\n  }}\n}}\n'
    write_atomic(path, text.encode())


def _encode(of: Figures) -> str:
    return json.dumps({name: [_round(one.value), _round(one.spread)] for name, one in of.items()})


def _round(value: float) -> float:
    """Three significant digits: more would be noise, and a diff of it."""
    return float(f"{value:.3g}")


def read(path: Path) -> Baseline:
    """The baseline in a file. Raises BaselineError where it is none, OSError where it cannot be read."""
    try:
        document = json.loads(path.read_bytes())
        if (document["format"], document["format_version"]) != (FORMAT, FORMAT_VERSION):
            raise ValueError(f"format {document['format']!r}, version {document['format_version']!r}")
        rows = {key: {name: _figure(pair) for name, pair in of.items()} for key, of in document["rows"].items()}
        return Baseline({str(k): str(v) for k, v in document["environment"].items()}, rows)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaselineError(
            f"[baseline] {path} is no bench baseline: {error}; "
            "write one with pytest --benchmark --benchmark-update-baseline."
        ) from error


def _figure(pair: Any) -> Figure:
    value, spread = (float(number) for number in pair)
    if not (math.isfinite(value) and value > 0 and math.isfinite(spread) and spread >= 0):
        raise ValueError(f"{pair!r} is no ratio with a spread")
    return Figure(value, spread)


def _numpy_blas() -> str:
    import numpy as np

    blas = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# -- text -------------------------------------------------------------------------------------------------------------

_COLUMNS = ("op", "dtype", "size", "backend", "x NumPy", "x MLX", "% of ceiling")


def table(rows: Sequence[Row]) -> list[str]:
    """The rows as aligned text. "x NumPy" is time in units of plain NumPy's, so less is faster."""
    lines = [_COLUMNS, *((row.op, row.dtype, row.size, row.backend, *map(_cell, _figures_of(row))) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    return ["  ".join(_align(text, width, i) for i, (text, width) in enumerate(zip(line, widths, strict=True)))
            for line in lines]  # fmt: skip


def _figures_of(row: Row) -> list[tuple[str, Figure | None]]:
    return [(name, row.figures.get(name)) for name in FIGURES]


def _cell(named: tuple[str, Figure | None]) -> str:
    name, figure = named
    if figure is None:
        return "-"
    if name == "share_of_ceiling":
        return f"{100 * figure.value:.3g} %"
    return f"{figure.value:.2f}"


def _align(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column < 4 else text.rjust(width)


def describe(comparison: Comparison, baseline: Baseline, here: Mapping[str, str]) -> list[str]:
    """The comparison in words, and which versions or machine parts differ."""
    lines = [
        f"{name}: {old} in the baseline, {here.get(name, 'unknown')} here"
        for name, old in baseline.environment.items()
        if here.get(name) != old
    ]
    lines += [
        f"{'better' if move.better else 'worse '} {move.key} {move.figure}: "
        f"{move.before.value:.3g} -> {move.after.value:.3g} (x {move.factor:.2f})"
        for move in comparison.moved
    ]
    lines += [f"new: {name}" for name in comparison.added]
    lines += [f"missing: {name}" for name in comparison.missing]
    rule = f"by more than x {MOVED_FACTOR} and beyond both spreads"
    lines.append(f"{len(comparison.moved)} of {comparison.compared} figures moved {rule}")
    return lines


def report(rows: Sequence[Row], **more: object) -> bytes:
    """The run as JSON: environment, every row with figures, spreads and raw times, and what else is given."""
    document = {"environment": environment(), **more, "rows": [{"key": row.key, **asdict(row)} for row in rows]}
    return (json.dumps(document, indent=1) + "\n").encode()
