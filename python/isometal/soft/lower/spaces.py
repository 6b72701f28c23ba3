"""Address spaces: CPUs have one. Threadgroup variables become external symbols until their place is decided."""

from __future__ import annotations

import re
from dataclasses import dataclass

from isometal.soft.ir import Function, Instruction, Module
from isometal.soft.ir.lexer import closing, split_commas
from isometal.soft.ir.model import typed_value
from isometal.soft.ir.types import address_space, layout

CONSTANT_SPACE = 2
THREADGROUP_SPACE = 3

_MANGLED_SPACE = re.compile(r"\.p\d+(?=\.|\Z)")


@dataclass(frozen=True, slots=True)
class ThreadgroupVariable:
    """A variable in threadgroup memory: the name of its symbol, its size and alignment in bytes."""

    name: str
    size: int
    alignment: int


def flatten(module: Module) -> list[ThreadgroupVariable]:
    """Remove address spaces from a module, in place.

    Threadgroup variables are left as external globals: distinct objects of unknown address, about whose contents LLVM
    can assume nothing.
    """
    variables: list[ThreadgroupVariable] = []
    for variable in module.globals.values():
        space = variable.address_space
        _without_sections(variable.tokens)
        if space == THREADGROUP_SPACE and variable.keyword >= 0:
            size, natural = layout(variable.type)
            alignment = _alignment(variable.tokens) or natural
            variables.append(ThreadgroupVariable(variable.name, size, alignment))
            variable.tokens = ["external", "global", variable.type, ",", "align", str(alignment)]
        variable.tokens = _flat(variable.tokens)
    for function in module.functions.values():
        _flatten_function(function)
    declarations: dict[str, str] = {}
    for name, text in module.declarations.items():
        flat_name = _flat_callee(name)
        declarations[flat_name] = " ".join(_flat(text.split(" "))).replace(name + " ", flat_name + " ")
    module.declarations = declarations
    return variables


def _flatten_function(function: Function) -> None:
    function.prefix = _flat(function.prefix)
    _without_sections(function.suffix)
    function.returns = _flat_type(function.returns)
    for parameter in function.parameters:
        parameter.type = _flat_type(parameter.type)
    for instruction in function.instructions():
        _flatten_instruction(instruction)


def _flatten_instruction(instruction: Instruction) -> None:
    if _loads_constant(instruction):
        # Nobody writes constant memory while a kernel runs.
        instruction.tokens += [",", "!invariant.load", "!", "{", "}"]
    instruction.type = _flat_type(instruction.type)
    for phi in (instruction,) if instruction.opcode == "phi" else ():
        phi.incoming = [(_flat(value), label) for value, label in phi.incoming]  # type: ignore[attr-defined]
        return
    tokens = instruction.tokens
    if instruction.opcode == "addrspacecast":
        instruction.opcode = tokens[0] = "bitcast"
    if any(token == "addrspace" or token == "addrspacecast" for token in tokens):
        instruction.tokens = tokens = _flat(tokens)
    for index, token in enumerate(tokens):
        if token.startswith("@llvm.") and ".p" in token:
            tokens[index] = _flat_callee(token)


def _loads_constant(instruction: Instruction) -> bool:
    if instruction.opcode != "load" or "volatile" in instruction.tokens or "atomic" in instruction.tokens:
        return False
    if "!invariant.load" in instruction.tokens:
        return False
    return address_space(typed_value(split_commas(instruction.tokens[1:])[1]).type) == CONSTANT_SPACE


def _flat_callee(name: str) -> str:
    return _MANGLED_SPACE.sub(".p0", name) if name.startswith("@llvm.") else name


def _flat_type(type_: str) -> str:
    return re.sub(r" addrspace\(\d+\)", "", type_) if "addrspace" in type_ else type_


def _flat(tokens: list[str]) -> list[str]:
    """Tokens without address spaces and without casts between them."""
    flat: list[str] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token == "addrspace" and tokens[index + 1] == "(":
            index += 4
        elif token == "addrspacecast" and tokens[index + 1] == "(":
            # addrspacecast (ptr addrspace(3) @x to ptr) is @x.
            end = closing(tokens, index + 1)
            inner = _flat(tokens[index + 2 : end])
            to = len(inner) - 1 - inner[::-1].index("to")
            flat += inner[1:to]
            index = end + 1
        else:
            flat.append(token)
            index += 1
    return flat


def _without_sections(tokens: list[str]) -> None:
    while "section" in tokens:
        at = tokens.index("section")
        del tokens[at - 1 if tokens[at - 1] == "," else at : at + 2]
    if "externally_initialized" in tokens:
        tokens.remove("externally_initialized")


def _alignment(tokens: list[str]) -> int:
    return int(tokens[tokens.index("align") + 1]) if "align" in tokens else 0
