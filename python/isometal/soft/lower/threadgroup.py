"""Threadgroup variables get their place in the threadgroup's memory."""

from __future__ import annotations

from collections.abc import Mapping

from isometal.soft.errors import LoweringError
from isometal.soft.ir import Function, Instruction, Phi, parse_instruction
from isometal.soft.ir.lexer import closing, split_commas
from isometal.soft.ir.types import read_type
from isometal.soft.lower.abi import THREADGROUP_ALIGNMENT
from isometal.soft.lower.spaces import ThreadgroupVariable

_EXPRESSIONS = ("getelementptr", "ptrtoint", "bitcast", "add", "sub")


def offsets(variables: list[ThreadgroupVariable]) -> tuple[dict[str, int], int]:
    """Offset of each variable by its symbol, and the bytes that all take, a multiple of THREADGROUP_ALIGNMENT."""
    found: dict[str, int] = {}
    size = 0
    for variable in sorted(variables, key=lambda v: -v.alignment):
        size = -(-size // variable.alignment) * variable.alignment
        found[variable.name] = size
        size += variable.size
    return found, -(-size // THREADGROUP_ALIGNMENT) * THREADGROUP_ALIGNMENT


def localise(function: Function, names: Mapping[str, str]) -> None:
    """Replace symbols by local names, in place; constant expressions that hold one become instructions."""
    if not names:
        return
    state = _Expansion(names)
    tails: dict[str, list[Instruction]] = {}
    for block in function.blocks:
        instructions: list[Instruction] = []
        for instruction in block.instructions:
            if isinstance(instruction, Phi):
                for index, (value, origin) in enumerate(instruction.incoming):
                    if state.concerns(value):
                        new = state.expand(value)
                        instruction.incoming[index] = (new, origin)
                        tails.setdefault(origin, []).extend(state.take())
            elif state.concerns(instruction.tokens):
                instruction.tokens = state.expand(instruction.tokens)
                instructions += state.take()
            instructions.append(instruction)
        block.instructions = instructions
    for block in function.blocks:
        block.instructions[-1:-1] = tails.get(block.label, [])


class _Expansion:
    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names
        self.count = 0
        self.made: list[Instruction] = []

    def take(self) -> list[Instruction]:
        made, self.made = self.made, []
        return made

    def concerns(self, tokens: list[str]) -> bool:
        return any(token[0] == "@" and token in self.names for token in tokens)

    def expand(self, tokens: list[str]) -> list[str]:
        """The tokens with symbols replaced; expressions that hold one are made instructions first."""
        result: list[str] = []
        index = 0
        while index < len(tokens):
            token = tokens[index]
            if token in self.names:
                result.append(self.names[token])
                index += 1
                continue
            opening = self._opening(tokens, index)
            if opening is not None:
                end = closing(tokens, opening)
                if self.concerns(tokens[opening:end]):
                    result.append(self._instruction(tokens[index:opening], tokens[opening + 1 : end]))
                    index = end + 1
                    continue
            elif token == "<" and index and self._is_vector_constant(tokens, index):
                raise LoweringError("[soft] a constant vector of threadgroup addresses is not known.")
            result.append(token)
            index += 1
        return result

    def _opening(self, tokens: list[str], index: int) -> int | None:
        """Index of the bracket that opens a constant expression which begins here."""
        if tokens[index] not in _EXPRESSIONS:
            return None
        at = index + 1
        while at < len(tokens) and (tokens[at].isalpha() or tokens[at] == "inrange"):
            at += 1
        return at if at < len(tokens) and tokens[at] == "(" else None

    def _is_vector_constant(self, tokens: list[str], index: int) -> bool:
        try:
            end = closing(tokens, index)
        except ValueError:
            return False
        return self.concerns(tokens[index:end])

    def _instruction(self, head: list[str], inner: list[str]) -> str:
        body = self.expand(inner)
        self.count += 1
        name = f"%$expression{self.count}"
        self.made.append(parse_instruction(f"{name} = {' '.join(head)} {' '.join(_operands(head[0], body))}"))
        return name


def _operands(opcode: str, body: list[str]) -> list[str]:
    if opcode in ("add", "sub"):
        # Instructions give the type of binary operands once.
        first, second = split_commas(body)
        _, index = read_type(second, 0)
        return [*first, ",", *second[index:]]
    return body
