"""simdgroup matrices: AIR gives each lane 64 elements, of which two exist. The values become pairs.

Only values change; memory that holds a matrix keeps AIR's layout, whose first two elements are the pair.
"""

from __future__ import annotations

import re

from isometal.soft.errors import LoweringError
from isometal.soft.ir import Function, Instruction, Phi, parse_instruction
from isometal.soft.ir.lexer import closing

_WIDE = re.compile(r"<64 x (half|bfloat|float)>")


def narrow_matrices(function: Function) -> None:
    """Replace each value of type <64 x T> by one of <2 x T>, in place.

    Raises:
        LoweringError: an instruction that reads elements which no lane has.
    """
    for block in function.blocks:
        block.instructions = [n for i in block.instructions for n in _narrow(i)]


def _narrow(instruction: Instruction) -> list[Instruction]:
    if isinstance(instruction, Phi):
        if _WIDE.match(instruction.type):
            instruction.incoming = [(_constant(value), label) for value, label in instruction.incoming]
            instruction.type = _pair(instruction.type)
        return [instruction]
    tokens = instruction.tokens
    if "64" not in tokens or instruction.opcode in ("alloca", "getelementptr"):
        return [instruction]
    if instruction.opcode == "shufflevector":
        return [_shuffle(instruction)]
    if instruction.opcode in ("extractelement", "insertelement") and _index(tokens) > 1:
        if instruction.opcode == "insertelement":
            # An element that no lane has: the vector without it.
            source = tokens[closing(tokens, 1) + 1]
            return [parse_instruction(f"{instruction.result} = freeze {_pair(instruction.type)} {source}")]
        raise LoweringError(f"[soft] a simdgroup matrix has two elements per lane: {instruction}.")
    instruction.tokens = _pairs(tokens)
    instruction.type = _pair(instruction.type)
    return [instruction]


def _index(tokens: list[str]) -> int:
    index = [token for token in tokens if token[0] != "!"][-1]
    if not index.isdigit():
        raise LoweringError(f"[soft] a simdgroup matrix is indexed by a variable: {' '.join(tokens)}.")
    return int(index)


def _pair(type_: str) -> str:
    return _WIDE.sub(r"<2 x \1>", type_)


def _pairs(tokens: list[str]) -> list[str]:
    """Tokens with wide types and constants of wide types narrowed."""
    result: list[str] = []
    index = 0
    while index < len(tokens):
        if tokens[index : index + 3] == ["<", "64", "x"] and tokens[index + 3] in ("half", "bfloat", "float"):
            result += ["<", "2", "x", tokens[index + 3], ">"]
            index += 5
        elif tokens[index] == "<" and tokens[index + 1] in ("half", "bfloat", "float"):
            # A constant, wherever it stands: behind its type, an attribute (noundef) or as a second operand.
            end = closing(tokens, index)
            constant = tokens[index : end + 1]
            result += _constant(constant) if constant.count(",") == 63 else constant
            index = end + 1
        else:
            result.append(tokens[index])
            index += 1
    return result


def _constant(value: list[str]) -> list[str]:
    """The first two elements of a constant vector; other values as they are."""
    if value[0] != "<":
        return value
    commas = [i for i, token in enumerate(value) if token == ","]
    return [*value[: commas[1]], ">"]


def _shuffle(instruction: Instruction) -> Instruction:
    """Only the first two lanes of a mask matter, and they may pick first or second elements of either operand."""
    from isometal.soft.ir.lexer import split_commas
    from isometal.soft.ir.model import typed_value
    from isometal.soft.ir.types import vector

    first, second, mask = (typed_value(part) for part in split_commas(instruction.tokens[1:])[:3])
    source = vector(first.type)
    wide_source = source is not None and source[0] == 64
    wide_result = _WIDE.match(instruction.type) is not None
    if not wide_source and not wide_result:
        return instruction
    if source is None:
        raise LoweringError(f"[soft] a shuffle of no vector: {instruction}.")
    count = vector(mask.type)
    kept = 2 if wide_result else (count[0] if count else 0)
    picks = _picks(mask.value, 64)[:kept]
    operands = 2 if wide_source else source[0]
    indices: list[str] = []
    for pick in picks:
        if pick is None:
            indices.append("i32 poison")
            continue
        operand, element = divmod(pick, source[0])
        if element >= operands:
            raise LoweringError(f"[soft] a simdgroup matrix has two elements per lane: {instruction}.")
        indices.append(f"i32 {operand * operands + element}")
    values = ", ".join(
        f"{_pair(o.type)} {' '.join(_constant(o.value) if wide_source else o.value)}" for o in (first, second)
    )
    return parse_instruction(f"{instruction.result} = shufflevector {values}, <{kept} x i32> <{', '.join(indices)}>")


def _picks(mask: list[str], count: int) -> list[int | None]:
    if mask[0] == "zeroinitializer":
        return [0] * count
    if mask[0] in ("poison", "undef"):
        return [None] * count
    if mask[0] == "splat":
        return [int(mask[-2])] * count
    return [
        None if token in ("poison", "undef") else int(token)
        for token in mask
        if token.isdigit() or token in ("poison", "undef")
    ]
