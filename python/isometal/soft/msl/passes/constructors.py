"""Construction of vectors: `float4(a, b)`, `uint2(v)`, `short2 offset(x, y), size(2);`, and members of classes."""

from __future__ import annotations

from collections.abc import Iterator

from isometal.soft.msl.declarations import Source
from isometal.soft.msl.edits import Edits
from isometal.soft.msl.passes.vector_types import VectorTypes

__all__ = ["rewrite_found_constructors", "rewrite_vector_constructors"]

_NO_TYPES = frozenset(["return", "case", "else", "do", "goto", "throw", "new", "delete", "sizeof"])
_NOT_OF_THE_TYPE = frozenset(["const", "constexpr", "static", "thread", "device", "constant", "threadgroup", "inline"])


def rewrite_vector_constructors(source: Source, edits: Edits, vectors: VectorTypes) -> None:
    """Rewrite what the names of types alone show."""
    bodies = _function_bodies(source)
    visited: set[int] = set()
    for index in range(len(source.tokens)):
        if not source.word(index) or not vectors.start(index) or source.word(index - 1, "operator"):
            continue
        end = vectors.match(index)
        if end is None:
            continue
        if source.operator(end, "("):
            _construct(source, edits, index, end)
        elif source.word(end) and _within(bodies, index):
            for name in _declarators(source, end, visited):
                if not _declares_function(source, vectors, name + 1):
                    _initialize(source, edits, name, source.text(index, end))


def rewrite_found_constructors(source: Source, edits: Edits, places: set[int]) -> None:
    """Rewrite constructions that clang found to be of vectors. `places`: names before the `(` of their arguments."""
    for index in places:
        opener = _opener(source, index)
        if opener is None:
            continue
        if _is_member_initializer(source, index):
            # The member's own type; no argument of the class's template needs to be known.
            edits.insert_after(opener, f"{_helper(source, opener)}<decltype({source.text(index, opener)})>(")
            edits.insert_before(source.brackets.partner(opener), ")")
            continue
        type_ = _declared_type(source, index)
        if type_ is None:
            _construct(source, edits, _qualified(source, index), opener)
        elif opener == index + 1:
            _initialize(source, edits, index, type_)


def _opener(source: Source, index: int) -> int | None:
    """Index of the `(` behind the name that starts at `index`: `a(`, `metal::vec<T, 2>(`, `typename V<N>::type(`."""
    while source.word(index) or source.operator(index, "::"):
        index += 1
        if source.operator(index, "<"):
            closer = source.brackets.template_end(index)
            index = closer + 1 if closer is not None else index
    return index if source.operator(index, "(") else None


def _construct(source: Source, edits: Edits, start: int, opener: int) -> None:
    """`T(arguments)`, `T` being the tokens [start, opener)."""
    closer = source.brackets.partner(opener)
    if closer == opener + 1 or _is_declarator(source, opener, closer):
        return
    edits.insert_before(start, f"{_helper(source, opener)}<")
    edits.insert_after(opener - 1, ">")


def _initialize(source: Source, edits: Edits, name: int, type_: str) -> None:
    """`T name(arguments)` becomes `T name = T(arguments)`."""
    if source.operator(name + 1, "(") and source.brackets.partner(name + 1) > name + 2:
        edits.insert_after(name, f"= {_helper(source, name + 1)}<{type_}>")


def _helper(source: Source, opener: int) -> str:
    arguments = source.brackets.split(opener + 1, source.brackets.partner(opener))
    return "__msl_cast" if len(arguments) == 1 else "__msl_vector"


def _is_declarator(source: Source, opener: int, closer: int) -> bool:
    """`float4 (*rows)[3]`: a pointer or reference to an array, or to a function."""
    if not any(source.operator(opener + 1, text) for text in ("*", "&")):
        return False
    return any(source.operator(closer + 1, text) for text in ("[", "("))


