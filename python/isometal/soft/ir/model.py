"""Modules, functions, blocks and instructions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from isometal.soft.errors import LoweringError
from isometal.soft.ir.lexer import closing, split_commas, words
from isometal.soft.ir.types import is_type_start, read_type, vector

__all__ = [
    "Argument",
    "Block",
    "CallSite",
    "Function",
    "Global",
    "Instruction",
    "IrError",
    "Module",
    "Parameter",
    "Phi",
]


class IrError(LoweringError):
    """IR text that this model cannot read."""


@dataclass(slots=True)
class Argument:
    """A typed value in an argument list."""

    type: str
    value: list[str]


@dataclass(slots=True)
class CallSite:
    """What a call instruction calls, and with what. `callee` is a name with its @, or a local value."""

    callee: str
    returns: str
    arguments: list[Argument]


class Instruction:
    """One instruction: the opcode, its tokens (opcode included), the name and the type of its result ("" for none)."""

    __slots__ = ("opcode", "result", "tokens", "type")

    def __init__(self, result: str, opcode: str, tokens: list[str], type_: str) -> None:
        self.result = result
        self.opcode = opcode
        self.tokens = tokens
        self.type = type_

    def __str__(self) -> str:
        text = " ".join(self.tokens)
        return f"{self.result} = {text}" if self.result else text

    def uses(self) -> Iterator[str]:
        """Local values that it reads; labels are not values."""
        previous = ""
        for token in self.tokens:
            if token[0] == "%" and previous != "label":
                yield token
            previous = token

    def symbols(self) -> Iterator[str]:
        """Functions and globals that it refers to, with their @."""
        return (token for token in self.tokens if token[0] == "@")

    def labels(self) -> list[str]:
        """Labels that it may go to, with their %, in order, repeated ones once."""
        found = [token for before, token in zip(self.tokens, self.tokens[1:], strict=False) if before == "label"]
        return list(dict.fromkeys(found))

    def rename(self, change: Callable[[str], str]) -> None:
        """Replace each local value that it reads."""
        previous = ""
        for index, token in enumerate(self.tokens):
            if token[0] == "%" and previous != "label":
                self.tokens[index] = change(token)
            previous = token

    def relabel(self, change: Callable[[str], str]) -> None:
        """Replace each label that it may go to."""
        for index, token in enumerate(self.tokens):
            if index and self.tokens[index - 1] == "label":
                self.tokens[index] = change(token)

    def copy(self) -> Instruction:
        return Instruction(self.result, self.opcode, list(self.tokens), self.type)

    @property
    def is_terminator(self) -> bool:
        return self.opcode in ("br", "ret", "switch", "unreachable")

    def call(self) -> CallSite:
        """The parts of a call instruction. Raises IrError for a form that AIR does not have."""
        try:
            return self._call()
        except (ValueError, IndexError, RecursionError) as error:
            raise IrError(f"[soft] a call that cannot be read: {str(self)[:200]!r} ({error}).") from error

    def _call(self) -> CallSite:
        tokens = self.tokens
        start = tokens.index("call") + 1
        while not is_type_start(tokens[start]):
            start = closing(tokens, start + 1) + 1 if tokens[start + 1] == "(" else start + 1
        returns, index = read_type(tokens, start)
        if tokens[index] == "(":  # a function type, for variadic callees
            index = closing(tokens, index) + 1
        callee = tokens[index]
        if callee[0] not in "@%":
            raise ValueError(f"the callee is {callee!r}")
        inner = tokens[index + 2 : closing(tokens, index + 1)]
        return CallSite(callee, returns, [typed_value(part) for part in split_commas(inner)])

    @property
    def callee(self) -> str:
        """Name that a call calls, with its @; "" for other instructions and for calls through a value."""
        if self.opcode != "call":
            return ""
        start = self.tokens.index("call") + 1
        for index in range(start, len(self.tokens) - 1):
            if self.tokens[index][0] == "@" and self.tokens[index + 1] == "(":
                return self.tokens[index]
        return ""


class Phi(Instruction):
    """A phi: `incoming` holds the tokens of each value and the label that it comes from."""

    __slots__ = ("incoming", "prefix")

    def __init__(self, result: str, type_: str, incoming: list[tuple[list[str], str]], prefix: list[str]) -> None:
        super().__init__(result, "phi", [], type_)
        self.incoming = incoming
        self.prefix = prefix

    def __str__(self) -> str:
        pairs = ", ".join(f"[ {' '.join(value)}, {label} ]" for value, label in self.incoming)
        return f"{self.result} = {' '.join(self.prefix)} {self.type} {pairs}"

    def uses(self) -> Iterator[str]:
        for value, _ in self.incoming:
            yield from (token for token in value if token[0] == "%")

    def symbols(self) -> Iterator[str]:
        return (token for value, _ in self.incoming for token in value if token[0] == "@")

    def labels(self) -> list[str]:
        return []

    def rename(self, change: Callable[[str], str]) -> None:
        self.incoming = [
            ([change(token) if token[0] == "%" else token for token in value], label) for value, label in self.incoming
        ]

    def copy(self) -> Phi:
        return Phi(self.result, self.type, [(list(value), label) for value, label in self.incoming], list(self.prefix))


def typed_value(tokens: list[str]) -> Argument:
    """Type and value of one operand, attributes between them dropped."""
    type_, index = read_type(tokens, 0)
    while index < len(tokens) - 1 and _is_attribute(tokens[index]):
        index = closing(tokens, index + 1) + 1 if tokens[index + 1] == "(" else index + 1
        if tokens[index - 1] == "align":
            index += 1
    return Argument(type_, tokens[index:])


_CONSTANT_WORDS = words(
    "true false null none undef poison zeroinitializer splat getelementptr bitcast addrspacecast ptrtoint "
    "inttoptr trunc add sub xor asm blockaddress c"
)


def _is_attribute(token: str) -> bool:
    return token[0] == '"' or (token[0].isalpha() and token not in _CONSTANT_WORDS)


@dataclass(slots=True)
class Block:
    """A basic block. `label` has its %, as in operands."""

    label: str
    instructions: list[Instruction] = field(default_factory=list)

    @property
    def terminator(self) -> Instruction:
        return self.instructions[-1]

    def phis(self) -> list[Phi]:
        return [instruction for instruction in self.instructions if isinstance(instruction, Phi)]

    def __str__(self) -> str:
        lines = [f"{self.label[1:]}:"]
        lines += [f"  {instruction}" for instruction in self.instructions]
        return "\n".join(lines)


@dataclass(slots=True)
class Parameter:
    """A function's parameter: type, attributes and name."""

    type: str
    attributes: list[str]
    name: str

    def __str__(self) -> str:
        return " ".join((self.type, *self.attributes, self.name))


