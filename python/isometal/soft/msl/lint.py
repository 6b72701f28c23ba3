"""What Metal does not allow and clang would, as far as tokens tell."""

from __future__ import annotations

from isometal.soft.msl.declarations import Source
from isometal.soft.msl.diagnostics import Diagnostic
from isometal.soft.msl.passes.kernels import KernelFunction

__all__ = ["lint"]


def lint(source: Source, kernels: list[KernelFunction], problems: list[Diagnostic]) -> None:
    for index in range(len(source.tokens)):
        if source.word(index, "goto"):
            problems.append(Diagnostic("error", source.tokens[index].position, "goto is not allowed in Metal"))
