"""Kernels: which functions are kernels, what their parameters are bound to, which instantiations have a name.

`kernel` and the attributes are read here. The values in attributes, such as `buffer(n)`, may be constant expressions
that depend on template parameters, so clang evaluates them: calls at the start of the kernel's body carry them into
the IR (entries.py, ir_kernels.py).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from isometal.soft.msl.declarations import Declaration, DeclarationKind, Source
from isometal.soft.msl.diagnostics import Diagnostic
from isometal.soft.msl.passes.attributes_reader import Attribute, attributes_of
from isometal.soft.msl.tokens import Kind, Position

__all__ = ["Instantiation", "KernelFunction", "KernelParameter", "find_instantiations", "find_kernels"]


@dataclass(frozen=True, slots=True)
class KernelParameter:
    """A parameter.

    `condition` is the function constant of [[function_constant(name)]], or ""; `dimensions` are the token ranges of
    the sizes where it is declared as an array, `constant int shape[3]`.
    """

    name: str
    start: int
    end: int
    attributes: tuple[Attribute, ...]
    position: Position
    condition: str = ""
    dimensions: tuple[tuple[int, int], ...] = ()

    def attribute(self, name: str) -> Attribute | None:
        return next((a for a in self.attributes if a.name == name), None)


@dataclass(slots=True)
class KernelFunction:
    """A kernel function or function template."""

    name: str
    declaration: Declaration
    parameters: list[KernelParameter]
    attributes: list[Attribute]
    position: Position

    @property
    def is_template(self) -> bool:
        return any(closer > opener + 1 for opener, closer in self.declaration.templates)

    @property
    def is_specialization(self) -> bool:
        return bool(self.declaration.templates) and not self.is_template


@dataclass(slots=True)
class Instantiation:
    """A kernel that the library contains: a function, and what it is called from outside.

    `arguments`: tokens of `name<...>` as written in an explicit instantiation; None for a plain function.
    `signature`, `type`: tokens of the parameter list and of what stands before the name, where there are any; void and
    attributes left out.
    """

    host_name: str
    function: KernelFunction
    position: Position
    declaration: Declaration
    arguments: tuple[int, int] | None = None
    signature: tuple[int, int] | None = None
    type: tuple[int, int] | None = None
    number: int = field(default=0)


_KERNEL_WORDS = ("kernel",)
_QUALIFIERS = frozenset(["const", "volatile", "typename", "device", "constant", "threadgroup", "thread", "restrict"])
_STAGES = frozenset(["vertex", "fragment", "mesh", "object", "intersection", "visible", "stitchable", "intersector"])


def find_kernels(source: Source, problems: list[Diagnostic]) -> list[KernelFunction]:
    found: list[KernelFunction] = []
    for declaration in source.walk():
        if declaration.kind is not DeclarationKind.FUNCTION or declaration.name is None or not declaration.parameters:
            continue
        attributes = attributes_of(source, declaration.start, declaration.name)
        attributes += attributes_of(source, declaration.parameters[1] + 1, _head_end(declaration))
        is_kernel = any(a.name == "kernel" for a in attributes)
        for index in source.words(declaration.head, declaration.name):
            is_kernel |= source.word(index, *_KERNEL_WORDS)
        stage = next((a for a in attributes if a.name in _STAGES), None)
        if stage is not None:
            problems.append(
                Diagnostic("error", stage.position, f"{stage.name} functions are not supported: kernels are")
            )
        if not is_kernel or declaration.body is None:
            continue
        name = source.tokens[declaration.name]
        if declaration.parent is not None and declaration.parent.kind is DeclarationKind.CLASS:
            problems.append(Diagnostic("error", name.position, f"kernel '{name.text}' cannot be a member of a class"))
            continue
        _check_result(source, declaration, problems)
        opener, closer = declaration.parameters
        parameters = [_parameter(source, begin, end) for begin, end in _parameters(source, opener, closer)]
        found.append(KernelFunction(name.text, declaration, parameters, attributes, name.position))
    return found


def find_instantiations(
    source: Source, kernels: list[KernelFunction], problems: list[Diagnostic]
) -> list[Instantiation]:
    """Kernels of the library: all that are no templates, and the explicit instantiations of templates."""
    found: list[Instantiation] = []
    by_name: dict[str, list[KernelFunction]] = {}
    for kernel in kernels:
        by_name.setdefault(kernel.name, []).append(kernel)
    for kernel in kernels:
        if not kernel.declaration.templates:
            name = _host_name(source, kernel.attributes, problems) or kernel.name
            found.append(Instantiation(name, kernel, kernel.position, kernel.declaration))
    for declaration in source.walk():
        if declaration.kind is DeclarationKind.INSTANTIATION:
            instantiation = _explicit(source, declaration, by_name, problems)
            if instantiation is not None:
                found.append(instantiation)
    found.sort(key=lambda i: i.declaration.start)
    names: dict[str, Instantiation] = {}
    for number, instantiation in enumerate(found):
        instantiation.number = number
        if instantiation.host_name in names:
            message = f"the name '{instantiation.host_name}' is given to two kernels"
            problems.append(Diagnostic("error", instantiation.position, message))
        names[instantiation.host_name] = instantiation
    return found


def _head_end(declaration: Declaration) -> int:
    return declaration.body[0] if declaration.body is not None else declaration.end


def _parameter(source: Source, start: int, end: int) -> KernelParameter:
    attributes = tuple(attributes_of(source, start, end))
    name, words = "", 0
    dimensions: list[tuple[int, int]] = []
    position = source.tokens[start].position if start < end else source.tokens[start - 1].position
    index = start
    while index < end and not source.operator(index, "="):
        if source.word(index):
            name, position = source.tokens[index].text, source.tokens[index].position
            words += name not in _QUALIFIERS and not source.operator(index - 1, "::")
            if source.operator(index + 1, "<"):
                closer = source.brackets.template_end(index + 1, end)
                index = closer if closer is not None else index
        elif source.operator(index, "(") and any(source.operator(index + 1, text) for text in ("&", "*")):
            # `constant float (&table)[4]`
            inside = [i for i in range(index, source.brackets.partner(index)) if source.word(i)]
            if inside:
                name, position, words = source.tokens[inside[-1]].text, source.tokens[inside[-1]].position, 2
            break
        elif source.operator(index, "[") and source.brackets.partner(index) > index + 1:
            dimensions.append((index + 1, source.brackets.partner(index)))
        index = source.brackets.after(index)
    condition = next((_last_word(source, a.start, a.end) for a in attributes if a.name == "function_constant"), "")
    name = name if words > 1 else ""  # a type alone
    return KernelParameter(name, start, end, attributes, position, condition, tuple(dimensions))


def _last_word(source: Source, start: int, end: int) -> str:
    return next((source.tokens[i].text for i in reversed(range(start, end)) if source.word(i)), "")


def _check_result(source: Source, declaration: Declaration, problems: list[Diagnostic]) -> None:
    assert declaration.name is not None
    words = [source.tokens[i].text for i in source.words(declaration.head, declaration.name)]
    if "void" not in words or source.operator(declaration.name - 1, "*"):
        name = source.tokens[declaration.name]
        problems.append(Diagnostic("error", name.position, f"kernel '{name.text}' must return void"))


def _host_name(source: Source, attributes: list[Attribute], problems: list[Diagnostic]) -> str | None:
    for attribute in attributes:
        if attribute.name == "host_name":
            tokens = source.tokens[attribute.start : attribute.end]
            parts = [_string(token.text) for token in tokens if token.kind is Kind.STRING]
            name = "".join(part for part in parts if part is not None)
            if name and len(parts) == len(tokens) and None not in parts:
                return name
            problems.append(Diagnostic("error", attribute.position, "host_name needs a string literal"))
    return None


def _string(literal: str) -> str | None:
    try:
        value = ast.literal_eval(literal)
    except (SyntaxError, ValueError):
        return None
    return value if isinstance(value, str) else None


def _explicit(
    source: Source, declaration: Declaration, kernels: dict[str, list[KernelFunction]], problems: list[Diagnostic]
) -> Instantiation | None:
    """`template [[host_name("n")]] [[kernel]] decltype(f<T>) f<T>;`, `... alias f<T>;` or `... void f<T>(...);`"""
    attributes = attributes_of(source, declaration.start, declaration.end)
    has_kernel_word = any(source.word(i, "kernel") for i in source.words(declaration.head, declaration.end))
    host_name = _host_name(source, attributes, problems)
    if host_name is None and not has_kernel_word and not any(a.name == "kernel" for a in attributes):
        return None
    end = declaration.end - 1
    index, start, opener = declaration.head, None, None
    type_: tuple[int, int] | None = None
    while index < end:
        if source.operator(index, "[[") or source.word(index, "kernel", "void"):
            index = source.brackets.after(index)
        elif source.word(index, "decltype") and source.operator(index + 1, "("):
            type_ = (index, source.brackets.after(index + 1))
            index = type_[1]
        elif source.word(index) or source.operator(index, "::"):
            if start is not None and source.word(index) and not source.operator(index - 1, "::"):
                # What stood before the name was a type: `typedef decltype(f<float>) f_t; template kernel f_t f<float>;`
                type_, start = (start, index), index
            start = index if start is None else start
            if source.operator(index + 1, "<"):
                closer = source.brackets.template_end(index + 1, end)
                index = closer if closer is not None else index
            index += 1
        elif source.operator(index, "(") and start is not None:
            opener = index
            break
        else:
            break
    position = source.tokens[declaration.start].position
    if start is None:
        problems.append(Diagnostic("error", position, "an explicit instantiation of a kernel names no function"))
        return None
    stop = opener if opener is not None else index
    name = _base_name(source, start, stop)
    signature = (opener, source.brackets.partner(opener) + 1) if opener is not None else None
    kernel = _overload(source, kernels.get(source.tokens[name].text, []), name, stop, signature)
    if kernel is None:
        message = f"'{source.tokens[name].text}' is instantiated as a kernel, but no kernel has that name"
        problems.append(Diagnostic("error", source.tokens[name].position, message))
        return None
    if host_name is None:
        message = f"an instantiation of kernel '{kernel.name}' needs [[host_name(\"...\")]] to be found by"
        problems.append(Diagnostic("error", position, message))
        return None
    count = _count(source, signature)
    if count is not None and count != len(kernel.parameters):
        message = f"kernel '{kernel.name}' has {len(kernel.parameters)} parameters, this instantiation {count}"
        problems.append(Diagnostic("error", source.tokens[name].position, message))
        return None
    return Instantiation(host_name, kernel, source.tokens[name].position, declaration, (start, stop), signature, type_)


def _overload(
    source: Source, kernels: list[KernelFunction], name: int, stop: int, signature: tuple[int, int] | None
) -> KernelFunction | None:
    """The kernel, of several with one name, that can have as many template arguments as stand behind the name, and as
    many parameters as stand behind those."""
    wanted = _count(source, signature)
    fitting = [kernel for kernel in kernels if wanted is None or wanted == len(kernel.parameters)] or kernels
    closer = source.brackets.template_end(name + 1, stop) if source.operator(name + 1, "<") else None
    if closer is None or len(fitting) < 2:
        return next(iter(fitting), None)
    count = len(source.brackets.split(name + 2, closer))
    for kernel in fitting:
        opener, end = kernel.declaration.templates[-1] if kernel.declaration.templates else (0, 0)
        parts = source.brackets.split(opener + 1, end) if end else []
        needed = [
            part for part in parts if not any(source.operator(i, text) for i in range(*part) for text in ("=", "..."))
        ]
        if len(needed) <= count and (count <= len(parts) or any(source.operator(i, "...") for i in range(opener, end))):
            return kernel
    return fitting[0]


def _count(source: Source, signature: tuple[int, int] | None) -> int | None:
    """How many parameters stand in `(...)`."""
    if signature is None:
        return None
    return len(_parameters(source, signature[0], signature[1] - 1))


def _parameters(source: Source, opener: int, closer: int) -> list[tuple[int, int]]:
    """Token ranges of the parameters between two parentheses."""
    parts = source.brackets.split(opener + 1, closer)
    return [(begin, end) for begin, end in parts if not (end - begin == 1 and source.word(begin, "void"))]


def _base_name(source: Source, start: int, stop: int) -> int:
    """Index of the last name before the template arguments."""
    index = start
    while index < stop and source.operator(index + 1, "::"):
        index += 2
    return index
