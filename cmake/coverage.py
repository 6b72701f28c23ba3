"""Fails unless the C++ unit tests run every line and take every branch of launch planning (csrc/launch).

Usage: python cmake/coverage.py. Builds in build/coverage (the preset `coverage`), with g++ and its gcov. Each
instantiation of a template counts on its own. Edges that only exceptions take, and lines of braces alone, are the
compiler's.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "coverage"
COVERED = ROOT / "csrc" / "launch"
BRACES = re.compile(r"[\s{}();]*(//.*)?")


@dataclass
class Line:
    """A line in one function, over all object files that have a copy of it."""

    count: int = 0
    branches: list[int] = field(default_factory=list)

    def add(self, record: dict[str, Any]) -> None:
        self.count += record["count"]
        taken = [branch["count"] for branch in record["branches"] if not branch["throw"]]
        self.branches += [0] * (len(taken) - len(self.branches))
        self.branches = [a + b for a, b in zip(self.branches, taken, strict=True)]


#: By function, then number.
Lines = dict[tuple[str, int], Line]


def run(*command: str | Path) -> None:
    """Shows what the command prints only where it fails."""
    print("+", *command, flush=True)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\n[coverage] {command[0]} ended with {done.returncode}.")


def measured() -> dict[Path, Lines]:
    files: dict[Path, Lines] = defaultdict(lambda: defaultdict(Line))
    for data in sorted(BUILD.rglob("*.gcda")):
        command = ["gcov", "--json-format", "--stdout", "--branch-probabilities", str(data)]
        output = subprocess.run(command, cwd=BUILD, check=True, capture_output=True, text=True).stdout
        for text in output.splitlines():
            record = json.loads(text)
            for file in record["files"]:
                path = Path(record["current_working_directory"], file["file"]).resolve()
                if COVERED not in path.parents:
                    continue
                for line in file["lines"]:
                    files[path][line.get("function_name", ""), line["line_number"]].add(line)
    return files


def main() -> None:
    # What an earlier build counted is not what this one does.
    for old in BUILD.rglob("*.gcda"):
        old.unlink()
    run("cmake", "--preset", "coverage")
    run("cmake", "--build", "--preset", "coverage")
    run(BUILD / "tests" / "cpp" / "isometal_launch_tests")

    files = measured()
    absent = [path for path in COVERED.glob("*.cpp") if path not in files]
    if absent:
        sys.exit(f"[coverage] nothing was counted in {', '.join(path.name for path in sorted(absent))}.")
    lacks = 0
    print(f"{'file':<20} {'lines':>11} {'branches':>13}")
    for path, lines in sorted(files.items()):
        source = path.read_text(encoding="utf-8").splitlines()
        kept = {key: line for key, line in lines.items() if not BRACES.fullmatch(source[key[1] - 1])}
        branches = [count for line in kept.values() for count in line.branches]
        ran = sum(line.count > 0 for line in kept.values())
        taken = sum(count > 0 for count in branches)
        print(f"{path.name:<20} {ran:>5}/{len(kept):<5} {taken:>6}/{len(branches):<6}")
        for (_, number), line in sorted(kept.items(), key=lambda item: item[0][1]):
            if line.count and all(line.branches):
                continue
            lacks += 1
            what = f"branches taken {line.branches}" if line.count else "never runs"
            print(f"  {path.relative_to(ROOT)}:{number}: {what}: {source[number - 1].strip()}")
    if lacks:
        sys.exit(f"[coverage] {lacks} lines lack a test of theirs or of a branch.")


if __name__ == "__main__":
    main()