@dataclass(slots=True)
class Function:
    """A defined function. `prefix` is what stands before its name, `suffix` what stands behind the parameters."""

    name: str
    prefix: list[str]
    returns: str
    parameters: list[Parameter]
    suffix: list[str]
    blocks: list[Block]

    def instructions(self) -> Iterator[Instruction]:
        for block in self.blocks:
            yield from block.instructions

    def __str__(self) -> str:
        head = " ".join(self.prefix)
        parameters = ", ".join(map(str, self.parameters))
        lines = [f"define {head} {self.returns} {self.name}({parameters}) {' '.join(self.suffix)} {{"]
        lines += map(str, self.blocks)
        lines.append("}")
        return "\n".join(lines)


@dataclass(slots=True)
class Global:
    """A global variable or alias: `tokens` is its whole definition behind the equals sign."""

    name: str
    tokens: list[str]

    @property
    def address_space(self) -> int:
        for index, token in enumerate(self.tokens):
            if token in ("global", "constant"):
                return 0
            if token == "addrspace":
                return int(self.tokens[index + 2])
        return 0

    @property
    def keyword(self) -> int:
        """Index of the word `global` or `constant`, -1 for an alias."""
        return next((i for i, token in enumerate(self.tokens) if token in ("global", "constant")), -1)

    @property
    def type(self) -> str:
        return read_type(self.tokens, self.keyword + 1)[0]

    def __str__(self) -> str:
        return f"{self.name} = {' '.join(self.tokens)}"


@dataclass(slots=True)
class Module:
    """A module. Metadata and attribute groups are kept as text, by name."""

    header: list[str]
    globals: dict[str, Global]
    functions: dict[str, Function]
    declarations: dict[str, str]
    attributes: dict[str, str]
    metadata: dict[str, str]

    def __str__(self) -> str:
        parts: Iterable[Iterable[object]] = (
            self.header,
            self.globals.values(),
            self.functions.values(),
            self.declarations.values(),
            (f"attributes {name} = {text}" for name, text in self.attributes.items()),
            (f"{name} = {text}" for name, text in self.metadata.items()),
        )
        return "\n".join(str(item) for part in parts for item in part) + "\n"

    def metadata_operands(self, name: str) -> list[list[str]]:
        """The operands of a metadata node, each as tokens; empty where the node is missing."""
        from isometal.soft.ir.lexer import tokenize

        text = self.metadata.get(name)
        if text is None:
            return []
        tokens = tokenize(text)
        start = tokens.index("{") + 1
        return split_commas(tokens[start : closing(tokens, start - 1)])


def element_type(type_: str) -> str:
    """Type of a vector's elements, the type itself for a scalar."""
    elements = vector(type_)
    return elements[1] if elements else type_
