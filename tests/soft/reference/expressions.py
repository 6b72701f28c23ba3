"""Random expressions: everything that one lane can compute with a defined result."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from reference.writer import KernelWriter, Value

INTEGERS = ("i16", "i32", "i64")
_BITS = {"i8": 8, "i16": 16, "i32": 32, "i64": 64}
_SIZES = {"i8": 1, "i16": 2, "i32": 4, "i64": 8, "float": 4, "half": 2, "<2 x i32>": 8, "<4 x float>": 16}
_SPELLING = {"i16": "i16", "i32": "i32", "i64": "i64", "float": "f32", "half": "f16"}


@dataclass
class Scope:
    """What expressions may read.

    Attributes:
        variables: mutable locals: pointers to them by type.
        values: values known at this point that need no load; those in `uniform` are the same for all threads.
        inputs: read-only buffers of 64 elements, by element type.
        arrays: each thread's own arrays of 8 i32.
    """

    variables: dict[str, list[Value]] = field(default_factory=dict)
    values: list[Value] = field(default_factory=list)
    uniform: list[Value] = field(default_factory=list)
    inputs: dict[str, Value] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    arrays: list[Value] = field(default_factory=list)


class Expressions:
    """Writes random expressions of a wanted type."""

    def __init__(self, writer: KernelWriter, scope: Scope, rng: random.Random) -> None:
        self.writer = writer
        self.scope = scope
        self.rng = rng

    def of(self, type_: str, depth: int = 3) -> Value:
        if type_ == "i1":
            return self.condition(depth)
        if type_ in INTEGERS:
            return self.integer(type_, depth)
        if type_ == "float":
            return self.float(depth)
        return self.vector(type_, depth)

    def convert(self, value: Value, type_: str, *, signed: bool = False) -> Value:
        """An integer in another width."""
        have, want = _BITS[value.type], _BITS[type_]
        if have == want:
            return value
        opcode = "trunc" if have > want else "sext" if signed else "zext"
        return self.writer.cast(opcode, value, type_)

    def read(self, pointer: Value, type_: str) -> Value:
        return self.writer.load(type_, pointer, min(_SIZES[type_], 16))

    def write(self, value: Value, pointer: Value) -> None:
        self.writer.store(value, pointer, min(_SIZES[value.type], 16))

    def uniform(self) -> Value:
        """An i32 that all threads of the threadgroup agree on."""
        value = self.rng.choice(self.scope.uniform)
        if self.rng.random() < 0.4:
            other = self.rng.choice([*self.scope.uniform, Value("i32", str(self.rng.randrange(100)))])
            value = self.writer.binary(self.rng.choice(["add", "xor", "mul", "sub"]), value, other)
        return value

    def masked(self, value: Value, mask: int) -> Value:
        return self.writer.binary("and", value, Value(value.type, str(mask)))

    # Integers.

    def integer(self, type_: str, depth: int) -> Value:
        w, rng = self.writer, self.rng
        if depth == 0 or rng.random() < 0.2:
            return self._integer_leaf(type_)
        kind = rng.randrange(12)
        if kind < 5:
            opcode = rng.choice(["add", "sub", "mul", "and", "or", "xor"])
            return w.binary(opcode, self.integer(type_, depth - 1), self.integer(type_, depth - 1))
        if kind == 5:
            amount = self.masked(self.integer(type_, depth - 1), _BITS[type_] - 1)
            return w.binary(rng.choice(["shl", "lshr", "ashr"]), self.integer(type_, depth - 1), amount)
        if kind == 6:
            divisor = w.binary("or", self.integer(type_, depth - 1), Value(type_, "1"))
            if rng.random() < 0.5:
                return w.binary(rng.choice(["udiv", "urem"]), self.integer(type_, depth - 1), divisor)
            constant = Value(type_, str(rng.choice([-7, 3, 10, 64])))
            return w.binary(rng.choice(["sdiv", "srem"]), self.integer(type_, depth - 1), constant)
        if kind == 7:
            return w.select(self.condition(depth - 1), self.integer(type_, depth - 1), self.integer(type_, depth - 1))
        if kind == 8:
            sign = rng.choice("su")
            name = f"air.{rng.choice(['min', 'max'])}.{sign}.{_SPELLING[type_]}"
            return w.call(type_, name, self.integer(type_, depth - 1), self.integer(type_, depth - 1))
        if kind == 9:
            other = rng.choice([t for t in INTEGERS if t != type_])
            return self.convert(self.integer(other, depth - 1), type_, signed=rng.random() < 0.5)
        if kind == 10 and type_ == "i32":
            return self._from_float(self.float(depth - 1))
        return w.call(type_, f"air.popcount.{_SPELLING[type_]}", self.integer(type_, depth - 1))

    def _integer_leaf(self, type_: str) -> Value:
        w, rng, scope = self.writer, self.rng, self.scope
        kind = rng.randrange(8)
        if kind < 3 and scope.variables.get(type_):
            return self.read(rng.choice(scope.variables[type_]), type_)
        if kind == 3:
            return Value(type_, str(rng.choice([0, 1, 2, 5, -1, 13, 255, rng.randrange(1 << 15)])))
        if kind == 4:
            index = self.masked(self._any_value("i32"), 63)
            pointer = w.address("i32", scope.inputs["i32"], index)
            return self.convert(w.load("i32", pointer, 4), type_)
        if kind == 5 and scope.arrays:
            pointer = self.element(rng.choice(scope.arrays), self._any_value("i32"))
            return self.convert(w.load("i32", pointer, 4), type_)
        if kind == 6 and scope.tables:
            index = self.masked(self._any_value("i32"), 7)
            table = Value("ptr addrspace(2)", rng.choice(scope.tables))
            pointer = w.value(table.type, f"getelementptr inbounds [8 x i32], {table}, i64 0, {index}")
            return self.convert(w.load("i32", pointer, 4), type_)
        return self._any_value(type_)

    def _any_value(self, type_: str) -> Value:
        """A value that is known at this point, converted if it has to be."""
        choices = [*self.scope.values, *self.scope.uniform]
        return self.convert(self.rng.choice(choices), type_, signed=self.rng.random() < 0.3)

    def element(self, array: Value, index: Value) -> Value:
        """Address of an element of an array of 8 i32, at any index."""
        masked = self.masked(index, 7)
        return self.writer.value(array.type, f"getelementptr inbounds [8 x i32], {array}, i32 0, {masked}")

    # Floating-point numbers.

    def float(self, depth: int) -> Value:
        w, rng = self.writer, self.rng
        if depth == 0 or rng.random() < 0.25:
            return self._float_leaf()
        kind = rng.randrange(9)
        if kind < 4:
            return w.binary(rng.choice(["fadd", "fsub", "fmul"]), self.float(depth - 1), self.float(depth - 1))
        if kind == 4:
            return w.binary("fdiv", self.float(depth - 1), Value("float", rng.choice(["3.0", "-1.5", "7.0", "1.0e1"])))
        if kind == 5:
            return w.select(self.condition(depth - 1), self.float(depth - 1), self.float(depth - 1))
        if kind == 6:
            return w.value("float", f"fneg {self.float(depth - 1)}")
        if kind == 7:
            return w.call("float", "air.fma.f32", *(self.float(depth - 1) for _ in range(3)))
        sign = rng.choice("su")
        return w.call("float", f"air.convert.f.f32.{sign}.i32", self.integer("i32", depth - 1))

    def _float_leaf(self) -> Value:
        w, rng, scope = self.writer, self.rng, self.scope
        kind = rng.randrange(4)
        if kind < 2 and scope.variables.get("float"):
            return self.read(rng.choice(scope.variables["float"]), "float")
        if kind == 2:
            element = rng.choice(["float", "half"])
            pointer = w.address(element, scope.inputs[element], self.masked(self._any_value("i32"), 63))
            value = w.load(element, pointer, _SIZES[element])
            return value if element == "float" else w.call("float", "air.convert.f.f32.f.f16", value)
        return Value("float", rng.choice(["0.0", "1.0", "-2.5", "0x3FB99999A0000000", "1.0e3"]))

    def _from_float(self, value: Value) -> Value:
        """A whole number from a float that may be anything."""
        w = self.writer
        low = w.value("i1", f"fcmp ogt {value}, -1.0e6")
        high = w.value("i1", f"fcmp olt {value}, 1.0e6")
        inside = w.binary("and", low, high)
        clamped = w.select(inside, value, Value("float", "5.5"))
        return w.call("i32", "air.convert.s.i32.f.f32", clamped)

    def small_float(self, depth: int = 2) -> Value:
        """A float that is a small whole number, so that no order of additions matters."""
        small = self.masked(self.integer("i32", depth), 255)
        return self.writer.call("float", "air.convert.f.f32.u.i32", small)

    # Conditions and vectors.

    def condition(self, depth: int) -> Value:
        w, rng = self.writer, self.rng
        kind = rng.randrange(8)
        if kind < 5 or depth <= 0:
            type_ = rng.choice(INTEGERS)
            predicate = rng.choice(["eq", "ne", "ult", "ugt", "ule", "uge", "slt", "sgt", "sle", "sge"])
            bits = rng.choice([1, 3, 7, 31])
            a = self.masked(self.integer(type_, depth - 1 if depth > 0 else 0), bits)
            return w.value("i1", f"icmp {predicate} {a}, {rng.randrange(bits + 1)}")
        if kind == 5:
            predicate = rng.choice(["olt", "ogt", "oeq", "une", "ule", "uge", "ord"])
            return w.value("i1", f"fcmp {predicate} {self.float(depth - 1)}, {self.float(depth - 1).text}")
        if kind == 6:
            opcode = rng.choice(["and", "or", "xor"])
            return w.binary(opcode, self.condition(depth - 1), self.condition(depth - 1))
        variables = self.scope.variables.get("i8")
        if variables:
            return w.cast("trunc", self.read(rng.choice(variables), "i8"), "i1")
        return self.condition(depth - 1)

    def vector(self, type_: str, depth: int) -> Value:
        w, rng = self.writer, self.rng
        count, element = type_[1:-1].split(" x ")
        variables = self.scope.variables.get(type_)
        if variables and (depth <= 1 or rng.random() < 0.4):
            value = self.read(rng.choice(variables), type_)
            if rng.random() < 0.4:
                mask = ", ".join(f"i32 {rng.randrange(int(count))}" for _ in range(int(count)))
                value = w.value(type_, f"shufflevector {value}, {type_} poison, <{count} x i32> <{mask}>")
            return value
        if depth > 1 and rng.random() < 0.4:
            opcode = rng.choice(["add", "xor", "mul"] if element[0] == "i" else ["fadd", "fmul"])
            return w.binary(opcode, self.vector(type_, depth - 1), self.vector(type_, depth - 1))
        value = Value(type_, "poison")
        for index in range(int(count)):
            part = self.of(element, max(depth - 2, 0))
            value = w.value(type_, f"insertelement {value}, {part}, i32 {index}")
        return value
