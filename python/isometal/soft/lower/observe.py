"""Reports of loads and stores to an observer, put in while address spaces are still known."""

from __future__ import annotations

from dataclasses import dataclass

from isometal.soft.ir import Block, Function, Instruction, Module, Phi, parse_instruction
from isometal.soft.ir.lexer import closing, split_commas, words
from isometal.soft.ir.model import typed_value
from isometal.soft.ir.types import address_space, store_size

# Stand-ins that region building replaces: (address, bytes, space, access) -> address to use.
OBSERVE_LOAD = "@isometal.observe.load"
OBSERVE_STORE = "@isometal.observe.store"

CONSTANT_SPACE = 2
# What makes pointers from pointers.
_DERIVING = words("getelementptr bitcast addrspacecast phi select freeze")

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
        self.tables: set[str] = set()  # pointers of the function at hand into the module's own constants

    def is_table(self, space: int, value: list[str]) -> bool:
        """Whether a pointer is to a constant table of the module, which is no buffer."""
        return space == CONSTANT_SPACE and any(token[0] == "@" or token in self.tables for token in value)

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

    Accesses are loads, stores, copies and atomics; simdgroup matrices are loaded and stored unseen.

    The constructors of function constants are left alone. Returns what the numbers in the reports mean.
    """
    state = _Instrument()
    for name, function in module.functions.items():
        if "_GLOBAL__sub_I" in name:
            continue
        state.tables = _table_pointers(function)
        for block in function.blocks:
            _observe_block(block, state)
    for callee in (OBSERVE_LOAD, OBSERVE_STORE):
        module.declarations[callee] = _DECLARATION.format(callee)
    return state.accesses


def _table_pointers(function: Function) -> set[str]:
    """Local pointers that may be derived from the module's constants."""
    found: set[str] = set()
    pointers = [i for i in function.instructions() if i.result and address_space(i.type) == CONSTANT_SPACE]
    changed = True
    while changed:
        changed = False
        for instruction in pointers:
            if instruction.result in found or instruction.opcode not in _DERIVING:
                continue
            tokens = [t for value, _ in instruction.incoming for t in value] if isinstance(instruction, Phi) else []
            if any(token[0] == "@" or token in found for token in tokens or instruction.tokens):
                found.add(instruction.result)
                changed = True
    return found


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
        if space == 0 or state.is_table(space, pointer.value):
            return []
        writes = instruction.opcode == "store"
        type_ = typed_value(parts[0]).type if writes else instruction.type
        before, name = state.check(pointer.value, space, str(store_size(type_)), writes, str(instruction))
        parts[1] = [*parts[1][: len(parts[1]) - len(pointer.value)], name]
        instruction.tokens = tokens[:start] + _joined(parts)
        return before
    if instruction.callee.startswith("@air.atomic.") and instruction.callee != "@air.atomic.fence":
        return _observe_atomic(instruction, state)
    if instruction.callee.startswith(("@llvm.memcpy", "@llvm.memmove", "@llvm.memset")):
        return _observe_copy(instruction, state)
    return []


def _observe_atomic(instruction: Instruction, state: _Instrument) -> list[Instruction]:
    """An atomic reads and writes; where it does both, the read is reported first."""
    call = instruction.call()
    pointer = call.arguments[0]
    space = address_space(pointer.type)
    if space == 0:
        return []
    operation = call.callee.split(".")[3]
    type_ = call.arguments[1].type if operation == "store" else call.returns
    size = str(store_size(type_))
    value, before = pointer.value, list[Instruction]()
    for writes in (False, True):
        if operation == ("load" if writes else "store"):
            continue
        report, name = state.check(value, space, size, writes, str(instruction))
        before += report
        value = [name]
    opening = instruction.tokens.index(call.callee) + 1
    end = closing(instruction.tokens, opening)
    parts = split_commas(instruction.tokens[opening + 1 : end])
    parts[0] = [*parts[0][: len(parts[0]) - len(pointer.value)], *value]
    instruction.tokens = instruction.tokens[: opening + 1] + _joined(parts) + instruction.tokens[end:]
    return before


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
        if space == 0 or state.is_table(space, pointer.value):
            continue
        report, name = state.check(pointer.value, space, size, index == 0, str(instruction))
        before += report
        parts[index] = [*parts[index][: len(parts[index]) - len(pointer.value)], name]
    instruction.tokens = instruction.tokens[: opening + 1] + _joined(parts) + instruction.tokens[end:]
    return before


def _joined(parts: list[list[str]]) -> list[str]:
    joined: list[str] = []
    for index, part in enumerate(parts):
        joined += [",", *part] if index else part
    return joined