def _declarators(source: Source, first: int, visited: set[int]) -> Iterator[int]:
    """Names of the variables of one declaration in a function that have `(arguments)`; the first name is at `first`.

    `visited`: tokens that were looked at for earlier declarations around this one, which then is none; so that the time
    does not grow with the square of a statement's length.
    """
    if first in visited:
        return
    name = index = first
    while True:
        behind = name + 1
        if not source.word(name) or not (_ends_declarator(source, behind) or _follows_name(source, behind)):
            return  # `float2 a, int b`: parameters
        if source.operator(behind, "(") and _ends_declarator(source, source.brackets.after(behind)):
            yield name
        while not _ends_declarator(source, index):
            visited.add(index)
            closer = None
            if source.operator(index, "<") and source.word(index - 1):
                closer = source.brackets.template_end(index)
            index = closer + 1 if closer is not None else source.brackets.after(index)
        if not source.operator(index, ","):
            return
        name = index = index + 1


def _ends_declarator(source: Source, index: int) -> bool:
    if index >= len(source.tokens) or source.brackets.is_closer(index):
        return True
    return source.operator(index, ",") or source.operator(index, ";")


def _follows_name(source: Source, index: int) -> bool:
    return any(source.operator(index, text) for text in ("(", "=", "[", "{"))


def _declares_function(source: Source, vectors: VectorTypes, opener: int) -> bool:
    """Whether what stands in parentheses begins with a parameter: `float2 f(float x);`, `float2 f(float2);`."""
    first, end = next(iter(source.brackets.split(opener + 1, source.brackets.partner(opener))), (0, 0))
    if end - first > 1 and all(source.word(i) for i in range(first, first + 2)):
        return True
    return vectors.match(first) == end


def _qualified(source: Source, index: int) -> int:
    """Where the name that ends at `index` begins: `metal::float2`."""
    while source.operator(index - 1, "::") and source.word(index - 2):
        index -= 2
    return index - 1 if source.operator(index - 1, "::") or source.word(index - 1, "typename") else index


def _declared_type(source: Source, name: int) -> str | None:
    """The type of the variable that is declared with the name at `name`; None where this declares nothing."""
    start = name
    while start > 0 and not source.brackets.is_opener(start - 1):
        if any(source.operator(start - 1, text) for text in (";", "}")):
            break
        start = source.brackets.partner(start - 1) if source.brackets.is_closer(start - 1) else start - 1
    parts = source.brackets.split(start, source.statement_end(name))
    first, end = next(iter(parts), (start, start))
    behind = first
    # The type: names, with template arguments, up to the first name that something other than a name follows.
    while behind < end and not (source.word(behind) and _ends_type(source, behind, end)):
        if source.operator(behind, "<"):
            closer = source.brackets.template_end(behind, end)
            behind = closer + 1 if closer is not None else end
        elif source.word(behind) or source.operator(behind, "::"):
            behind += 1
        else:
            return None
    words = [i for i in range(first, behind) if not source.word(i, *_NOT_OF_THE_TYPE)]
    if not words or behind >= end or source.word(words[0], *_NO_TYPES):
        return None
    if behind != name and all(begin != name for begin, _ in parts[1:]):
        return None
    return " ".join(source.tokens[i].text for i in words)


def _ends_type(source: Source, index: int, end: int) -> bool:
    return index + 1 == end or (_follows_name(source, index + 1) and not source.operator(index - 1, "::"))


def _is_member_initializer(source: Source, index: int) -> bool:
    """Whether the name stands behind the parameters of a constructor and before its body."""
    for declaration in source.walk():
        if declaration.parameters and declaration.body and declaration.parameters[1] < index < declaration.body[0]:
            start = declaration.parameters[1] + 1
            while start < index and not source.operator(start, ":"):
                start += 1
            parts = source.brackets.split(start + 1, declaration.body[0])
            return any(begin == index for begin, _ in parts)
    return False


def _function_bodies(source: Source) -> list[tuple[int, int]]:
    bodies = []
    for declaration in source.walk():
        if declaration.parameters is not None and declaration.body is not None:
            bodies.append(declaration.body)
    return bodies


def _within(bodies: list[tuple[int, int]], index: int) -> bool:
    return any(start < index < end for start, end in bodies)
