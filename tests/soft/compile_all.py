"""Lowers and compiles the kernels of MLX's metallib, all 17,248 or a sample of each family, and lists every exception.

    python tests/soft/compile_all.py --sample 300                     # about a minute
    python tests/soft/compile_all.py --all --jobs 2 --log all.jsonl   # an hour; goes on where it was stopped
    python tests/soft/compile_all.py --all --log all.jsonl --match sdpa

Nothing is taken from the compile cache. A kernel with function constants is compiled twice: all 0 or false, all 1 or
true.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import mlx_wheel

from isometal.soft.compiler import Air, compile_kernel
from isometal.soft.errors import SoftDeviceError
from isometal.soft.metallib import Metallib
from isometal.soft.msl_types import data_type_name

_TYPE = r"_?(?:bfloat|float|half|complex|u?int\d|bool|[A-Z0-9])"
_STEM = re.compile(rf"(?:(?!{_TYPE})[a-z_])*")


@dataclass(frozen=True)
class Outcome:
    """What came of one kernel with one choice of constants; `error` is empty where it compiled."""

    kernel: str
    constants: int
    seconds: float
    bytes: int
    error: str


def family(name: str) -> str:
    """What the name says before a type, an operation or a size: `steel_gemm_fused_nn`, `row_reduce_small`, `vv`."""
    return _STEM.match(name)[0]  # type: ignore[index]


def sample(names: Sequence[str], count: int) -> list[str]:
    """`count` names, spread over the families: at least one of each, the rest by the root of the family's size.

    Always the same ones, evenly spaced through each family, so that types and sizes vary.
    """
    families: dict[str, list[str]] = defaultdict(list)
    for name in names:
        families[family(name)].append(name)
    shares = dict.fromkeys(families, 1)
    while sum(shares.values()) < min(count, len(names)):
        # To the one that has least for its size.
        neediest = max(
            (key for key in families if shares[key] < len(families[key])),
            key=lambda key: (math.sqrt(len(families[key])) / shares[key], key),
        )
        shares[neediest] += 1
    chosen: list[str] = []
    for number, (key, members) in enumerate(families.items()):
        step = len(members) / shares[key]
        # Not always the first: the start differs by family.
        start = (number * 7) % max(int(step), 1)
        chosen += [members[min(int(start + i * step), len(members) - 1)] for i in range(shares[key])]
    return chosen[:count]


def choices(library: Metallib, name: str) -> list[dict[int, bool | int]]:
    """The constants to compile a kernel with."""
    constants = library.constants(name)
    if not constants:
        return [{}]
    is_bool = {constant.index: data_type_name(constant.data_type) == "bool" for constant in constants}
    return [{index: bool(value) if is_bool[index] else value for index in is_bool} for value in (0, 1)]


def compile_one(library: Metallib, name: str) -> Iterator[Outcome]:
    """Compiles a kernel with each of its choices."""
    for number, constants in enumerate(choices(library, name)):
        air = Air.of_bitcode(library, name)
        start = time.perf_counter()
        try:
            code, error = compile_kernel(air, name, constants).code, ""
        except SoftDeviceError as caught:
            code, error = b"", " ".join(str(caught).split())
        yield Outcome(name, number, round(time.perf_counter() - start, 3), len(code), error)


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many compiled, how long it took, and each exception under its reason."""
    failed = [outcome for outcome in outcomes if outcome.error]
    seconds = sorted(outcome.seconds for outcome in outcomes) or [0.0]
    kernels = {outcome.kernel for outcome in outcomes}
    lines = [
        f"{len(kernels)} kernels, {len(outcomes)} compilations, {len(failed)} failed; "
        f"seconds: median {seconds[len(seconds) // 2]}, 99% {seconds[int(len(seconds) * 0.99)]}, most {seconds[-1]}, "
        f"in all {sum(seconds):.0f}"
    ]
    reasons: dict[str, list[str]] = defaultdict(list)
    for outcome in failed:
        reasons[outcome.error.replace(outcome.kernel, "...")].append(outcome.kernel)
    for reason, names in sorted(reasons.items(), key=lambda item: -len(item[1])):
        lines.append(f"{len(names)} x {reason[:300]}")
        lines += [f"    {name} x {count}" for name, count in Counter(map(family, names)).most_common()]
        lines.append(f"    for example {names[0]}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true")
    which.add_argument("--sample", type=int, metavar="N")
    parser.add_argument("--match", default="", metavar="TEXT", help="only names with TEXT in them")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="outcomes as JSON lines; those of a former run are kept"
    )
    arguments = parser.parse_args()
    library = Metallib.open(mlx_wheel.folder() / "mlx" / "lib" / "mlx.metallib")
    names = [name for name in library.functions if arguments.match in name]
    names = names if arguments.all else sample(names, arguments.sample)
    outcomes = _logged(arguments.log)
    done = {outcome.kernel for outcome in outcomes}
    pending = [name for name in names if name not in done]
    start = time.monotonic()
    log = arguments.log.open("a") if arguments.log else None
    try:
        with ThreadPoolExecutor(arguments.jobs) as pool:
            for number, found in enumerate(pool.map(lambda name: list(compile_one(library, name)), pending), 1):
                outcomes += found
                for outcome in found:
                    if outcome.error:
                        print(f"\r{outcome.kernel}: {outcome.error[:500]}", flush=True)
                    if log:
                        print(json.dumps(asdict(outcome)), file=log, flush=True)
                if number % 20 == 0 or number == len(pending):
                    left = (time.monotonic() - start) / number * (len(pending) - number)
                    print(f"\r{number}/{len(pending)}, {left / 60:.0f} min left ", end="", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
    finally:
        if log:
            log.close()
    wanted = set(names)
    outcomes = [outcome for outcome in outcomes if outcome.kernel in wanted]
    print(f"\n{summary(outcomes)}")
    return 1 if any(outcome.error for outcome in outcomes) else 0


def _logged(path: Path | None) -> list[Outcome]:
    """Outcomes of a former run; a last line that was cut off is left out, as is a kernel that it belongs to."""
    if path is None or not path.exists():
        return []
    outcomes: list[Outcome] = []
    for line in path.read_text().splitlines():
        try:
            outcomes.append(Outcome(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
