"""Reports of loads and stores to an observer, put in while address spaces are still known."""

from __future__ import annotations

from dataclasses import dataclass

from isometal.soft.ir import Block, Instruction, Module, parse_instruction
from isometal.soft.ir.lexer import closing, split_commas
from isometal.soft.ir.model import typed_value
from isometal.soft.ir.types import address_space, layout

# Stand-ins that region building replaces: (address, bytes, space, access) -> address to use.
OBSERVE_LOAD = "@isometal.observe.load"
OBSERVE_STORE = "@isometal.observe.store"

_DECLARATION = "declare ptr {} ( ptr , i64 , i32 , i32 )"


@dataclass(frozen=True, slots=True)
class Access:
    """A load or store of a kernel: number in the reports, text in AIR, address space."""

    number: int
    text: str
    space: int
    writes: bool


class _Instrument:
    def __init__(self) -> None:
        self.accesses: list[Access] = []
        self.count = 0

    def check(
        self, pointer: list[str], space: int, size: str, writes: bool, text: str
    ) -> tuple[list[Instruction], str]:
        """Instructions that report the access, and the name of the pointer to use instead."""
        number = len(self.accesses)
        self.accesses.append(Access(number, text, space, writes))
        name = f"%observed{number}"
        callee = OBSERVE_STORE if writes else OBSERVE_LOAD
        typed = f"ptr addrspace({space}) {' '.join(pointer)}"
        before = parse_instruction(f"{name}.in = addrspacecast {typed} to ptr")
        call = f"{name}.flat = call ptr {callee}(ptr {name}.in, i64 {size}, i32 {space}, i32 {number})"
        after = parse_instruction(f"{name} = addrspacecast ptr {name}.flat to ptr addrspace({space})")
        return [before, parse_instruction(call), after], name


def observe_accesses(module: Module) -> list[Access]:
    """Route each access to device, constant and threadgroup memory through the observer, in place.

    The constructors of function constants are left alone. Returns what the numbers in the reports mean.
    """
    state = _Instrument()
    for name, function in module.functions.items():
        if "_GLOBAL__sub_I" in name:
            continue
        for block in function.blocks:
            _observe_block(block, state)
    for callee in (OBSERVE_LOAD, OBSERVE_STORE):
        module.declarations[callee] = _DECLARATION.format(callee)
    return state.accesses


def _observe_block(block: Block, state: _Instrument) -> None:
    instructions: list[Instruction] = []
    for instruction in block.instructions:
        instructions += _observe(instruction, state)
        instructions.append(instruction)
    block.instructions = instructions


def _observe(instruction: Instruction, state: _Instrument) -> list[Instruction]:
    tokens = instruction.tokens
    if instruction.opcode in ("load", "store"):
        start = 1
        while tokens[start] in ("volatile", "atomic"):
            start += 1
        parts = split_commas(tokens[start:])
        pointer = typed_value(parts[1])
        space = address_space(pointer.type)
        if space == 0 or _is_module_constant(space, pointer.value):
            return []
        writes = instruction.opcode == "store"
        type_ = typed_value(parts[0]).type if writes else instruction.type
        before, name = state.check(pointer.value, space, str(layout(type_)[0]), writes, str(instruction))
        parts[1] = [*parts[1][: len(parts[1]) - len(pointer.value)], name]
        instruction.tokens = tokens[:start] + _joined(parts)
        return before
    if instruction.callee.startswith(("@llvm.memcpy", "@llvm.memmove", "@llvm.memset")):
        return _observe_copy(instruction, state)
    return []


def _observe_copy(instruction: Instruction, state: _Instrument) -> list[Instruction]:
    call = instruction.call()
    opening = instruction.tokens.index(call.callee) + 1
    end = closing(instruction.tokens, opening)
    parts = split_commas(instruction.tokens[opening + 1 : end])
    size = call.arguments[2].value[0]
    before: list[Instruction] = []
    for index in range(1 if "memset" in call.callee else 2):
        pointer = call.arguments[index]
        space = address_space(pointer.type)
        if space == 0 or _is_module_constant(space, pointer.value):
            continue
        report, name = state.check(pointer.value, space, size, index == 0, str(instruction))
        before += report
        parts[index] = [*parts[index][: len(parts[index]) - len(pointer.value)], name]
    instruction.tokens = instruction.tokens[: opening + 1] + _joined(parts) + instruction.tokens[end:]
    return before


def _is_module_constant(space: int, value: list[str]) -> bool:
    """A constant table of the module itself, not a buffer."""
    return space == 2 and any(token[0] == "@" for token in value)


def _joined(parts: list[list[str]]) -> list[str]:
    joined: list[str] = []
    for index, part in enumerate(parts):
        joined += [",", *part] if index else part
    return joined
