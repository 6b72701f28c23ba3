"""Reads LLVM's textual IR, as LLVM 22 prints it, into the model."""

from __future__ import annotations

import re

from isometal.soft.ir.lexer import closing, local, split_commas, tokenize, words
from isometal.soft.ir.model import (
    Block,
    Function,
    Global,
    Instruction,
    IrError,
    Module,
    Parameter,
    Phi,
    element_type,
    typed_value,
)
from isometal.soft.ir.types import fields, is_type_start, read_type, vector

_LABEL = re.compile(r'([-a-zA-Z$._0-9]+|"(?:[^"\\]|\\.)*"):')
_CASTS = words("trunc zext sext fptrunc fpext fptoui fptosi uitofp sitofp ptrtoint inttoptr bitcast addrspacecast")
_BINARY = words("add sub mul udiv sdiv urem srem shl lshr ashr and or xor fadd fsub fmul fdiv frem fneg freeze")
_NO_RESULT = frozenset(["store", "br", "ret", "switch", "unreachable", "fence"])

# Types may hold types that hold types: what a few lines can say fits no memory.
_LONGEST_TYPE = 1 << 16


def parse_module(text: str, prefix: str = "v") -> Module:
    """The module that `text` describes. Raises IrError, with the line, for what the model does not know.

    `prefix` begins the names of unnamed values. Text that went through the model before needs another one.
    """
    return _Reader(text, prefix).read()


def parse_instruction(line: str) -> Instruction:
    """One instruction from its text, without debug records or named types."""
    return _instruction([local(t) if t[0] == "%" else t for t in tokenize(line)])


class _Reader:
    def __init__(self, text: str, prefix: str) -> None:
        self.prefix = prefix
        self.lines = text.split("\n")
        self.module = Module([], {}, {}, {}, {}, {})
        self.named_types: dict[str, list[str]] = {}

    def read(self) -> Module:
        index = 0
        while index < len(self.lines):
            line = self.lines[index]
            try:
                index = self._top_level(line, index)
            except (ValueError, IndexError, StopIteration, RecursionError) as error:
                reason = str(error) or "it ends too early"
                raise IrError(f"[soft] IR that cannot be read, line {index + 1}: {line[:200]!r} ({reason}).") from error
        return self.module

    def _top_level(self, line: str, index: int) -> int:
        module = self.module
        if not line or line[0] == ";":
            return index + 1
        if line.startswith("define "):
            end = index + 1
            while self.lines[end] != "}":
                end += 1
            self._function(self.lines[index:end])
            return end + 1
        if line[0] == "@":
            tokens = self._tokens(line)
            if len(tokens) < 3 or tokens[1] != "=":
                raise ValueError("no definition")
            module.globals[tokens[0]] = Global(tokens[0], tokens[2:])
        elif line.startswith("declare "):
            tokens = self._tokens(line)
            name = next(t for i, t in enumerate(tokens) if t[0] == "@" and tokens[i + 1] == "(")
            module.declarations[name] = " ".join(tokens)
        elif line.startswith("attributes "):
            name, _, body = line[len("attributes ") :].partition(" = ")
            module.attributes[name] = body
        elif line[0] == "!":
            name, _, body = line.partition(" = ")
            module.metadata[name] = body
        elif line[0] == "%":
            name, _, body = line.partition(" = type ")
            self.named_types[name] = tokenize(body)
        elif line.startswith(("source_filename", "target ")):
            module.header.append(line)
        elif line.startswith("module asm"):
            raise ValueError("inline assembly")
        else:
            raise ValueError("unknown entity")
        return index + 1

    def _tokens(self, line: str) -> list[str]:
        """Tokens with named types replaced by what they name: pointers are opaque, so no type contains itself."""
        tokens = tokenize(line)
        if not self.named_types:
            return tokens
        expanded: list[str] = []
        for token in tokens:
            expanded.extend(self._named_type(token)) if token in self.named_types else expanded.append(token)
        return expanded

    def _named_type(self, name: str) -> list[str]:
        body = self.named_types[name]
        if any(token in self.named_types for token in body):
            body = [part for t in body for part in (self._named_type(t) if t in self.named_types else (t,))]
            if len(body) > _LONGEST_TYPE:
                raise ValueError(f"the type {name} has more than {_LONGEST_TYPE} parts")
            self.named_types[name] = body
        return body

    def _function(self, lines: list[str]) -> None:
        tokens = self._tokens(lines[0])
        at = next(i for i, t in enumerate(tokens) if t[0] == "@" and tokens[i + 1] == "(")
        end = closing(tokens, at + 1)
        start = 1
        while not is_type_start(tokens[start]):
            start = closing(tokens, start + 1) + 1 if tokens[start + 1] == "(" else start + 1
            if tokens[start - 1] == "align":
                start += 1
        returns, after = read_type(tokens, start)
        parameters = [_parameter(part) for part in split_commas(tokens[at + 2 : end])]
        suffix = tokens[end + 1 : -1]
        function = Function(tokens[at], tokens[1:start] + tokens[after:at], returns, parameters, suffix, [])
        # The entry block's number follows those of the unnamed parameters.
        unnamed = sum(parameter.name[1:].isdigit() for parameter in parameters)
        for parameter in parameters:
            parameter.name = local(parameter.name, self.prefix)
        self._body(function, lines[1:], f"%{unnamed}")
        self.module.functions[function.name] = function

    def _body(self, function: Function, lines: list[str], entry: str) -> None:
        block: Block | None = None
        pending = ""
        for line in lines:
            if not line or line.lstrip()[:1] == ";":
                continue
            if line[0] != " " and line[0] != "\t":
                match = _LABEL.match(line)
                if match:
                    block = Block(local(f"%{match[1]}", self.prefix))
                    function.blocks.append(block)
                    continue
            stripped = line.strip()
            if stripped[0] == "#":  # a debug record
                continue
            if pending or (stripped.startswith("switch ") and stripped.endswith("[")):
                pending += " " + stripped
                if stripped != "]":
                    continue
            text, pending = pending or line, ""
            if block is None:
                block = Block(local(entry, self.prefix))
                function.blocks.append(block)
            tokens = [local(t, self.prefix) if t[0] == "%" else t for t in self._tokens(text)]
            block.instructions.append(_instruction(tokens))
        if pending:
            raise ValueError("a switch without an end")
        for block in function.blocks:
            if not block.instructions or not block.terminator.is_terminator:
                raise ValueError(f"block {block.label} of {function.name} does not end in a terminator")
        if not function.blocks:
            raise ValueError(f"{function.name} has no blocks")


