"""Instructions of one thread as closures over its environment, a dictionary from names to values."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from isometal.soft.ir import Instruction
from isometal.soft.ir.lexer import closing, split_commas, words
from isometal.soft.ir.model import typed_value
from isometal.soft.ir.types import fields, layout, read_type, vector
from reference import arithmetic
from reference.memory import FLOATS, Pointer, ReferenceFault, Segment, field_offsets
from reference.pure import pure

if TYPE_CHECKING:
    from reference.interpreter import Program

Environment = dict[str, Any]
Getter = Callable[[Environment], Any]


# Operands.


def compile_operand(program: Program, type_: str, value: list[str]) -> Getter:
    """A getter of an operand's value."""
    token = value[0]
    if token[0] == "%" and len(value) == 1:
        return lambda env: env[token]
    if token[0] == "@" and len(value) == 1:
        if token in program.globals:
            known = program.globals[token]
            return lambda env: known
        return lambda env: env[token]
    if token in ("getelementptr", "addrspacecast", "bitcast"):
        inner = value[value.index("(") + 1 : closing(value, value.index("("))]
        if token == "getelementptr":
            return _getelementptr(program, inner)
        at = len(inner) - 1 - inner[::-1].index("to")
        operand = typed_value(inner[:at])
        return compile_operand(program, operand.type, operand.value)
    constant = _constant(type_, value)
    return lambda env: constant


def _constant(type_: str, value: list[str]) -> Any:
    token = value[0]
    elements = vector(type_)
    members = fields(type_)
    if token in ("undef", "poison"):
        kinds = [elements[1]] * elements[0] if elements else members
        return None if kinds is None else tuple(_constant(kind, value) for kind in kinds)
    if elements or members is not None:
        kinds = [elements[1]] * elements[0] if elements else list(members or ())
        if token == "zeroinitializer":
            return tuple(_constant(kind, value) for kind in kinds)
        if token == "splat":
            part = typed_value(value[2:-1])
            return (_constant(part.type, part.value),) * len(kinds)
        parts = [typed_value(part) for part in split_commas(value[1:-1])]
        return tuple(_constant(part.type, part.value) for part in parts)
    if type_ in FLOATS:
        return _float(type_, token)
    if token in ("true", "false"):
        return int(token == "true")
    if token in ("zeroinitializer", "null"):
        return 0
    return int(token) & ((1 << int(type_[1:])) - 1)


def _float(type_: str, token: str) -> Any:
    kind = FLOATS[type_]
    if token == "zeroinitializer":
        return kind(0)
    if token.startswith(("0xH", "0xR")):
        return np.uint16(int(token[3:], 16)).view(kind)
    if token.startswith("0x"):
        return kind(struct.unpack("<d", struct.pack("<Q", int(token, 16)))[0])
    return kind(float(token))


def _operands(program: Program, tokens: list[str]) -> list[tuple[str, Getter]]:
    """Types and getters of comma-separated typed operands; metadata and alignments are left out."""
    found: list[tuple[str, Getter]] = []
    for part in split_commas(tokens):
        if part[0][0] == "!" or part[0] == "align":
            continue
        operand = typed_value(part)
        found.append((operand.type, compile_operand(program, operand.type, operand.value)))
    return found


def _untyped(program: Program, type_: str, tokens: list[str]) -> list[Getter]:
    """Getters of comma-separated operands which share a type that stands in front of the first."""
    return [compile_operand(program, type_, part) for part in split_commas(tokens) if part[0][0] != "!"]


# Instructions.


def compile_instruction(program: Program, instruction: Instruction) -> Callable[[Environment], None]:
    """An instruction that needs no other thread."""
    tokens, opcode, result = instruction.tokens, instruction.opcode, instruction.result
    if opcode == "store":
        return _store(program, tokens)
    evaluate = _MAKERS[opcode](program, tokens, instruction) if opcode in _MAKERS else _scalar(program, instruction)
    if not result:
        return lambda env: evaluate(env) and None

    def run(env: Environment) -> None:
        env[result] = evaluate(env)

    return run


