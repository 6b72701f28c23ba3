"""Writes the text of an AIR kernel: names, blocks, declarations and metadata."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Value(NamedTuple):
    """A typed operand."""

    type: str
    text: str

    def __str__(self) -> str:
        return f"{self.type} {self.text}"


RENDEZVOUS = "convergent mustprogress nounwind willreturn"
PURE = "mustprogress nofree nosync nounwind willreturn memory(none)"


@dataclass
class KernelWriter:
    """A kernel under construction: the block that instructions go to, and what the module needs beside it."""

    name: str
    lines: list[str] = field(default_factory=list)
    label: str = "entry"
    open: bool = True
    declarations: dict[str, str] = field(default_factory=dict)
    globals: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    parameters: list[tuple[Value, str]] = field(default_factory=list)
    constants: list[tuple[str, str, int]] = field(default_factory=list)
    count: int = 0

    # Instructions.

    def fresh(self, word: str = "v") -> str:
        self.count += 1
        return f"{word}{self.count}"

    def emit(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def value(self, type_: str, text: str) -> Value:
        """The result of an instruction."""
        name = f"%{self.fresh()}"
        self.emit(f"{name} = {text}")
        return Value(type_, name)

    def binary(self, opcode: str, a: Value, b: Value) -> Value:
        return self.value(a.type, f"{opcode} {a}, {b.text}")

    def cast(self, opcode: str, a: Value, type_: str) -> Value:
        return self.value(type_, f"{opcode} {a} to {type_}")

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        return self.value(a.type, f"select {condition}, {a}, {b}")

    def call(self, returns: str, name: str, *arguments: Value, attributes: str = PURE) -> Value:
        """A call of a function that is declared if need be."""
        types = ", ".join(argument.type for argument in arguments)
        self.declarations.setdefault(name, f"declare {returns} @{name}({types}) {attributes}")
        text = f"call {returns} @{name}({', '.join(map(str, arguments))})"
        if returns == "void":
            self.emit(text)
            return Value("void", "")
        return self.value(returns, text)

    def rendezvous(self, returns: str, name: str, *arguments: Value) -> Value:
        return self.call(returns, name, *arguments, attributes=RENDEZVOUS)

    def address(self, element: str, pointer: Value, index: Value) -> Value:
        return self.value(pointer.type, f"getelementptr inbounds {element}, {pointer}, {index}")

    def load(self, type_: str, pointer: Value, alignment: int) -> Value:
        return self.value(type_, f"load {type_}, {pointer}, align {alignment}")

    def store(self, value: Value, pointer: Value, alignment: int) -> None:
        self.emit(f"store {value}, {pointer}, align {alignment}")

    # Blocks.

    def begin(self, label: str) -> None:
        """The block that follows; the one before goes there unless it has ended."""
        if self.open:
            self.emit(f"br label %{label}")
        self.lines.append(f"{label}:")
        self.label, self.open = label, True

    def branch(self, condition: Value, yes: str, no: str) -> None:
        self.emit(f"br {condition}, label %{yes}, label %{no}")
        self.open = False

    def end(self, text: str) -> None:
        self.emit(text)
        self.open = False

    # The module.

    def buffer(self, name: str, index: int, space: int, *, writable: bool = True) -> Value:
        access = "air.read_write" if writable else "air.read"
        metadata = (
            f'!"air.buffer", !"air.location_index", i32 {index}, i32 1, !"{access}", '
            f'!"air.address_space", i32 {space}, '
            f'!"air.arg_type_size", i32 4, !"air.arg_type_align_size", i32 4, !"air.arg_name", !"{name}"'
        )
        return self.parameter(Value(f"ptr addrspace({space})", f"%{name}"), metadata)

    def builtin(self, name: str, type_: str) -> Value:
        known = next((value for value, _ in self.parameters if value.text == f"%{name}"), None)
        return known or self.parameter(Value(type_, f"%{name}"), f'!"air.{name}", !"air.arg_name", !"{name}"')

    def parameter(self, value: Value, metadata: str) -> Value:
        self.parameters.append((value, metadata))
        return value

    def constant(self, name: str, type_: str, index: int) -> None:
        """A function constant, as Apple's compiler leaves one: kernels read @<name>."""
        self.constants.append((name, type_, index))

    def text(self, *, flush: bool) -> str:
        parts = ['target triple = "air64_v26-apple-macosx14.0.0"', *self.globals]
        constructor: list[str] = []
        for name, type_, index in self.constants:
            source = f"@_Z{len(name)}{name}.MTL_FC_INIT_{index}_b"
            parts.append(
                f"{source} = internal unnamed_addr addrspace(2) externally_initialized constant {type_} undef, "
                'section "air.fc_initializer", align 4'
            )
            parts.append(f"@{name} = internal unnamed_addr addrspace(2) global {type_} zeroinitializer, align 4")
            constructor.append(f"  %{name} = load {type_}, ptr addrspace(2) {source}, align 4")
            constructor.append(f"  store {type_} %{name}, ptr addrspace(2) @{name}, align 4")
        if constructor:
            parts.append(
                "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] "
                "[{ i32, ptr, ptr } { i32 65535, ptr @_GLOBAL__sub_I_test.metal, ptr null }]"
            )
            parts.append('define internal void @_GLOBAL__sub_I_test.metal() section "air.static_init" {')
            parts += [*constructor, "  ret void", "}"]
        parameters = ", ".join(f"{value.type} noundef {value.text}" for value, _ in self.parameters)
        parts.append(f"define void @{self.name}({parameters}) local_unnamed_addr #0 {{")
        parts += ["entry:", *self.lines, "}", *self.functions, *self.declarations.values()]
        parts += ["attributes #0 = { convergent mustprogress nounwind }", *self._metadata(flush)]
        return "\n".join(parts) + "\n"

    def _metadata(self, flush: bool) -> list[str]:
        nodes = [f"!{number + 4} = !{{i32 {number}, {text}}}" for number, (_, text) in enumerate(self.parameters)]
        references = ", ".join(f"!{number + 4}" for number in range(len(nodes)))
        options = '!"air.compile.denorms_disable"' if flush else '!"air.compile.fast_math_disable"'
        return [
            "!air.kernel = !{!0}",
            "!air.compile_options = !{!3}",
            f"!0 = !{{ptr @{self.name}, !1, !2}}",
            "!1 = !{}",
            f"!2 = !{{{references}}}",
            f"!3 = !{{{options}}}",
            *nodes,
        ]
