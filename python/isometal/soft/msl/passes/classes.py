"""Classes: member functions get Metal's address space for `this`, objects can be copied from everywhere.

In Metal a member function without an address space is for objects in thread memory. Clang would take it for all.
"""

from __future__ import annotations

from isometal.soft.msl.declarations import Declaration, DeclarationKind, Source
from isometal.soft.msl.edits import Edits
from isometal.soft.msl.passes.address_spaces import SPACES, is_constructor

__all__ = ["rewrite_classes"]


def rewrite_classes(source: Source, edits: Edits) -> None:
    classes: dict[str, list[Declaration]] = {}
    functions: list[Declaration] = []
    for declaration in source.walk():
        if declaration.kind is DeclarationKind.CLASS:
            if declaration.name is not None:
                classes.setdefault(source.tokens[declaration.name].text, []).append(declaration)
                _copies(source, edits, declaration)
            for member in declaration.children:
                if _is_method(source, member):
                    _thread_method(source, edits, member)
        elif declaration.kind is DeclarationKind.FUNCTION:
            functions.append(declaration)
    for function in functions:
        if _defines_method(source, function, classes):
            _thread_method(source, edits, function)


def _copies(source: Source, edits: Edits, declaration: Declaration) -> None:
    if declaration.name is None or declaration.body is None or not _has_state(source, declaration):
        return
    name = source.tokens[declaration.name].text
    constructors = [d for d in declaration.children if is_constructor(source, d)]
    text = [] if constructors else [f"{name}() = default;"]
    if not any(_takes_reference_to(source, d, name) for d in constructors):
        text.append(f"MSL_COPY_CONSTRUCTORS({name})")
    assignments = [
        d
        for d in declaration.children
        if d.name is not None and source.word(d.name, "operator") and source.operator(d.name + 1, "=")
    ]
    if not any(_takes_reference_to(source, d, name) for d in assignments):
        text.append(f"MSL_COPY_ASSIGNMENTS({name})")
    edits.insert_before(declaration.body[1], " public: " + " ".join(text))


def _has_state(source: Source, declaration: Declaration) -> bool:
    """Whether objects hold anything: data members, or base classes that may."""
    assert declaration.name is not None
    assert declaration.body is not None
    if any(source.operator(i, ":") for i in range(declaration.name + 1, declaration.body[0])):
        return True
    return any(
        child.kind in (DeclarationKind.VARIABLE, DeclarationKind.CLASS)
        and not any(source.word(i, "static") for i in source.words(child.head, child.name or child.head))
        for child in declaration.children
    )


def _takes_reference_to(source: Source, function: Declaration, name: str) -> bool:
    """Whether the only parameter of a function is a reference to its class: a copy constructor or assignment."""
    if function.templates or function.parameters is None:
        return False
    opener, closer = function.parameters
    parts = source.brackets.split(opener + 1, closer)
    if len(parts) != 1:
        return False
    inside = range(*parts[0])
    return any(source.operator(i, "&") for i in inside) and any(source.word(i, name) for i in inside)


def _is_method(source: Source, member: Declaration) -> bool:
    if member.kind is not DeclarationKind.FUNCTION or member.name is None or is_constructor(source, member):
        return False
    if source.operator(member.name - 1, "~"):
        return False
    return not any(source.word(i, "static", "friend") for i in range(member.head, member.name))


def _defines_method(source: Source, function: Declaration, classes: dict[str, list[Declaration]]) -> bool:
    """Whether this is `T Class<...>::name(...) {...}` of a member function that is not static."""
    name = function.name
    if name is None or not source.operator(name - 1, "::"):
        return False
    index = name - 2
    if source.operator(index, ">"):
        depth = 0
        while index > function.head:
            depth += 1 if source.operator(index, ">") else -1 if source.operator(index, "<") else 0
            index -= 1
            if depth == 0:
                break
    if not source.word(index):
        return False
    member_name = source.tokens[name].text
    return any(
        _is_method(source, member) and member.name is not None and source.tokens[member.name].text == member_name
        for declaration in classes.get(source.tokens[index].text, ())
        for member in declaration.children
    )


def _thread_method(source: Source, edits: Edits, function: Declaration) -> None:
    assert function.parameters is not None
    start = function.parameters[1] + 1
    end = function.body[0] if function.body else function.end
    for index in range(start, end):
        if source.word(index, *SPACES):
            return
        if any(source.operator(index, text) for text in ("->", "=", ":")):
            break
    edits.insert_after(function.parameters[1], "__private")