def _scalar(program: Program, instruction: Instruction) -> Getter:
    """Operations that work on each element by itself."""
    opcode, tokens = instruction.opcode, instruction.tokens
    start = 1
    flush = program.flushes_denormals
    while tokens[start] in _FLAGS or tokens[start] in _PREDICATES:
        start += 1
    type_, index = read_type(tokens, start)
    element = (vector(type_) or (0, type_))[1]
    if opcode in _CASTS:
        at = len(tokens) - 1 - tokens[::-1].index("to")
        getter = compile_operand(program, type_, tokens[index:at])
        target = (vector(instruction.type) or (0, instruction.type))[1]
        if opcode == "bitcast":
            return _bitcast(getter, type_, instruction.type)
        return _lift1(arithmetic.cast(opcode, element, target), getter, vector(type_) is not None)
    getters = _untyped(program, type_, tokens[index:])
    wide = vector(type_) is not None
    if opcode == "fneg":
        return _lift1(lambda a: None if a is None else -a, getters[0], wide)
    if opcode == "freeze":
        return _freeze(getters[0])
    if opcode in ("icmp", "fcmp"):
        predicate = next(t for t in tokens[1:] if t in _PREDICATES)
        if opcode == "icmp":
            operation = arithmetic.integer_compare(predicate, int(element[1:]))
        else:
            operation = arithmetic.float_compare(predicate, flush)
    elif opcode[0] == "f":
        operation = arithmetic.float_binary(opcode, flush)
    else:
        operation = arithmetic.integer_binary(opcode, int(element[1:]))
    return _lift2(operation, getters[0], getters[1], wide)


_CASTS = words("trunc zext sext fptrunc fpext fptoui fptosi uitofp sitofp bitcast")
_PREDICATES = words("eq ne ugt uge ult ule sgt sge slt sle oeq ogt oge olt ole one ord ueq une uno true false")
_FLAGS = words("nuw nsw exact disjoint nneg samesign")


def _lift1(operation: Callable[[Any], Any], a: Getter, wide: bool) -> Getter:
    return (lambda env: tuple(map(operation, a(env)))) if wide else (lambda env: operation(a(env)))


def _lift2(operation: Callable[[Any, Any], Any], a: Getter, b: Getter, wide: bool) -> Getter:
    if wide:
        return lambda env: tuple(map(operation, a(env), b(env)))
    return lambda env: operation(a(env), b(env))


def _freeze(getter: Getter) -> Getter:
    def evaluate(env: Environment) -> Any:
        value = getter(env)
        if value is None or (isinstance(value, tuple) and None in value):
            raise ReferenceFault("freeze of an undefined value, which may give anything")
        return value

    return evaluate


def _bitcast(getter: Getter, source: str, target: str) -> Getter:
    from reference.memory import codec

    if source.startswith("ptr"):
        return getter
    write, read = codec(source).write, codec(target).read
    return lambda env: read(write(getter(env)))


def _getelementptr(program: Program, tokens: list[str]) -> Getter:
    """The address that a getelementptr gives, from its tokens behind the flags."""
    type_, index = read_type(tokens, 0)
    (_, base), *indices = _operands(program, tokens[index + 1 :])
    steps: list[tuple[Getter, int, int]] = []  # index, its width, bytes per unit
    constant: list[tuple[Getter, list[int]]] = []
    current = type_
    for number, (kind, getter) in enumerate(indices):
        if number == 0:
            steps.append((getter, int(kind[1:]), layout(current)[0]))
            continue
        elements = vector(current)
        members = fields(current)
        if current.startswith(("[", "<")) and not current.startswith("<{"):
            current = elements[1] if elements else (members or ("",))[0] or current.partition(" x ")[2][:-1]
            steps.append((getter, int(kind[1:]), layout(current)[0]))
        else:
            assert members is not None
            offsets = field_offsets(current)
            constant.append((getter, offsets))
            current = members[getter({})]

    def evaluate(env: Environment) -> Pointer:
        pointer = base(env)
        offset = pointer.offset
        for getter, bits, unit in steps:
            value = getter(env)
            if value is None:
                raise ReferenceFault("an address from an undefined index")
            offset += arithmetic.signed(value, bits) * unit
        for getter, offsets in constant:
            offset += offsets[getter(env)]
        return Pointer(pointer.segment, offset)

    return evaluate


def _make_getelementptr(program: Program, tokens: list[str], instruction: Instruction) -> Getter:
    start = 1
    while tokens[start] in ("inbounds", "nuw", "nusw"):
        start += 1
    return _getelementptr(program, tokens[start:])


def _make_load(program: Program, tokens: list[str], instruction: Instruction) -> Getter:
    start = 2 if tokens[1] in ("volatile", "atomic") else 1
    (type_, _), pointer = read_type(tokens, start), _operands(program, split_tail(tokens[start:]))[0][1]
    memory = program.memory
    return lambda env: memory.load(type_, pointer(env), env["$thread"])


def split_tail(tokens: list[str]) -> list[str]:
    """Tokens behind the first comma of a list."""
    parts = split_commas(tokens)
    return [token for part in parts[1:2] for token in part]


def _store(program: Program, tokens: list[str]) -> Callable[[Environment], None]:
    start = 2 if tokens[1] in ("volatile", "atomic") else 1
    (type_, value), (_, pointer) = _operands(program, tokens[start:])[:2]
    memory = program.memory

    def run(env: Environment) -> None:
        memory.store(type_, value(env), pointer(env), env["$thread"])

    return run


