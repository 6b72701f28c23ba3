"""Changes that depend on types, at places that clang pointed out in an earlier attempt (repair.py)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from isometal.soft.msl.declarations import Source
from isometal.soft.msl.edits import Edits
from isometal.soft.msl.passes.constructors import rewrite_found_constructors

__all__ = ["Repairs", "rewrite_repairs"]


@dataclass(slots=True)
class Repairs:
    """Indices of tokens at which something is to be changed."""

    #: Binary operators whose operands are vectors (comparison), or a vector and another scalar type (arithmetic).
    infix: set[int] = field(default_factory=set)
    #: Compound assignments with such operands, or of a class object that converts itself.
    compound: set[int] = field(default_factory=set)
    #: `!` before a vector.
    negations: set[int] = field(default_factory=set)
    #: `?` whose branches are class objects in different address spaces.
    conditionals: set[int] = field(default_factory=set)
    #: Names before `(arguments)` that make a vector: a type, a variable or a member.
    constructors: set[int] = field(default_factory=set)
    #: First tokens of `T(x)` and `(T)x` that need the conversions of static_cast.
    casts: set[int] = field(default_factory=set)
    #: `(` of calls with lists in braces that are meant to be vectors.
    lists: set[int] = field(default_factory=set)
    #: `vec` with an element type that may be bool.
    vectors: set[int] = field(default_factory=set)
    #: Names of references to const thread objects that are bound to converted values.
    references: set[int] = field(default_factory=set)
    #: Names of template parameters that are functions.
    functions: set[int] = field(default_factory=set)

    def count(self) -> int:
        return sum(len(getattr(self, each.name)) for each in fields(self))


def rewrite_repairs(source: Source, edits: Edits, repairs: Repairs) -> None:
    for index in repairs.infix:
        edits.insert_after(index, f"__msl_infix() {source.tokens[index].text}")
    for index in repairs.compound:
        edits.insert_after(index, "__msl_operand() =")
    for index in repairs.negations:
        edits.replace(index, "__msl_not()->*")
    for index in repairs.conditionals:
        colon = _colon(source, index)
        if colon is not None:
            edits.insert_after(index, "__msl_arm() =")
            edits.insert_after(colon, "__msl_arm() =")
    rewrite_found_constructors(source, edits, repairs.constructors)
    for index in repairs.casts:
        if source.operator(index, "("):
            edits.replace(index, "__msl_cast_operator<")
            edits.replace(source.brackets.partner(index), ">()->*")
            continue
        opener = _cast_opener(source, index)
        if opener is not None:
            edits.insert_before(index, "__msl_cast<")
            edits.insert_after(opener - 1, ">")
    for index in repairs.lists:
        _lists(source, edits, index)
    for index in repairs.vectors:
        edits.replace(index, "__msl_any_vector")
        if source.operator(index - 1, "::") and source.word(index - 2, "metal"):
            edits.remove(index - 2, index)
    for index in repairs.references:
        _reference(source, edits, index)
    for index in repairs.functions:
        _function_parameter(source, edits, index)


def _colon(source: Source, question: int) -> int | None:
    """Index of the `:` that belongs to a `?`."""
    depth, index = 0, question
    while index < len(source.tokens) and not source.brackets.is_closer(index):
        if source.operator(index, "?"):
            depth += 1
        elif source.operator(index, ":"):
            depth -= 1
            if depth == 0:
                return index
        elif source.operator(index, ";"):
            return None
        index = source.brackets.after(index)
    return None


def _cast_opener(source: Source, index: int) -> int | None:
    """Index of the `(` of `T(x)`, `T` starting at `index`."""
    while index < len(source.tokens):
        if source.operator(index, "("):
            return index
        if source.operator(index, "<"):
            closer = source.brackets.template_end(index)
            if closer is None:
                return None
            index = closer + 1
        elif source.word(index) or source.operator(index, "::"):
            index += 1
        else:
            return None
    return None


def _lists(source: Source, edits: Edits, opener: int) -> None:
    """`f({a, b})`: an object that becomes a vector or an aggregate of a and b."""
    for start, end in source.brackets.split(opener + 1, source.brackets.partner(opener)):
        if source.operator(start, "{") and source.brackets.partner(start) == end - 1:
            edits.replace(start, "__msl_list(")
            edits.replace(end - 1, ")")


def _reference(source: Source, edits: Edits, name: int) -> None:
    """Drop `thread` from the declaration of a name: a reference without it may be bound to any temporary."""
    index = name - 1
    while index >= 0 and not any(source.operator(index, text) for text in (",", ";", "{", "}", "(")):
        if source.word(index, "thread"):
            edits.replace(index, "")
        index -= 1


def _function_parameter(source: Source, edits: Edits, name: int) -> None:
    """A template parameter `R (*f)(A)` or `Alias f` becomes `auto f`."""
    start, end = name, name + 1
    while start > 0 and not any(source.operator(start - 1, text) for text in (",", "<")):
        if source.operator(start - 1, ">"):
            # The argument list of an alias: `Function<T> f`.
            depth = 0
            while start > 0:
                start -= 1
                depth += 1 if source.operator(start, ">") else -1 if source.operator(start, "<") else 0
                if depth == 0:
                    break
        else:
            start -= 1
    if source.operator(end, ")") and source.operator(end + 1, "("):
        end = source.brackets.after(end + 1)
    edits.remove(start, end, f"auto {source.tokens[name].text}")
