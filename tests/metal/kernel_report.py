"""Fails unless the tests have run every kernel of metal/, with every value of its function constants.

Usage: python tests/metal/kernel_report.py [FOLDER] -- FOLDER as `ISOMETAL_KERNEL_RUNS=FOLDER pytest tests/metal` filled
it (kernel_runs.py); without one, it runs that first. Files of several processes add up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kernel_runs import VARIABLE
from rich.console import Console
from rich.table import Table

from isometal import kernels, provenance
from isometal.soft import Library
from isometal.soft.reflection import FunctionConstant

#: Values of a switch that no plan sets, by the end of the kernel's name: the second pass of a reduction reads what the
#: first one wrote, side by side along one axis.
NEVER = {
    ("_row_finish", "unit_stride"): False,
    ("_row_finish", "one_axis"): False,
    ("_column_finish", "one_axis"): False,
}
#: Values that the plans of a family give to a constant that is a number, by its name; some kernel must run with each.
NUMBERS: dict[tuple[str, str], set[int]] = {
    ("attention", "mask_kind"): {0, 1, 2, 3},
    ("binary", "inner_1"): {0, 1, 2},
    ("binary", "inner_2"): {0, 1, 2},
    ("copy", "inner_1"): {0, 1, 2},
    ("gemv", "vector_count"): set(range(1, 9)),
    ("norm", "weight_type"): {0, 1, 2, 3},
    ("norm", "bias_type"): {0, 1, 2, 3},
    ("norm", "row_lanes"): {4, 8, 16, 32},
    ("norm", "chunks"): {1, 2, 3, 4, 6, 8},
    ("reduce", "row_lanes"): {1, 4, 8, 16, 32},
    ("rope", "vector"): {1, 2, 4},
    ("softmax", "chunks"): {1, 2, 3, 4, 6},
    ("unary", "inner_1"): {0, 1, 2},
}


@dataclass
class Instantiation:
    """A kernel function of a library, and what ran of it."""

    family: str
    constants: tuple[FunctionConstant, ...]
    runs: int = 0
    combinations: set[tuple[tuple[int, Any], ...]] = field(default_factory=set)

    def values(self, constant: FunctionConstant) -> set[Any]:
        return {dict(combination)[constant.index] for combination in self.combinations}


def instantiations() -> dict[str, Instantiation]:
    """Of all sources, by name."""
    found = {}
    for path in sorted(provenance.data_directory("metal").glob("*.metal")):
        library = Library.from_source(kernels.source(path.stem))
        for name in library.kernels:
            found[name] = Instantiation(path.stem, library.constants(name))
    return found


def wrong_constants(name: str, entry: Instantiation) -> Iterable[str]:
    """Where what plans give to a kernel's constants is not what it declares."""
    declared = {constant.index: constant.type_name for constant in entry.constants}
    given = {(index, "bool" if isinstance(value, bool) else "uint") for c in entry.combinations for index, value in c}
    for index, type_name in sorted(given):
        if declared.get(index) != type_name:
            yield f"{name} is given constant {index} as {type_name}; it declares {declared.get(index, 'none such')}"


def read(folder: Path, found: dict[str, Instantiation]) -> list[str]:
    """Adds what the files say. Returns what is wrong with them."""
    wrong, tests = [], 0
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        tests += record["tests"]
        for kernel in record["kernels"]:
            if kernel["name"] not in found:
                wrong.append(f"{kernel['name']} ran, but no source has it")
                continue
            entry = found[kernel["name"]]
            entry.runs += kernel["runs"]
            entry.combinations.add(tuple((int(index), value) for index, value in kernel["constants"].items()))
    if not tests:
        wrong.append(f"no test has passed: {folder} has no record of one")
    return wrong


def missing(found: dict[str, Instantiation]) -> Iterable[str]:
    if not found:
        yield "no kernel was found"
    for name, entry in found.items():
        if not entry.runs:
            yield f"{name} never ran"
            continue
        yield from wrong_constants(name, entry)
        for constant in entry.constants:
            if constant.type_name != "bool":
                continue
            wanted = {False, True} - {
                value for (end, switch), value in NEVER.items() if name.endswith(end) and switch == constant.name
            }
            seen = entry.values(constant)
            for value in sorted(wanted - seen):
                yield f"{name} never ran with {constant.name} = {value}"
            for value in sorted(seen - wanted):
                yield f"{name} ran with {constant.name} = {value}, which NEVER excludes"

    for (family, number), every in NUMBERS.items():
        ran: set[int] = set()
        for entry in found.values():
            for constant in entry.constants:
                if (entry.family, constant.name) == (family, number):
                    ran |= entry.values(constant)
        for lacked in sorted(every - ran):
            yield f"no kernel of {family} ran with {number} = {lacked}"


def table(found: dict[str, Instantiation]) -> Table:
    made = Table("family", "kernels", "run", "with constants", "dispatches", "values")
    families: dict[str, list[Instantiation]] = defaultdict(list)
    for entry in found.values():
        families[entry.family].append(entry)
    for family, entries in families.items():
        values: dict[str, set[Any]] = defaultdict(set)
        for entry in entries:
            for constant in entry.constants:
                values[constant.name] |= entry.values(constant)
        text = ", ".join(f"{name} {'/'.join(map(str, sorted(seen)))}" for name, seen in values.items())
        made.add_row(
            family,
            str(len(entries)),
            str(sum(entry.runs > 0 for entry in entries)),
            str(sum(len(entry.combinations) for entry in entries)),
            str(sum(entry.runs for entry in entries)),
            text.replace("False/True", "both"),
        )
    return made


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else made)
        if len(sys.argv) == 1:
            tests = [sys.executable, "-m", "pytest", "-q", str(Path(__file__).parent)]
            subprocess.run(tests, env=os.environ | {VARIABLE: made}, check=True)
        found = instantiations()
        wrong = read(folder, found)
    wrong += missing(found)
    console = Console()
    console.print(table(found))
    for line in wrong:
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    if wrong:
        sys.exit(f"[kernels] {len(wrong)} lacks; see above.")
    console.print(f"All {len(found)} kernels ran in tests that passed.")


if __name__ == "__main__":
    main()
