"""Writes the body of a definition: arithmetic on typed values becomes LLVM IR text.

Python's operators build instructions, so that a formula reads as one. Numbers take the type of the value that they
meet; on vectors they are repeated. Nothing here may be fused or reassociated: a definition has the same bits on every
target.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from isometal.soft.lower.intrinsics.features import MODERN, Features
from isometal.soft.lower.intrinsics.shape import Shape

Number = int | float


@dataclass(frozen=True, slots=True)
class Value:
    """An operand: a type and its text, with the builder that it belongs to."""

    builder: Builder
    shape: Shape
    name: str

    @property
    def typed(self) -> str:
        return f"{self.shape.text} {self.name}"

    def __add__(self, other: Value | Number) -> Value:
        return self._binary("fadd", "add", other)

    def __sub__(self, other: Value | Number) -> Value:
        return self._binary("fsub", "sub", other)

    def __mul__(self, other: Value | Number) -> Value:
        return self._binary("fmul", "mul", other)

    def __truediv__(self, other: Value | Number) -> Value:
        return self._binary("fdiv", "", other)

    def __rsub__(self, other: Number) -> Value:
        return self._constant(other) - self

    def __rtruediv__(self, other: Number) -> Value:
        return self._constant(other) / self

    def __neg__(self) -> Value:
        return self.builder.emit(f"fneg {self.typed}", self.shape) if self.shape.is_float else 0 - self

    def __and__(self, other: Value | Number) -> Value:
        return self._binary("", "and", other)

    def __or__(self, other: Value | Number) -> Value:
        return self._binary("", "or", other)

    def __xor__(self, other: Value | Number) -> Value:
        return self._binary("", "xor", other)

    def __invert__(self) -> Value:
        return self ^ -1

    def __lshift__(self, other: Value | Number) -> Value:
        return self._binary("", "shl", other)

    def shift_right(self, other: Value | Number, *, signed: bool = False) -> Value:
        return self._binary("", "ashr" if signed else "lshr", other)

    def divide(self, other: Value | Number, *, signed: bool) -> Value:
        return self._binary("", "sdiv" if signed else "udiv", other)

    def compare(self, predicate: str, other: Value | Number) -> Value:
        """A comparison by LLVM's name of it: `olt`, `uno` on floats, `slt`, `eq` on integers."""
        operation = "fcmp" if self.shape.is_float else "icmp"
        right = self._constant(other)
        shape = self.shape.with_element("i1")
        return self.builder.emit(f"{operation} {predicate} {self.typed}, {right.name}", shape)

    def select(self, yes: Value, no: Value | Number) -> Value:
        """`yes` where this i1 is true, else `no`."""
        other = yes.coerce(no)
        return self.builder.emit(f"select {self.typed}, {yes.typed}, {other.typed}", yes.shape)

    def cast(self, operation: str, element: str) -> Value:
        """A conversion instruction to elements of another type; none where they have it already."""
        if element == self.shape.element:
            return self
        shape = self.shape.with_element(element)
        return self.builder.emit(f"{operation} {self.typed} to {shape.text}", shape)

    def bits(self) -> Value:
        """The bits of a float as an integer."""
        return self.cast("bitcast", self.shape.integer.element)

    def from_bits(self, element: str) -> Value:
        """The float of a type with these bits."""
        return self.cast("bitcast", element)

    def call(self, name: str, *others: Value | Number, returns: Shape | None = None) -> Value:
        """A call of an LLVM intrinsic that is overloaded on this value's type: `floor`, `smax`."""
        arguments = [self, *(self.coerce(other) for other in others)]
        return self.builder.call(f"llvm.{name}.{self.shape.spelling}", arguments, returns or self.shape)

    def coerce(self, other: Value | Number) -> Value:
        """A number as a constant of this value's type; a value as it is."""
        return other if isinstance(other, Value) else self.builder.constant(self.shape, other)

    def _constant(self, other: Value | Number) -> Value:
        return self.coerce(other)

    def _binary(self, floating: str, integral: str, other: Value | Number) -> Value:
        operation = floating if self.shape.is_float else integral
        right = self.coerce(other)
        assert operation, f"no such operation on {self.shape.text}"
        assert right.shape == self.shape, f"{operation} of {self.shape.text} and {right.shape.text}"
        return self.builder.emit(f"{operation} {self.typed}, {right.name}", self.shape)