def _make_alloca(program: Program, tokens: list[str], instruction: Instruction) -> Getter:
    type_, _ = read_type(tokens, 1)
    size = layout(type_)[0]
    name = instruction.result
    return lambda env: Pointer(Segment(name, bytearray(size), 0, written=bytearray(size)), 0)


def _make_select(program: Program, tokens: list[str], instruction: Instruction) -> Getter:
    (kind, condition), (_, yes), (_, no) = _operands(program, tokens[1:])
    if vector(kind):
        return lambda env: tuple(a if c else b for c, a, b in zip(condition(env), yes(env), no(env), strict=True))

    def evaluate(env: Environment) -> Any:
        chosen = condition(env)
        if chosen is None:
            raise ReferenceFault(f"a choice by an undefined value: {instruction}")
        return yes(env) if chosen else no(env)

    return evaluate


def _make_extractelement(program: Program, tokens: list[str], instruction: Instruction) -> Getter:
    (_, value), (_, index) = _operands(program, tokens[1:])
    return lambda env: value(env)[index(env)]


def _make_insertelement(program: Program, tokens: list[str], instruction: Instruction) -> Getter:
    (kind, value), (_, element), (_, index) = _operands(program, tokens[1:])
    count = (vector(kind) or (0, ""))[0]

    def evaluate(env: Environment) -> Any:
        before, at = value(env) or (None,) * count, index(env)
        return (*before[:at], element(env), *before[at + 1 :])

    return evaluate


def _make_shufflevector(program: Program, tokens: list[str], instruction: Instruction) -> Getter:
    (kind, first), (_, second), (_, mask) = _operands(program, tokens[1:])
    count = (vector(kind) or (0, ""))[0]

    def evaluate(env: Environment) -> Any:
        both = (first(env) or (None,) * count) + (second(env) or (None,) * count)
        return tuple(None if pick is None else both[pick] for pick in mask(env))

    return evaluate


def _make_extractvalue(program: Program, tokens: list[str], instruction: Instruction) -> Getter:
    parts = split_commas(tokens[1:])
    operand = typed_value(parts[0])
    getter = compile_operand(program, operand.type, operand.value)
    path = [int(part[0]) for part in parts[1:] if part[0].isdigit()]

    def evaluate(env: Environment) -> Any:
        value = getter(env)
        for step in path:
            value = value[step]
        return value

    return evaluate


def _make_call(program: Program, tokens: list[str], instruction: Instruction) -> Getter:
    call = instruction.call()
    arguments = [compile_operand(program, a.type, a.value) for a in call.arguments if a.type != "metadata"]
    operation = pure(program, call.callee[1:], call.returns, [a.type for a in call.arguments])
    return lambda env: operation(env["$thread"], *[argument(env) for argument in arguments])


_MAKERS: dict[str, Callable[[Program, list[str], Instruction], Getter]] = {
    "getelementptr": _make_getelementptr,
    "load": _make_load,
    "alloca": _make_alloca,
    "select": _make_select,
    "extractelement": _make_extractelement,
    "insertelement": _make_insertelement,
    "shufflevector": _make_shufflevector,
    "extractvalue": _make_extractvalue,
    "call": _make_call,
}


def compile_terminator(program: Program, instruction: Instruction) -> Getter:
    """A getter of the next block's label, or of the value that the function returns."""
    tokens, labels = instruction.tokens, instruction.labels()
    if instruction.opcode == "ret":
        if tokens[1] == "void":
            return lambda env: None
        operand = typed_value(tokens[1:])
        return compile_operand(program, operand.type, operand.value)
    if instruction.opcode == "br" and tokens[1] == "label":
        return lambda env: labels[0]
    if instruction.opcode == "br":
        operand = typed_value(split_commas(tokens[1:])[0])
        condition = compile_operand(program, operand.type, operand.value)
        places = [tokens[at + 1] for at, token in enumerate(tokens) if token == "label"]
        return lambda env: None if condition(env) is None else places[0 if condition(env) else 1]
    if instruction.opcode == "switch":
        return _switch(program, tokens)
    raise ReferenceFault(f"the end of a block that must not be reached: {instruction}")


def _switch(program: Program, tokens: list[str]) -> Getter:
    opening = tokens.index("[")
    head = split_commas(tokens[1:opening])
    operand = typed_value(head[0])
    value = compile_operand(program, operand.type, operand.value)
    bits = int(operand.type[1:])
    default = head[1][1]
    body = tokens[opening + 1 : -1]
    cases = {int(body[at + 1]) & ((1 << bits) - 1): body[at + 4] for at in range(0, len(body), 5)}
    return lambda env: None if value(env) is None else cases.get(value(env), default)
