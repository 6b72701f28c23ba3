"""What the commands of `isometal` share: exit codes, and errors as one line on stderr."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import typer

from isometal.errors import IsometalError

QUALIFIED, USAGE, REFUSED, INTERRUPTED = 0, 2, 3, 130

_Command = TypeVar("_Command", bound=Callable[..., None])


def expected_errors(command: _Command) -> _Command:
    """Errors that a user can cause become one line and exit code 2; Ctrl-C becomes 130.

    A compiler's diagnostics follow that line as they are.
    """

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except BrokenPipeError:
            raise
        except (IsometalError, OSError) as error:
            diagnostics = str(getattr(error, "diagnostics", ""))
            typer.echo(f"isometal: {_one_line(str(error).removesuffix(diagnostics), error)}", err=True)
            if diagnostics:
                typer.echo(diagnostics.rstrip(), err=True)
            raise typer.Exit(USAGE) from None
        except KeyboardInterrupt:
            typer.echo("isometal: interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None

    return wrapped  # type: ignore[return-value]


def _one_line(text: str, error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"[file] {error.filename}: {error.strerror}"
    return " ".join(text.split())
