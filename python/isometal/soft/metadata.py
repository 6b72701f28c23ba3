"""Reads a kernel's reflection from the metadata of AIR.

    !air.kernel = !{!15, ...}        !15 = !{ptr @name, !outputs, !arguments, !limit...}
    !arguments                       one node each: i32 position, then words "air.*", each followed by its operands

Words that change what an argument is and that are not known here are errors; those that only describe are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn

from isometal.soft.errors import LoweringError
from isometal.soft.ir import Module, parse_module
from isometal.soft.reflection import Access, Argument, Field, FunctionConstant, KernelReflection, Space

__all__ = ["condition_symbols", "kernel_names", "reflect"]

#: An operand of a metadata node: a string, a number, a reference to a node ("!12"), or the name of a symbol ("@f").
Operand = str | int | None
_ACCESSES: tuple[Access, ...] = ("read_write", "read", "write")
_SPACES: tuple[Space, ...] = ("thread", "device", "constant", "threadgroup")
_ESCAPE = re.compile(r"\\([0-9A-Fa-f]{2})")
_MAX_THREADS = 1024
_MAX_NESTING = 16


class _Text(str):
    """A metadata string, as opposed to a symbol or a reference."""


def kernel_names(air: str) -> list[str]:
    """Names of the kernels that a module in AIR defines, in order. Raises LoweringError where it has no metadata."""
    return [name for name, _ in _kernels(_metadata_of(air))]


def reflect(air: str, kernel: str) -> KernelReflection:
    """The reflection of a kernel, all of its conditional arguments included.

    Args:
        air: text of a module in AIR.
        kernel: its name.

    Raises:
        LoweringError: no such kernel, or metadata that is not as AIR has it.
    """
    module = _metadata_of(air)
    for name, node in _kernels(module):
        if name == kernel:
            return _Reader(module, kernel).read(node)
    found = ", ".join(name for name, _ in _kernels(module)) or "none"
    raise LoweringError(f"[soft] the module has no kernel {kernel!r} in !air.kernel; it has {found}.")


def condition_symbols(air: str, kernel: str) -> dict[str, str]:
    """The conditions of a kernel's arguments: name -> symbol of the predicate, with the @. Raises LoweringError."""
    module = _metadata_of(air)
    symbols: dict[str, str] = {}
    for name, node in _kernels(module):
        if name == kernel and len(node) > 2:
            for entry in _operands(module, node[2]):
                argument = _operands(module, entry)
                if "air.function_constant" in argument[:-1]:
                    symbol, _, condition = _operands(module, argument[argument.index("air.function_constant") + 1])
                    symbols[str(condition)] = str(symbol)
    return symbols


def _metadata_of(air: str) -> Module:
    """The module's metadata alone: its functions take a hundred times as long to read."""
    return parse_module("\n".join(line for line in air.split("\n") if line.startswith("!")))


def _kernels(module: Module) -> Iterator[tuple[str, list[Operand]]]:
    for entry in _operands(module, "!air.kernel"):
        node = _operands(module, entry)
        if not node or not isinstance(node[0], str) or not node[0].startswith("@"):
            raise LoweringError(f"[soft] {entry} of !air.kernel does not begin with a function.")
        yield _unquoted(node[0][1:]), node


def _operands(module: Module, name: Operand) -> list[Operand]:
    """The operands of a node, each as what it holds."""
    if not isinstance(name, str) or isinstance(name, _Text) or not name.startswith("!"):
        raise LoweringError(f"[soft] metadata has {name!r} where a node is needed.")
    try:
        return [_operand(tokens) for tokens in module.metadata_operands(name)]
    except (ValueError, IndexError) as error:
        raise LoweringError(f"[soft] metadata {name} cannot be read: {error}.") from error


def _operand(tokens: list[str]) -> Operand:
    last = tokens[-1]
    if tokens[0] == "!" and len(tokens) == 2 and last.startswith('"'):
        return _Text(_unescaped(last[1:-1]))
    if len(tokens) == 2 and re.fullmatch(r"-?\d+", last):
        return int(last)
    if len(tokens) == 2 and last in ("true", "false"):
        return int(last == "true")
    return last


def _unescaped(text: str) -> str:
    """LLVM writes what is not printable ASCII as \\XX, byte by byte."""
    if "\\" not in text:
        return text
    raw = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text.replace("\\\\", "\\5C"))
    return raw.encode("latin-1", "replace").decode("utf-8", "replace")


def _unquoted(name: str) -> str:
    return _unescaped(name[1:-1]) if name.startswith('"') else name


