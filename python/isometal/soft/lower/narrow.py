"""simdgroup matrices: AIR gives each lane 64 elements, of which two exist. The values become pairs.

Only values change; memory that holds a matrix keeps AIR's layout, whose first two elements are the pair. Where LLVM
moves elements of a smaller vector by way of ones that no lane has, they are taken from that vector.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from isometal.soft.errors import LoweringError
from isometal.soft.ir import Function, Instruction, Phi, parse_instruction
from isometal.soft.ir.lexer import closing, split_commas, words
from isometal.soft.ir.model import Argument, typed_value
from isometal.soft.ir.types import read_type, vector

# Integers are the bits of a matrix, where LLVM moves a cast of an element to the whole.
_ELEMENTS = words("half bfloat float i16 i32")
_WIDE = re.compile(rf"<64 x ({'|'.join(sorted(_ELEMENTS))})>")


def narrow_matrices(function: Function) -> None:
    """Replace each value of type <64 x T> by one of <2 x T>, in place.

    Raises:
        LoweringError: an instruction that reads elements which no lane has.
    """
    shuffles = {
        instruction.result: instruction.copy()
        for block in function.blocks
        for instruction in block.instructions
        if instruction.opcode == "shufflevector" and _WIDE.match(instruction.type)
    }
    for block in function.blocks:
        block.instructions = [
            narrow for instruction in block.instructions for narrow in _narrow_all(instruction, shuffles)
        ]


def _narrow_all(instruction: Instruction, shuffles: Mapping[str, Instruction]) -> list[Instruction]:
    if "64" in instruction.tokens and instruction.opcode == "shufflevector":
        return _shuffle(instruction, shuffles)
    return [_narrow(instruction)]


def _narrow(instruction: Instruction) -> Instruction:
    if isinstance(instruction, Phi):
        if _WIDE.match(instruction.type):
            instruction.incoming = [(_constant(value), label) for value, label in instruction.incoming]
            instruction.type = _pair(instruction.type)
        return instruction
    tokens = instruction.tokens
    if "64" not in tokens or instruction.opcode in ("alloca", "getelementptr"):
        return instruction
    if instruction.opcode in ("extractelement", "insertelement"):
        if not _WIDE.match(read_type(tokens, 1)[0]):
            return instruction  # the 64 is a number
        if _index(instruction) > 1:
            return _beyond(instruction)
    instruction.tokens = _pairs(tokens)
    instruction.type = _pair(instruction.type)
    return instruction


def _beyond(instruction: Instruction) -> Instruction:
    """What an instruction that concerns an element which no lane has comes to: the vector without it."""
    if instruction.opcode == "extractelement":
        raise LoweringError(f"[soft] a simdgroup matrix has two elements per lane: {instruction}.")
    matrix = " ".join(_pairs(split_commas(instruction.tokens[1:])[0]))
    return parse_instruction(f"{instruction.result} = freeze {matrix}")


def _index(instruction: Instruction) -> int:
    operands = split_commas(instruction.tokens[1:])
    index = operands[1 if instruction.opcode == "extractelement" else 2][-1]
    if not index.isdigit():
        raise LoweringError(f"[soft] a simdgroup matrix is indexed by a variable: {instruction}.")
    return int(index)


def _pair(type_: str) -> str:
    return _WIDE.sub(r"<2 x \1>", type_)


def _pairs(tokens: list[str]) -> list[str]:
    """Tokens with wide types and constants of wide types narrowed."""
    result: list[str] = []
    index = 0
    while index < len(tokens):
        if tokens[index : index + 3] == ["<", "64", "x"] and tokens[index + 3] in _ELEMENTS:
            result += ["<", "2", "x", tokens[index + 3], ">"]
            index += 5
        elif tokens[index] == "<" and tokens[index + 1] in _ELEMENTS:
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


def _shuffle(instruction: Instruction, shuffles: Mapping[str, Instruction]) -> list[Instruction]:
    """Only the first two lanes of a mask matter."""
    first, second, mask = (typed_value(part) for part in split_commas(instruction.tokens[1:])[:3])
    source = vector(first.type)
    wide_source = source is not None and source[0] == 64
    wide_result = _WIDE.match(instruction.type) is not None
    if not wide_source and not wide_result:
        return [instruction]
    if source is None:
        raise LoweringError(f"[soft] a shuffle of no vector: {instruction}.")
    count = vector(mask.type)
    kept = 2 if wide_result else (count[0] if count else 0)
    picks = _picks(mask.value, 64)[:kept]
    if wide_source and any(pick is not None and pick % 64 > 1 for pick in picks):
        return _gather(instruction, picks, shuffles)
    operands = 2 if wide_source else source[0]
    indices: list[str] = []
    for pick in picks:
        if pick is None:
            indices.append("i32 poison")
            continue
        operand, element = divmod(pick, source[0])
        indices.append(f"i32 {operand * operands + element}")
    values = ", ".join(
        f"{_pair(o.type)} {' '.join(_constant(o.value) if wide_source else o.value)}" for o in (first, second)
    )
    return [parse_instruction(f"{instruction.result} = shufflevector {values}, <{kept} x i32> <{', '.join(indices)}>")]


def _gather(
    instruction: Instruction, picks: Sequence[int | None], shuffles: Mapping[str, Instruction]
) -> list[Instruction]:
    """A shuffle, element by element from the vectors that they come from."""
    operands = [typed_value(part) for part in split_commas(instruction.tokens[1:])[:2]]
    source = vector(operands[0].type)
    assert source is not None
    element = source[1]
    lines: list[str] = []
    whole = "poison"
    for place, pick in enumerate(picks):
        if pick is None:
            continue
        found = _origin(operands[pick // 64], pick % 64, shuffles)
        if found is None:
            raise LoweringError(f"[soft] a simdgroup matrix has two elements per lane: {instruction}.")
        origin, index = found
        name = f"{instruction.result}$element{place}"
        lines.append(f"{name} = extractelement {origin.type} {' '.join(origin.value)}, i32 {index}")
        step = f"{instruction.result}$with{place}"
        lines.append(f"{step} = insertelement <{len(picks)} x {element}> {whole}, {element} {name}, i32 {place}")
        whole = step
    lines.append(f"{instruction.result} = freeze <{len(picks)} x {element}> {whole}")
    return [parse_instruction(line) for line in lines]


def _origin(operand: Argument, index: int, shuffles: Mapping[str, Instruction]) -> tuple[Argument, int] | None:
    """The narrow vector that an element of a wide one comes from, and its place there; None where no lane has it."""
    while _WIDE.match(operand.type):
        if index < 2:
            return Argument(_pair(operand.type), _constant(operand.value)), index
        shuffle = shuffles.get(operand.value[0])
        if shuffle is None:
            return None
        *sources, mask = (typed_value(part) for part in split_commas(shuffle.tokens[1:])[:3])
        pick = _picks(mask.value, 64)[index]
        size = vector(sources[0].type)
        if pick is None or size is None:
            return None
        operand, index = sources[pick // size[0]], pick % size[0]
    return operand, index


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
