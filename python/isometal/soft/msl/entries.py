"""What makes kernels callable: entry functions, and functions that tell the front end about their parameters.

For instantiation number N the source gets `__msl_entry_N`, which takes what AIR passes and calls the kernel, and
`__msl_described_N`, whose calls carry sizes and type names of the parameters into the IR. Calls of the undefined
`__msl_attribute<what, parameter, value>` in the kernel's body carry the values of attributes, which may depend on
template parameters.
"""

from __future__ import annotations

from enum import IntEnum

from isometal.soft.msl.declarations import Source
from isometal.soft.msl.edits import Edits
from isometal.soft.msl.passes.constants import FunctionConstant
from isometal.soft.msl.passes.kernels import Instantiation, KernelFunction

__all__ = ["AttributeKind", "add_constant_descriptions", "add_entries", "mark_attributes"]


class AttributeKind(IntEnum):
    """First template argument of __msl_attribute."""

    BUFFER = 0
    THREADGROUP = 1
    MAX_THREADS = 2
    ELEMENTS = 3  # of a parameter declared as an array


_VALUED = {"buffer": AttributeKind.BUFFER, "threadgroup": AttributeKind.THREADGROUP}


def mark_attributes(source: Source, edits: Edits, kernels: list[KernelFunction]) -> None:
    """Remove `kernel`, and put the attributes' values into the body."""
    for kernel in kernels:
        declaration = kernel.declaration
        assert declaration.name is not None
        assert declaration.body is not None
        for index in source.words(declaration.head, declaration.name):
            if source.word(index, "kernel"):
                edits.replace(index, "")
        calls: list[str] = []
        for number, parameter in enumerate(kernel.parameters):
            if parameter.dimensions:
                sizes = [f"({source.text(start, end)})" for start, end in parameter.dimensions]
                calls.append(_attribute(AttributeKind.ELEMENTS, number, " * ".join(sizes)))
            for attribute in parameter.attributes:
                if attribute.name in _VALUED and attribute.start < attribute.end:
                    value = source.text(attribute.start, attribute.end)
                    calls.append(_attribute(_VALUED[attribute.name], number, value))
        for attribute in kernel.attributes:
            if attribute.name == "max_total_threads_per_threadgroup":
                calls.append(_attribute(AttributeKind.MAX_THREADS, 0, source.text(attribute.start, attribute.end)))
        if calls:
            edits.insert_after(declaration.body[0], " ".join(calls))


def _attribute(kind: AttributeKind, number: int, value: str) -> str:
    return f"__msl_attribute<{int(kind)}, {number}, ({value})>();"


def add_entries(source: Source, edits: Edits, instantiations: list[Instantiation]) -> None:
    """Call this last: it copies text that other passes changed."""
    for instantiation in instantiations:
        text = _entry(source, edits, instantiation)
        declaration = instantiation.declaration
        if instantiation.arguments is None:
            edits.insert_after(declaration.end - 1, text)
        else:
            # At the name: that is where clang's messages about it point then.
            edits.remove(declaration.start, declaration.end)
            edits.instead[instantiation.arguments[0]] = text


def _entry(source: Source, edits: Edits, instantiation: Instantiation) -> str:
    tokens = source.tokens
    callee, signature, check = instantiation.function.name, instantiation.signature, ""
    if instantiation.arguments is not None:
        callee = edits.text(tokens, *instantiation.arguments)
        check = _type_check(source, edits, instantiation, callee)
    else:
        parameters = instantiation.function.declaration.parameters
        assert parameters is not None
        signature = (parameters[0], parameters[1] + 1)
    # decltype of a plain function's name would take its address, which OpenCL does not allow.
    function = "void" + edits.text(tokens, *signature) if signature is not None else f"decltype({callee})"
    n = instantiation.number
    count = range(len(instantiation.function.parameters))
    argument = [f"__msl_entry_argument<__msl_function_{n}, {i}>" for i in count]
    declared = ", ".join(f"{argument[i]}::type a{i}" for i in count)
    passed = ", ".join(f"{argument[i]}::pass(a{i})" for i in count)
    described = " ".join(f"__msl_describe<{n}, {i}, {argument[i]}, {argument[i]}::plain>();" for i in count)
    return (
        f"{check}using __msl_function_{n} = {function}; "
        f'extern "C" __attribute__((used)) void __msl_entry_{n}({declared}) {{ {callee}({passed}); }} '
        f'extern "C" __attribute__((used)) void __msl_described_{n}() {{ {described} }}'
    )


def _type_check(source: Source, edits: Edits, instantiation: Instantiation, callee: str) -> str:
    """A declaration that compiles if what an explicit instantiation declares is the function that it names."""
    name, n = instantiation.function.name, instantiation.number
    type_ = edits.text(source.tokens, *instantiation.type) if instantiation.type else "void"
    if instantiation.signature is not None:
        signature = edits.text(source.tokens, *instantiation.signature)
        return f"using __msl_instantiated_{n} = decltype(static_cast<{type_} (*) {signature}>({callee})); "
    if type_ == f"decltype ( {callee} )":
        return ""
    message = f"no kernel '{name}' has the type of this instantiation"
    return f'static_assert(__is_same({type_}, decltype({callee})), "{message}"); '


def add_constant_descriptions(source: Source, edits: Edits, constants: list[FunctionConstant]) -> None:
    for constant in constants:
        index = source.text(constant.start, constant.end)
        edits.insert_after(
            constant.declaration.end - 1,
            f'extern "C" __attribute__((used)) void __msl_described_constant_{constant.number}() {{ '
            f"__msl_describe_constant<{constant.number}, ({index})>(&{constant.name}); }}",
        )