class Builder:
    """Collects the instructions of one function.

    Attributes:
        features: of the target.
        lines: the body so far.
        needs: declarations of what the body calls.
    """

    def __init__(self, features: Features = MODERN) -> None:
        self.features = features
        self.lines: list[str] = []
        self.needs: set[str] = set()
        self._names = 0

    def fresh(self, hint: str = "t") -> str:
        """A local name that is not used yet, without the %."""
        self._names += 1
        return f"{hint}{self._names}"

    def emit(self, instruction: str, shape: Shape, name: str = "") -> Value:
        """Append an instruction that has a result, under a name that was reserved for it where one is given."""
        name = name or f"%{self.fresh()}"
        self.lines.append(f"{name} = {instruction}")
        return Value(self, shape, name)

    def effect(self, instruction: str) -> None:
        """Append an instruction without a result, or a label."""
        self.lines.append(instruction)

    def value(self, shape: Shape, name: str) -> Value:
        return Value(self, shape, name)

    def constant(self, shape: Shape, number: Number) -> Value:
        text = _literal(shape, number)
        return Value(self, shape, f"splat ({shape.element_text} {text})" if shape.count else text)

    def call(self, name: str, arguments: Sequence[Value], returns: Shape) -> Value:
        types = ", ".join(a.shape.text for a in arguments)
        self.needs.add(f"declare {returns.text} @{name}({types})")
        values = ", ".join(a.typed for a in arguments)
        return self.emit(f"call {returns.text} @{name}({values})", returns)

    def load(self, shape: Shape, pointer: str, alignment: int | None = None) -> Value:
        return self.emit(f"load {shape.text}, ptr {pointer}{_alignment(alignment)}", shape)

    def store(self, value: Value, pointer: str, alignment: int | None = None) -> None:
        self.effect(f"store {value.typed}, ptr {pointer}{_alignment(alignment)}")

    def shuffle(self, first: Value, second: Value | None, indices: Sequence[int]) -> Value:
        """Elements of two vectors by constant index; -1 is any element."""
        other = second.name if second else "poison"
        shape = Shape(first.shape.element, len(indices))
        numbers = ", ".join(f"i32 {i}" if i >= 0 else "i32 poison" for i in indices)
        mask = f"<{len(indices)} x i32> <{numbers}>"
        return self.emit(f"shufflevector {first.typed}, {first.shape.text} {other}, {mask}", shape)

    def splat(self, scalar: Value, count: int) -> Value:
        """A vector whose elements are all the same scalar."""
        one = Shape(scalar.shape.element, 1)
        first = self.emit(f"insertelement {one.text} poison, {scalar.typed}, i32 0", one)
        return self.shuffle(first, None, [0] * count)

    def like(self, scalar: Value, shape: Shape) -> Value:
        """A scalar, repeated where the shape is a vector."""
        return self.splat(scalar, shape.count) if shape.count else scalar

    def gather(self, scalars: Sequence[Value]) -> Value:
        """A vector of scalars."""
        shape = Shape(scalars[0].shape.element, len(scalars))
        vector = Value(self, shape, "poison")
        for index, scalar in enumerate(scalars):
            vector = self.emit(f"insertelement {vector.typed}, {scalar.typed}, i32 {index}", shape)
        return vector

    def extract(self, vector: Value, index: int) -> Value:
        return self.emit(f"extractelement {vector.typed}, i32 {index}", vector.shape.scalar)


def _alignment(alignment: int | None) -> str:
    return f", align {alignment}" if alignment else ""


def _literal(shape: Shape, number: Number) -> str:
    """A number as LLVM writes constants. Floats are written by their bits, which is exact."""
    if shape.element == "i1":
        return "true" if number else "false"
    if not shape.is_float:
        assert isinstance(number, int)
        return str(number)
    value = float(number)
    if shape.element == "f16":
        return f"0xH{struct.unpack('<H', struct.pack('<e', value))[0]:04X}"
    if shape.element == "bf16":
        return f"0xR{struct.unpack('<I', struct.pack('<f', value))[0] >> 16:04X}"
    if shape.element == "f32" and abs(value) < float("inf"):
        value = struct.unpack("<f", struct.pack("<f", value))[0]
    # LLVM writes a float constant as the double of the same value.
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
