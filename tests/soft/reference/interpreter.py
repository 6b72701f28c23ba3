"""Executes AIR thread by thread: each thread is a generator that stops where it may have to wait for others.

Nothing of the lowering is used but the model of the IR's text. Who waits for whom is in threadgroup.py.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from isometal.soft.ir import Function, Instruction, Module, Phi, parse_module
from isometal.soft.ir.types import layout
from reference.collective import collective
from reference.instructions import Environment, compile_instruction, compile_operand, compile_terminator
from reference.loops import LoopNest
from reference.memory import FLOATS, Memory, Pointer, ReferenceFault, Segment

_ENDLESS = 20_000  # blocks of one thread


@dataclass(eq=False)
class Meeting:
    """What a thread yields at a call that lanes make together. The result is sent in."""

    site: int
    name: str
    arguments: list[Any]
    at: tuple[Place, ...]


@dataclass(frozen=True)
class Branch:
    """What a thread yields before it goes on to another block, if asked to."""

    label: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thread is in one function: block, instruction, and how often it has come round each loop around it."""

    function: str
    label: str
    index: int
    rounds: tuple[int, ...]


Thread = Generator[Meeting | Branch, Any, Any]


@dataclass
class _Step:
    """One instruction of a block: exactly one of `run`, `collective` and `callee` says how."""

    result: str
    run: Callable[[Environment], None] | None = None
    collective: str = ""
    callee: str = ""
    arguments: list[Callable[[Environment], Any]] = field(default_factory=list)
    site: int = 0


@dataclass
class _Block:
    phis: list[tuple[str, dict[str, Callable[[Environment], Any]]]]
    steps: list[_Step]
    terminator: Callable[[Environment], Any]
    returns: bool


class Code:
    """A function ready to run."""

    def __init__(self, program: Program, function: Function) -> None:
        self.name = function.name
        self.parameters = [parameter.name for parameter in function.parameters]
        self.entry = function.blocks[0].label
        self.nest = LoopNest(self.entry, {b.label: b.terminator.labels() for b in function.blocks})
        self.last = function.blocks[-1].label
        self.blocks = {block.label: self._block(program, block.instructions) for block in function.blocks}

    def _block(self, program: Program, instructions: list[Instruction]) -> _Block:
        phis = [
            (i.result, {label: compile_operand(program, i.type, value) for value, label in i.incoming})
            for i in instructions
            if isinstance(i, Phi)
        ]
        steps = [self._step(program, i) for i in instructions[len(phis) : -1]]
        last = instructions[-1]
        return _Block(phis, steps, compile_terminator(program, last), last.opcode == "ret")

    def _step(self, program: Program, instruction: Instruction) -> _Step:
        callee = instruction.callee
        if instruction.opcode == "call" and not callee:
            raise ReferenceFault(f"a call through a pointer: {instruction}")
        if callee.startswith("@air.") and collective(callee[1:]) is not None:
            step = _Step(instruction.result, collective=callee[1:], site=program.next_site())
        elif callee in program.module.functions:
            step = _Step(instruction.result, callee=callee)
        else:
            return _Step(instruction.result, run=compile_instruction(program, instruction))
        step.arguments = [compile_operand(program, a.type, a.value) for a in instruction.call().arguments]
        return step


class Program:
    """A module ready to run, with its function constants."""

    def __init__(self, air: str, constants: dict[int, Any] | None = None) -> None:
        self.module: Module = parse_module(air)
        self.memory = Memory()
        self.constants = constants or {}
        self.globals: dict[str, Pointer] = {}
        self.threadgroup_variables: dict[str, int] = {}
        self._sites = 0
        self._codes: dict[str, Code] = {}
        self._make_globals()
        for name in self.module.functions:
            if "_GLOBAL__sub_I" in name:
                for _ in self.run(name, [], 0, {}):
                    raise ReferenceFault("a constructor that waits")
        self.memory.log.clear()
        for pointer in self.globals.values():
            pointer.segment.writable = False

    @cached_property
    def flushes_denormals(self) -> bool:
        return any("air.compile.denorms_disable" in text for text in self.module.metadata.values())

    def next_site(self) -> int:
        self._sites += 1
        return self._sites

    def code(self, name: str) -> Code:
        if name not in self._codes:
            self._codes[name] = Code(self, self.module.functions[name])
        return self._codes[name]

    def _make_globals(self) -> None:
        for name, variable in self.module.globals.items():
            if name.startswith("@llvm.") or variable.keyword < 0:
                continue
            size = layout(variable.type)[0]
            if variable.address_space == 3:
                self.threadgroup_variables[name] = size
                continue
            segment = Segment(f"@constant {name}", bytearray(size), 2, written=bytearray(size))
            self.globals[name] = Pointer(segment, 0)
            if ".MTL_FC_INIT_" in name:
                index = int(name.split(".MTL_FC_INIT_")[1].split("_")[0])
                value = _constant(variable.type, self.constants.get(index, 0))
            else:
                tokens = variable.tokens[variable.keyword + 1 :]
                value = compile_operand(self, variable.type, _initialiser(tokens))({})
            self.memory.store(variable.type, value, self.globals[name], 0)

    def run(
        self, name: str, arguments: list[Any], thread: int, ambient: Environment, *, stepwise: bool = False
    ) -> Thread:
        """Runs a function as one thread.

        Args:
            name: with its @.
            arguments: by position.
            thread: its index in the threadgroup.
            ambient: the threadgroup's variables by name.
            stepwise: yield at branches, too.
        """
        return self._run(name, arguments, {**ambient, "$thread": thread}, (), stepwise)

    def _run(
        self, name: str, arguments: list[Any], ambient: Environment, outer: tuple[Place, ...], stepwise: bool
    ) -> Thread:
        code = self.code(name)
        env = dict(ambient)
        env.update(zip(code.parameters, arguments, strict=True))
        rounds: dict[str, int] = {}
        label, previous = code.entry, ""
        for _ in range(_ENDLESS):
            block = code.blocks[label]
            code.nest.enter(previous, label, rounds)
            env.update([(result, by_label[previous](env)) for result, by_label in block.phis])
            for index, step in enumerate(block.steps):
                if step.run is not None:
                    step.run(env)
                    continue
                values = [argument(env) for argument in step.arguments]
                here = (*outer, Place(name, label, index, code.nest.vector(label, rounds)))
                if step.collective:
                    env[step.result] = yield Meeting(step.site, step.collective, values, here)
                else:
                    env[step.result] = yield from self._run(step.callee, values, ambient, here, stepwise)
            following = block.terminator(env)
            if block.returns:
                return following
            if following is None:
                raise ReferenceFault(f"a branch on an undefined value at the end of {label} of {name}")
            if stepwise:
                yield Branch(following)
            label, previous = following, label
        raise ReferenceFault(f"{name} does not end")


def _constant(type_: str, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_constant(type_.split(" x ")[1][:-1], item) for item in value)
    if type_.startswith("<"):
        count, element = type_[1:-1].split(" x ")
        return (_constant(element, value),) * int(count)
    return FLOATS[type_](value) if type_ in FLOATS else int(value) & ((1 << int(type_[1:])) - 1)


def _initialiser(tokens: list[str]) -> list[str]:
    from isometal.soft.ir.lexer import split_commas
    from isometal.soft.ir.types import read_type

    _, index = read_type(tokens, 0)
    return split_commas(tokens[index:])[0]