def _parameter(tokens: list[str]) -> Parameter:
    if tokens == ["..."]:
        raise ValueError("a variadic function")
    type_, index = read_type(tokens, 0)
    return Parameter(type_, tokens[index:-1], tokens[-1])


def _instruction(tokens: list[str]) -> Instruction:
    result = ""
    if len(tokens) > 1 and tokens[1] == "=":
        result = tokens[0]
        tokens = tokens[2:]
    opcode = tokens[0]
    if opcode in ("tail", "musttail", "notail"):
        opcode = "call"
    if opcode == "phi":
        return _phi(result, tokens)
    if opcode in _NO_RESULT:
        return Instruction("", opcode, tokens, "")
    type_ = _result_type(opcode, tokens)
    return Instruction(result, opcode, tokens, "" if type_ == "void" else type_)


def _phi(result: str, tokens: list[str]) -> Phi:
    start = 1
    while not is_type_start(tokens[start]):
        start += 1
    type_, index = read_type(tokens, start)
    incoming: list[tuple[list[str], str]] = []
    while index < len(tokens) and tokens[index] == "[":
        end = closing(tokens, index)
        value, label = split_commas(tokens[index + 1 : end])
        incoming.append((value, label[0]))
        index = end + 1
        if index < len(tokens) and tokens[index] == ",":
            if tokens[index + 1][0] == "!":
                break
            index += 1
    return Phi(result, type_, incoming, tokens[:start])


def _result_type(opcode: str, tokens: list[str]) -> str:
    start = 1
    while not is_type_start(tokens[start]):
        if start + 1 < len(tokens) and tokens[start + 1] == "(":
            start = closing(tokens, start + 1) + 1
        elif tokens[start] == "align":
            start += 2
        else:
            start += 1
    type_, index = read_type(tokens, start)
    if opcode in _BINARY or opcode in ("load", "call"):
        return type_
    if opcode in ("icmp", "fcmp"):
        elements = vector(type_)
        return f"<{elements[0]} x i1>" if elements else "i1"
    if opcode in _CASTS:
        to = max(i for i, token in enumerate(tokens) if token == "to")
        return read_type(tokens, to + 1)[0]
    if opcode == "getelementptr":
        operands = [read_type(part, 0)[0] for part in split_commas(tokens[index + 1 :]) if part[0][0] != "!"]
        wide = next((vector(operand) for operand in operands if vector(operand)), None)
        return f"<{wide[0]} x {element_type(operands[0])}>" if wide else operands[0]
    if opcode == "select":
        return typed_value(split_commas(tokens[start:])[1]).type
    if opcode == "extractelement":
        return element_type(type_)
    if opcode == "insertelement":
        return type_
    if opcode == "shufflevector":
        mask = vector(typed_value(split_commas(tokens[start:])[2]).type)
        if mask is None:
            raise ValueError("a shuffle without a mask")
        return f"<{mask[0]} x {element_type(type_)}>"
    if opcode == "extractvalue":
        for part in split_commas(tokens[start:])[1:]:
            members = fields(type_)
            if members is None or not part[0].isdigit():
                break
            type_ = members[int(part[0])]
        return type_
    if opcode == "insertvalue":
        return type_
    if opcode == "alloca":
        return "ptr"
    if opcode == "atomicrmw":
        return typed_value(split_commas(tokens[start:])[1]).type
    if opcode == "cmpxchg":
        return f"{{ {typed_value(split_commas(tokens[start:])[1]).type}, i1 }}"
    raise ValueError(f"unknown instruction {opcode!r}")
