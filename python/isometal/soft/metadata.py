"""Reads a kernel's reflection from the metadata of AIR, whose form `air_nodes.py` knows.

Words that change what an argument is and that are not known here are errors; those that only describe are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator

from isometal.soft.air_nodes import KernelNode, Operand, Words, kernels, operands
from isometal.soft.ir import Module, parse_module
from isometal.soft.reflection import Access, Argument, Field, FunctionConstant, KernelReflection, Space

__all__ = ["MAX_THREADS", "condition_symbols", "kernel_names", "reflect"]

_ACCESSES: tuple[Access, ...] = ("read_write", "read", "write")
_SPACES: tuple[Space, ...] = ("thread", "device", "constant", "threadgroup")
#: Of a threadgroup.
MAX_THREADS = 1024
_MAX_NESTING = 16


def kernel_names(air: str) -> list[str]:
    """Names of the kernels that a module in AIR defines, in order. Raises LoweringError where it has no metadata."""
    return [name for name, _ in kernels(_metadata_of(air))]


def reflect(air: str, kernel: str) -> KernelReflection:
    """The reflection of a kernel, all of its conditional arguments included.

    Args:
        air: text of a module in AIR.
        kernel: its name.

    Raises:
        LoweringError: no such kernel, or metadata that is not as AIR has it.
    """
    return _Reader(KernelNode(_metadata_of(air), kernel)).read()


def condition_symbols(air: str, kernel: str) -> dict[str, str]:
    """The conditions of a kernel's arguments: name -> symbol of the predicate, with the @. Raises LoweringError."""
    node = KernelNode(_metadata_of(air), kernel)
    symbols: dict[str, str] = {}
    for words in node.arguments():
        if "function_constant" in words:
            symbol, name = _condition(node, words)
            symbols[name] = symbol
    return symbols


def _metadata_of(air: str) -> Module:
    """The module's metadata alone: its functions take a hundred times as long to read."""
    return parse_module("\n".join(line for line in air.split("\n") if line.startswith("!")))


def _condition(kernel: KernelNode, words: Words) -> tuple[str, str]:
    """Predicate and name of the function constant that switches an argument on: !{ptr @predicate, !"bool", !"name"}."""
    node = operands(kernel.module, next(iter(words["function_constant"]), None))
    if len(node) < 3:
        kernel.fail(f"{len(node)} operands for an argument's condition, where 3 are needed")
    return str(node[0]), kernel.text(node[2], "an argument's condition")


class _Reader:
    """Makes a reflection of one kernel's node."""

    def __init__(self, kernel: KernelNode) -> None:
        self._kernel = kernel
        self._module: Module = kernel.module

    def read(self) -> KernelReflection:
        declared = self._declared_threads()
        return KernelReflection(
            name=self._kernel.name,
            arguments=tuple(self._argument(words) for words in self._kernel.arguments()),
            constants=tuple(self._constants()),
            max_threads_per_threadgroup=min(declared, MAX_THREADS) or MAX_THREADS,
            declared_threads=declared,
            air_version=self._version("!air.version"),
            language_version=self._version("!air.language_version"),
            options=tuple(text.removeprefix("air.compile.") for text in self._texts("!air.compile_options")),
            producer=next(self._texts("!llvm.ident"), ""),
        )

    def _argument(self, words: Words) -> Argument:
        kernel = self._kernel
        name, type_name = kernel.word_text(words, "arg_name"), kernel.word_text(words, "arg_type_name")
        used = "arg_unused" not in words
        _, condition = _condition(kernel, words) if "function_constant" in words else ("", "")
        if "buffer" not in words:
            kind = next((word for word in words if word != "function_constant"), "nothing")
            return Argument(name, type_name, "builtin", builtin=kind, used=used, condition=condition)
        space = kernel.word_number(words, "address_space", 0)
        if not 0 < space < len(_SPACES) or "location_index" not in words:
            binding = kernel.word_number(words, "location_index", 0)
            kernel.fail(f"buffer {name!r} in address space {space}, binding {binding}")
        size = kernel.word_number(words, "arg_type_size", 0)
        access: list[Access] = [word for word in _ACCESSES if word in words]
        return Argument(
            name,
            type_name,
            "threadgroup" if space == _SPACES.index("threadgroup") else "buffer",
            access=access[0] if access else "read_write",
            space=_SPACES[space],
            index=kernel.word_number(words, "location_index"),
            type_size=size,
            alignment=max(kernel.word_number(words, "arg_type_align_size", 0), 1),
            required_bytes=kernel.word_number(words, "buffer_size", size),
            used=used,
            condition=condition,
            fields=self._fields(next(iter(words.get("struct_type_info", ())), None)),
        )

    def _fields(self, reference: Operand, depth: int = 0) -> tuple[Field, ...]:
        """Members of a struct: i32 offset, i32 size, i32 length, !"type", !"name" of each, and before these for a
        member that is a struct !"air.struct_type_info", !node."""
        if reference is None:
            return ()
        if depth > _MAX_NESTING:
            self._kernel.fail(f"structs nested more than {_MAX_NESTING} deep")
        node = operands(self._module, reference)
        fields: list[Field] = []
        while node:
            inner: tuple[Field, ...] = ()
            if node[0] == "air.struct_type_info":
                inner = self._fields(node[1] if len(node) > 1 else "", depth + 1)
                node = node[2:]
            if len(node) < 5:
                self._kernel.fail(f"{len(node)} operands for a struct's member, where 5 are needed")
            fields.append(
                Field(
                    name=self._kernel.text(node[4], "a member's name"),
                    type_name=self._kernel.text(node[3], "a member's type"),
                    offset=self._kernel.number(node[0], "a member's offset"),
                    size=self._kernel.number(node[1], "a member's size"),
                    length=self._kernel.number(node[2], "a member's length"),
                    fields=inner,
                )
            )
            node = node[5:]
        return tuple(fields)

    def _constants(self) -> Iterator[FunctionConstant]:
        """!{ptr @initialiser, !"type", !"name", i32 index, i1 required}"""
        for entry in operands(self._module, "!air.function_constants"):
            node = operands(self._module, entry)
            if len(node) < 5:
                self._kernel.fail(f"{len(node)} operands for a function constant, where 5 are needed")
            yield FunctionConstant(
                self._kernel.text(node[2], "a function constant's name"),
                self._kernel.text(node[1], "a function constant's type"),
                self._kernel.number(node[3], "a function constant's index"),
                bool(self._kernel.number(node[4], "a function constant's flag")),
            )

    def _declared_threads(self) -> int:
        """[[max_total_threads_per_threadgroup(n)]]: !{!"air.max_work_group_size", i32 n}"""
        for entry in self._kernel.limits:
            node = operands(self._module, entry)
            if node and node[0] == "air.max_work_group_size":
                return self._kernel.number(node[1] if len(node) > 1 else None, "air.max_work_group_size")
        return 0

    def _version(self, name: str) -> tuple[int, ...]:
        nodes = operands(self._module, name)
        numbers = [value for value in operands(self._module, nodes[0]) if isinstance(value, int)] if nodes else []
        return tuple(numbers[:2])

    def _texts(self, name: str) -> Iterator[str]:
        for entry in operands(self._module, name):
            for value in operands(self._module, entry):
                yield self._kernel.text(value, name)
