"""Messages about the user's source, in clang's form: `file:line:column: error: text`, with the line and a caret."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from isometal.soft.errors import MslError
from isometal.soft.msl.tokens import Position

__all__ = ["Diagnostic", "RejectedSource", "render"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message. `severity` is `error`, `warning` or `note`; a position of None means the source as a whole."""

    severity: str
    position: Position | None
    message: str


class RejectedSource(Exception):
    """A pass found source that Metal does not allow. The driver turns it into MslError, with the lines shown."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = list(diagnostics)
        super().__init__("; ".join(d.message for d in self.diagnostics))


def render(diagnostics: Iterable[Diagnostic], lines_of: SourceLines) -> str:
    """The text that a user reads: one paragraph for each diagnostic."""
    text: list[str] = []
    for diagnostic in diagnostics:
        position = diagnostic.position
        if position is None:
            text.append(f"{diagnostic.severity}: {diagnostic.message}")
            continue
        text.append(f"{position.file}:{position.line}:{position.column}: {diagnostic.severity}: {diagnostic.message}")
        line = lines_of.line(position)
        if line is not None:
            # Tabs stay tabs, so that the caret stands below its column.
            margin = "".join("\t" if c == "\t" else " " for c in line[: position.column - 1])
            text += [f"    {line}", f"    {margin}^"]
    return "\n".join(text)


class SourceLines:
    """Lines of the files that diagnostics speak of: the source that was passed as text, and files on disk."""

    def __init__(self, name: str, text: str) -> None:
        self._lines = {name: text.split("\n")}

    def line(self, position: Position) -> str | None:
        lines = self._file(position.file)
        if lines is None or not 1 <= position.line <= len(lines):
            return None
        return lines[position.line - 1].rstrip("\r")

    def _file(self, name: str) -> list[str] | None:
        if name not in self._lines:
            try:
                self._lines[name] = Path(name).read_text(encoding="utf-8", errors="replace").split("\n")
            except OSError:
                return None
        return self._lines[name]


def rejected(name: str, diagnostics: Sequence[Diagnostic], lines_of: SourceLines) -> MslError:
    """The exception that users see."""
    errors = [d for d in diagnostics if d.severity == "error"]
    count = f"{len(errors)} error{'' if len(errors) == 1 else 's'}"
    return MslError(f"[soft] {name} does not compile: {count}.", render(diagnostics, lines_of))
