"""Functions as template arguments: `template <void (*f)(int)>` becomes `template <void (&f)(int)>`.

In OpenCL, what a pointer points to has an address space, which functions have not; so clang finds no function of such a
type. References it takes as they are.
"""

from __future__ import annotations

from isometal.soft.msl.declarations import Source
from isometal.soft.msl.edits import Edits

__all__ = ["rewrite_function_parameters"]


def rewrite_function_parameters(source: Source, edits: Edits) -> None:
    for declaration in source.walk():
        for opener, closer in declaration.templates:
            for index in range(opener, closer):
                if source.operator(index, "(") and source.operator(index + 1, "*"):
                    end = source.brackets.partner(index)
                    is_named = end == index + 2 or (end == index + 3 and source.word(index + 2))
                    if is_named and source.operator(end + 1, "("):
                        edits.replace(index + 1, "&")
