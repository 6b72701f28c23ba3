"""The directive `cli-reference`: every command of `isometal`, with its help and options, from the typer app itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

from isometal.cli import app as typer_app


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("cli-reference", CliReference)
    return {"parallel_read_safe": True}


class CliReference(SphinxDirective):
    """One section for each command, those of groups included."""

    def run(self) -> list[nodes.Node]:
        lines = [line for name, command in commands() for line in section(name, command)]
        holder = nodes.section()
        holder.document = self.state.document
        nested_parse_with_titles(self.state, StringList(lines, "the command line"), holder)
        return holder.children


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name: `isometal`, `isometal parity`, `isometal soft run`."""

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for part, inner in getattr(command, "commands", {}).items():
            yield from below(f"{name} {part}", inner)

    return below("isometal", typer.main.get_command(typer_app))


def section(name: str, command: Any) -> list[str]:
    """The section of a command, as lines of reStructuredText."""
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [f".. _cli-{name.replace(' ', '-')}:", "", name, "-" * len(name), "", "::", "", f"    {usage}", ""]
    lines += _text(inspect.cleandoc(command.help or ""))
    lines += [f".. program:: {name}", ""]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            lines += [f".. option:: {record[0]}", "", f"    {_escaped(record[1])}", ""]
    return lines


def _text(help_text: str) -> list[str]:
    """Paragraphs; what click is told not to wrap stays as it is."""
    lines: list[str] = []
    for paragraph in help_text.split("\n\n"):
        if paragraph.startswith("\b\nExit codes"):
            lines += [*map(_escaped, paragraph.splitlines()[1:]), ""]
        elif paragraph.startswith("\b\n"):
            lines += ["::", "", *("    " + line for line in paragraph.splitlines()[1:]), ""]
        else:
            lines += [*map(_escaped, paragraph.splitlines()), ""]
    return lines


def _escaped(text: str) -> str:
    """Text with code in single backticks as RST; an option is code without them."""
    parts = re.split(r"`(.*?)`|(?<![\w-])(--[\w-]+)", text)
    plain, code = parts[::3], [quoted or option for quoted, option in zip(parts[1::3], parts[2::3], strict=True)]
    escaped = [re.sub(r"([*|])", r"\\\1", part) for part in plain]
    return escaped[0] + "".join(f"``{word}``{after}" for word, after in zip(code, escaped[1:], strict=True))
