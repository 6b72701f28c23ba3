"""The matrix as a picture: plain SVG, no script, no external font, legible in GitHub's light and dark mode.

Marks are drawn, so that they look the same wherever no emoji font is installed; each carries a title with its text.
"""

from __future__ import annotations

import textwrap
from xml.sax.saxutils import escape, quoteattr

from isometal.optable import BACKEND_LABELS
from isometal.parity import matrix
from isometal.parity.evidence import Evidence
from isometal.parity.matrix import Row, State

_WIDTH = 880
_MARGIN = 24
_TITLE = 64
_HEADER = 34
_ROW = 26
_LINE = 18
#: Left edge of each text column, and the centre of each backend's column of marks.
_X = {"category": 40, "op": 156, "tests": 540, "gate": 752}
_MARK_X = {backend: 348 + 70 * place for place, backend in enumerate(BACKEND_LABELS)}
#: Characters of a caption line that fit the width at 12 px.
_CAPTION_CHARS = 112

# The card brings its own background: a page's theme and the reader's system theme need not agree.
_STYLE = """
  .card { fill: #ffffff; stroke: #d1d9e0; }
  .band { fill: #f6f8fa; }
  .rule { stroke: #d1d9e0; stroke-width: 1; }
  text { font-family: -apple-system, BlinkMacSystemFont, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif;
         font-size: 13px; fill: #1f2328; }
  .title { font-size: 17px; font-weight: 600; }
  .head, .category { font-weight: 600; }
  .quiet { fill: #59636e; font-size: 12px; }
  .proved { fill: #1a7f37; }
  .failed { fill: #cf222e; }
  .stroke { fill: none; stroke: #ffffff; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
  .not-run { fill: none; stroke: #818b98; stroke-width: 1.5; stroke-dasharray: 3 2.4; }
  .unsupported { stroke: #818b98; stroke-width: 2; stroke-linecap: round; }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #3d444d; }
    .band { fill: #151b23; }
    .rule { stroke: #3d444d; }
    text { fill: #f0f6fc; }
    .quiet { fill: #9198a1; }
    .proved { fill: #238636; }
    .failed { fill: #da3633; }
    .not-run, .unsupported { stroke: #656c76; }
  }
"""


def render(rows: tuple[Row, ...], evidence: Evidence) -> str:
    """The picture of a matrix and, below it, the devices and versions that it was made with."""
    caption = _caption(evidence)
    top = _TITLE + _HEADER
    bottom = top + _ROW * len(rows)
    height = bottom + 46 + _LINE * len(caption) + 14
    summary = _summary(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="title summary">',
        f'<title id="title">isometal parity matrix</title><desc id="summary">{_text(summary)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="8"/>',
        _label(_MARGIN, 38, "isometal parity matrix", "title"),
        _label(_WIDTH - _MARGIN, 38, summary, "quiet", "end"),
        *_header(),
        *_body(rows, top),
        *_legend(bottom + 24),
        *(_label(_MARGIN, bottom + 58 + _LINE * place, line, "quiet") for place, line in enumerate(caption)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _header() -> list[str]:
    base = _TITLE + 20
    names = {"category": "Op Category", "op": "Operation", "tests": "Required Tests", "gate": "Default Gate"}
    parts = [_label(_X[key], base, name, "head") for key, name in names.items()]
    parts += [_label(_MARK_X[backend], base, label, "head", "middle") for backend, label in BACKEND_LABELS.items()]
    return [*parts, _rule(_TITLE + _HEADER)]


def _body(rows: tuple[Row, ...], top: int) -> list[str]:
    parts: list[str] = []
    start, group = 0, 0
    while start < len(rows):
        category = rows[start].op.category
        stop = start
        while stop < len(rows) and rows[stop].op.category == category:
            stop += 1
        first = top + _ROW * start
        if group % 2:
            size = f'width="{_WIDTH - 2 * _MARGIN}" height="{_ROW * (stop - start)}"'
            parts.append(f'<rect class="band" x="{_MARGIN}" y="{first}" {size}/>')
        parts.append(_label(_X["category"], first + 18, category, "category"))
        for place in range(start, stop):
            parts += _row(rows[place], top + _ROW * place)
        start, group = stop, group + 1
    return [*parts, _rule(top + _ROW * len(rows))]


def _row(row: Row, y: int) -> list[str]:
    parts = [_label(_X["op"], y + 18, row.op.label)]
    for backend, label in BACKEND_LABELS.items():
        cell = row.cells[backend]
        detail = f"{cell.cases} checks" if cell.state is State.PROVED else "; ".join(cell.reasons[:3])
        title = f"{row.op.label} on {label}: {cell.state.value}. {matrix.one_line(detail)[:300]}"
        parts.append(_mark(cell.state, _MARK_X[backend], y + _ROW // 2, title))
    gate = "Required" if row.op.required else "Optional"
    parts.append(_label(_X["tests"], y + 18, row.op.required_tests, "quiet"))
    parts.append(_label(_X["gate"], y + 18, gate, "" if row.op.required else "quiet"))
    return parts


def _mark(state: State, x: int, y: int, title: str) -> str:
    shapes = {
        State.PROVED: f'<circle class="proved" cx="{x}" cy="{y}" r="8"/>'
        f'<path class="stroke" d="M{x - 3.6} {y + 0.2} l2.6 2.7 l4.8 -5.4"/>',
        State.FAILED: f'<circle class="failed" cx="{x}" cy="{y}" r="8"/>'
        f'<path class="stroke" d="M{x - 3} {y - 3} l6 6 m0 -6 l-6 6"/>',
        State.NOT_RUN: f'<circle class="not-run" cx="{x}" cy="{y}" r="7"/>',
        State.UNSUPPORTED: f'<path class="unsupported" d="M{x - 6} {y} h12"/>',
    }
    return f'<g role="img" aria-label={quoteattr(_legal(title))}><title>{_text(title)}</title>{shapes[state]}</g>'


def _legend(y: int) -> list[str]:
    parts = []
    x = _MARGIN + 8
    for state in State:
        parts += [_mark(state, x, y, state.value), _label(x + 15, y + 4, state.value, "quiet")]
        x += 40 + 8 * len(state.value)
    return parts


def _caption(evidence: Evidence) -> list[str]:
    lines = [f"{label}: {text}" for label, text in matrix.devices(evidence)]
    lines.append(f"{matrix.stack(evidence)}. Seed {evidence.seed}, profile {evidence.profile}, {evidence.created}.")
    if not evidence.complete:
        lines.append("The run was interrupted.")
    return [part for line in lines for part in textwrap.wrap(line, _CAPTION_CHARS, max_lines=3)]


def _summary(rows: tuple[Row, ...]) -> str:
    counts = []
    for backend, label in BACKEND_LABELS.items():
        proved = sum(row.cells[backend].state is State.PROVED for row in rows)
        counts.append(f"{label} {proved} of {len(rows)}")
    return f"proved: {', '.join(counts)}"


def _label(x: float, y: float, text: str, style: str = "", anchor: str = "") -> str:
    attributes = (f' class="{style}"' if style else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text x="{x}" y="{y}"{attributes}>{_text(text)}</text>'


def _rule(y: float) -> str:
    return f'<path class="rule" d="M{_MARGIN} {y + 0.5} H{_WIDTH - _MARGIN}"/>'


def _legal(text: str) -> str:
    # XML 1.0 has no way to write most control characters, nor the two noncharacters.
    return "".join(char if char.isprintable() and char not in "\ufffe\uffff" else " " for char in text)


def _text(text: str) -> str:
    return escape(_legal(text))