class _Reader:
    """Reads the node of one kernel."""

    def __init__(self, module: Module, kernel: str) -> None:
        self._module = module
        self._kernel = kernel

    def read(self, node: list[Operand]) -> KernelReflection:
        if len(node) < 3:
            self._fail("its node in !air.kernel lists no arguments")
        return KernelReflection(
            name=self._kernel,
            arguments=tuple(
                self._argument(_operands(self._module, entry)) for entry in _operands(self._module, node[2])
            ),
            constants=tuple(self._constants()),
            max_threads_per_threadgroup=self._limit(node[3:]),
            air_version=self._version("!air.version"),
            language_version=self._version("!air.language_version"),
            options=tuple(text.removeprefix("air.compile.") for text in self._texts("!air.compile_options")),
            producer=next(self._texts("!llvm.ident"), ""),
        )

    def _fail(self, why: str) -> NoReturn:
        raise LoweringError(f"[soft] kernel {self._kernel!r}: its metadata has {why}.")

    def _number(self, value: Operand | None, what: str) -> int:
        if not isinstance(value, int) or value < 0:
            self._fail(f"{value!r} as {what}, where a number is needed")
        return value

    def _text(self, value: Operand | None, what: str) -> str:
        # It is shown in messages and tables: nothing that steers a terminal.
        if not isinstance(value, _Text) or not value.isprintable():
            self._fail(f"{value!r} as {what}, where printable text is needed")
        return str(value)

    def _argument(self, node: list[Operand]) -> Argument:
        words: dict[str, list[Operand]] = {}
        for operand in node[1:]:
            if isinstance(operand, _Text) and operand.startswith("air."):
                words[operand.removeprefix("air.")] = []
            elif words:
                next(reversed(words.values())).append(operand)
            else:
                self._fail(f"{operand!r} as the kind of an argument")

        def number(word: str, default: int = 0) -> int:
            return self._number(next(iter(words[word]), None), word) if word in words else default

        def text(word: str) -> str:
            return self._text(next(iter(words[word]), None), word) if word in words else ""

        name, type_name, used = text("arg_name"), text("arg_type_name"), "arg_unused" not in words
        condition = self._condition(words.pop("function_constant", None))
        if "buffer" not in words:
            kind = next(iter(words), "nothing")
            return Argument(name, type_name, "builtin", builtin=kind, used=used, condition=condition)
        space = number("address_space")
        if not 0 < space < len(_SPACES) or "location_index" not in words:
            self._fail(f"buffer {name!r} in address space {space}, binding {number('location_index')}")
        size = number("arg_type_size")
        access: list[Access] = [word for word in _ACCESSES if word in words]
        return Argument(
            name,
            type_name,
            "threadgroup" if space == _SPACES.index("threadgroup") else "buffer",
            access=access[0] if access else "read_write",
            space=_SPACES[space],
            index=number("location_index"),
            type_size=size,
            alignment=max(number("arg_type_align_size"), 1),
            required_bytes=number("buffer_size", size),
            used=used,
            condition=condition,
            fields=self._fields(next(iter(words.get("struct_type_info", ())), None)),
        )

    def _condition(self, operands: list[Operand] | None) -> str:
        """Name of the function constant that switches an argument on: !{ptr @predicate, !"bool", !"name"}."""
        if not operands:
            return ""
        node = _operands(self._module, operands[0])
        return self._text(node[2] if len(node) > 2 else None, "an argument's condition")

    def _fields(self, reference: Operand | None, depth: int = 0) -> tuple[Field, ...]:
        """Members of a struct: i32 offset, i32 size, i32 length, !"type", !"name" of each, and before these for a
        member that is a struct !"air.struct_type_info", !node."""
        if reference is None:
            return ()
        if depth > _MAX_NESTING:
            self._fail(f"structs nested more than {_MAX_NESTING} deep")
        node = _operands(self._module, reference)
        fields: list[Field] = []
        while node:
            inner: tuple[Field, ...] = ()
            if node[0] == "air.struct_type_info":
                inner = self._fields(node[1] if len(node) > 1 else "", depth + 1)
                node = node[2:]
            if len(node) < 5:
                self._fail(f"{len(node)} operands for a struct's member, where 5 are needed")
            fields.append(
                Field(
                    name=self._text(node[4], "a member's name"),
                    type_name=self._text(node[3], "a member's type"),
                    offset=self._number(node[0], "a member's offset"),
                    size=self._number(node[1], "a member's size"),
                    length=self._number(node[2], "a member's length"),
                    fields=inner,
                )
            )
            node = node[5:]
        return tuple(fields)

    def _constants(self) -> Iterator[FunctionConstant]:
        """!{ptr @initialiser, !"type", !"name", i32 index, i1 required}"""
        for entry in _operands(self._module, "!air.function_constants"):
            node = _operands(self._module, entry)
            if len(node) < 5:
                self._fail(f"{len(node)} operands for a function constant, where 5 are needed")
            yield FunctionConstant(
                self._text(node[2], "a function constant's name"),
                self._text(node[1], "a function constant's type"),
                self._number(node[3], "a function constant's index"),
                bool(self._number(node[4], "a function constant's flag")),
            )

    def _limit(self, entries: list[Operand]) -> int:
        """[[max_total_threads_per_threadgroup(n)]]: !{!"air.max_work_group_size", i32 n}"""
        for entry in entries:
            node = _operands(self._module, entry)
            if node and node[0] == "air.max_work_group_size":
                limit = self._number(node[1] if len(node) > 1 else None, "air.max_work_group_size")
                return min(limit, _MAX_THREADS) if limit else _MAX_THREADS
        return _MAX_THREADS

    def _version(self, name: str) -> tuple[int, ...]:
        nodes = _operands(self._module, name)
        numbers = [value for value in _operands(self._module, nodes[0]) if isinstance(value, int)] if nodes else []
        return tuple(numbers[:2])

    def _texts(self, name: str) -> Iterator[str]:
        for entry in _operands(self._module, name):
            for value in _operands(self._module, entry):
                yield self._text(value, name)
