"""The table of the acceptance: per kernel and dtype our errors, MLX's, and their ratio.

    python -m apple.report METALLIB [--markdown PATH] [--family NAME] [--quick]

Run in the folder above. --quick runs one mode only. The exit status is 1 where a kernel is not accepted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from apple.allowances import allowance
from apple.case import Group
from apple.cases import attention, binary, copies, matmul, reductions, rope, rows, unary
from apple.device import MODES, SoftDevice
from apple.judge import Score, Verdict
from apple.run import run_group

MODULES = (binary, unary, copies, reductions, rows, rope, matmul, attention)


def all_groups() -> Iterator[Group]:
    for module in MODULES:
        yield from module.groups()


def _errors(score: Score | None) -> str:
    return "–" if score is None else f"{score.max_ulp:.3g} / {score.rms_ulp:.3g}"


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def table(verdicts: Iterable[Verdict]) -> list[str]:
    """Markdown. Errors are largest / root-mean-square, in units in the last place."""
    lines = [
        "| family | kernel | dtype | cases | elements | ours | MLX CPU | ratio of largest | ratio of RMS | worst at |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for v in verdicts:
        exact = v.peer is None and not v.ours.mismatches and v.ours.max_ulp == 0
        worst = "" if exact or v.ours.worst is None or v.ours.max_ulp == 0 else f"{v.ours.worst[0]} [{v.ours.worst[1]}]"
        ours = "exact" if exact else _errors(v.ours)
        numbers = (
            f"{v.cases} | {v.ours.size} | {ours} | {_errors(v.peer)} | {_ratio(v.ratio_max)} | {_ratio(v.ratio_rms)}"
        )
        lines.append(f"| {v.family} | {v.kernel} | {v.dtype} | {numbers} | {worst} |")
    return lines


def summary(verdicts: Sequence[Verdict]) -> list[str]:
    """One line per family and dtype: kernels and cases, the largest errors in ULP, the ratios of RMS errors."""
    lines = [
        "| family | dtype | kernels | cases | elements | largest: ours / MLX | RMS ratio: worst, median | refused |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    keys = list(dict.fromkeys((v.family, v.dtype) for v in verdicts))
    for family, dtype in keys:
        rows = [v for v in verdicts if (v.family, v.dtype) == (family, dtype)]
        ratios = sorted(v.ratio_rms for v in rows if v.ratio_rms is not None)
        peers = [v.peer.max_ulp for v in rows if v.peer is not None]
        largest = f"{max(v.ours.max_ulp for v in rows):.3g} / {max(peers):.3g}" if peers else "exact"
        spread = f"{ratios[-1]:.2f}, {ratios[len(ratios) // 2]:.2f}" if ratios else "–"
        counts = f"{len(rows)} | {sum(v.cases for v in rows)} | {sum(v.ours.size for v in rows)}"
        lines.append(f"| {family} | {dtype} | {counts} | {largest} | {spread} | {sum(bool(v.faults) for v in rows)} |")
    return lines


def larger(verdicts: Iterable[Verdict]) -> list[str]:
    """Every kernel whose largest or RMS error exceeds MLX's, with the reason."""
    lines = [
        "| kernel | dtype | ratio of largest | ratio of RMS | RMS to plain code's | reason |",
        "|---|---|--:|--:|--:|---|",
    ]
    for v in verdicts:
        if v.larger or v.faults:
            allowed = allowance(v.family, v.kernel, v.dtype)
            reason = "; ".join(v.faults) or allowed.reason
            ratios = " | ".join(_ratio(each) for each in (v.ratio_max, v.ratio_rms, v.ratio_plain))
            lines.append(f"| {v.kernel} | {v.dtype} | {ratios} | {reason} |")
    return lines


def reasons(verdicts: Iterable[Verdict]) -> list[str]:
    """`larger`, gathered by reason: how many rows, how far at most."""
    rows: dict[tuple[str, str], list[Verdict]] = {}
    for v in verdicts:
        if v.larger or v.faults:
            reason = "; ".join(v.faults) or allowance(v.family, v.kernel, v.dtype).reason
            rows.setdefault((v.family, reason), []).append(v)
    lines = [
        "| family | rows | dtypes | ratio of largest | of RMS | RMS to plain code's | reason |",
        "|---|--:|---|--:|--:|--:|---|",
    ]
    for (family, reason), found in rows.items():
        kinds = ", ".join(dict.fromkeys(v.dtype for v in found))
        worst = " | ".join(
            _ratio(max((each for each in ratios if each is not None), default=None))
            for ratios in zip(*((v.ratio_max, v.ratio_rms, v.ratio_plain) for v in found), strict=True)
        )
        lines.append(f"| {family} | {len(found)} | {kinds} | {worst} | {reason} |")
    return lines


def write(verdicts: Sequence[Verdict], path: Path) -> None:
    """Markdown to `path`, everything as JSON beside it."""
    parts = [
        ["## Larger than MLX's, by reason", "", *reasons(verdicts)],
        ["## By family", "", *summary(verdicts)],
        ["## Larger than MLX's", "", *larger(verdicts)],
        ["## All", "", *table(verdicts)],
    ]
    path.write_text("\n\n".join("\n".join(part) for part in parts) + "\n", encoding="utf-8")
    rows = [{**asdict(v), "ratio_max": v.ratio_max, "ratio_rms": v.ratio_rms, "faults": v.faults} for v in verdicts]
    path.with_suffix(".json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Errors of Apple's kernels on the software device, against MLX's own.")
    parser.add_argument("metallib", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--family")
    parser.add_argument("--quick", action="store_true", help="one mode instead of all")
    options = parser.parse_args(arguments)
    device = SoftDevice(options.metallib)
    verdicts = []
    for group in all_groups():
        if options.family in (None, group.family):
            verdicts.append(run_group(device, group, MODES[:1] if options.quick else MODES))
            for fault in verdicts[-1].faults:
                print(fault, file=sys.stderr)
    print("\n".join([*summary(verdicts), "", *reasons(verdicts)]))
    if options.markdown:
        write(verdicts, options.markdown)
    return int(any(v.faults for v in verdicts))


if __name__ == "__main__":
    sys.exit(main())
