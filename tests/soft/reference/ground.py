"""What every generated kernel starts and ends with: parameters, constants, variables, and where its results go."""

from __future__ import annotations

import random

from reference.case import SLOTS
from reference.expressions import Expressions, Scope
from reference.writer import KernelWriter, Value


class Ground:
    """A kernel's parameters and variables.

    Args:
        rng: decides the forms in which things are asked for.
        threads_per_group: the most threads that a threadgroup has.
    """

    def __init__(self, rng: random.Random, threads_per_group: int) -> None:
        self.rng = rng
        self.threads_per_group = threads_per_group
        self.writer = KernelWriter("generated")
        self.scope = Scope()
        self.expressions = Expressions(self.writer, self.scope, rng)
        self.interface()
        self.make_locals()

    def assign(self, value: Value) -> None:
        """Into one of the variables of its type."""
        self.expressions.write(value, self.rng.choice(self.scope.variables[value.type]))

    def note(self, value: Value) -> None:
        """Into the trace, a number that depends on all that was noted before, and when."""
        w = self.writer
        before = w.binary("mul", w.load("i32", self.trace, 4), Value("i32", "31"))
        w.store(w.binary("add", before, value), self.trace, 4)

    def interface(self) -> None:
        w, scope = self.writer, self.scope
        self.out = w.buffer("out", 0, 1)
        self.fout = w.buffer("fout", 1, 1)
        scope.inputs["i32"] = w.buffer("in", 2, self.rng.choice([1, 2]), writable=False)
        parameters = w.buffer("params", 3, 2, writable=False)
        self.counts = w.buffer("counts", 4, 1)
        scope.inputs["float"] = w.buffer("fin", 5, 1, writable=False)
        scope.inputs["half"] = w.buffer("hin", 6, 2, writable=False)
        self.lent = w.buffer("lent", 0, 3)
        position = w.builtin("thread_position_in_grid", "<3 x i32>")
        size = w.builtin("threads_per_grid", "<3 x i32>")
        x, y, z = (w.value("i32", f"extractelement {position}, i32 {axis}") for axis in range(3))
        sx, sy = (w.value("i32", f"extractelement {size}, i32 {axis}") for axis in range(2))
        row = w.binary("add", y, w.binary("mul", z, sy))
        self.thread = w.binary("add", x, w.binary("mul", row, sx))
        self.index = self.expressions.convert(
            w.builtin("thread_index_in_threadgroup", self.rng.choice(["i32", "i16"])), "i32"
        )
        lane = w.builtin("thread_index_in_simdgroup", "i32")
        group = w.builtin("simdgroup_index_in_threadgroup", "i32")
        scope.values += [self.thread, self.index, lane, group, x, y]
        local = w.builtin("thread_position_in_threadgroup", self.rng.choice(["<2 x i32>", "<3 x i16>", "<2 x i16>"]))
        part = w.value(local.type[5:-1], f"extractelement {local}, i32 {self.rng.randrange(2)}")
        scope.values.append(self.expressions.convert(part, "i32"))
        where = w.builtin("threadgroup_position_in_grid", "i32")
        scope.uniform.append(where)
        for number in self.rng.sample(range(8), 3):
            pointer = w.value(parameters.type, f"getelementptr inbounds i32, {parameters}, i64 {number}")
            scope.uniform.append(w.load("i32", pointer, 4))
        threads = w.builtin("threads_per_threadgroup", "<3 x i32>")
        parts = [w.value("i32", f"extractelement {threads}, i32 {axis}") for axis in range(3)]
        self.threads = w.binary("mul", w.binary("mul", parts[0], parts[1]), parts[2])
        scope.uniform.append(self.threads)
        self._constants()

    def _constants(self) -> None:
        w = self.writer
        w.constant("flag", "i8", 0)
        w.constant("number", "i32", 1)
        number = w.load("i32", Value("ptr addrspace(2)", "@number"), 4)
        flag = w.load("i8", Value("ptr addrspace(2)", "@flag"), 4)
        self.scope.uniform += [number, w.cast("zext", flag, "i32")]
        elements = ", ".join(f"i32 {self.rng.randrange(1000)}" for _ in range(8))
        w.globals.append(f"@table = internal unnamed_addr addrspace(2) constant [8 x i32] [{elements}], align 4")
        self.scope.tables.append("@table")
        w.globals.append(
            f"@shared = internal unnamed_addr addrspace(3) global [{self.threads_per_group} x i32] undef, align 4"
        )
        w.globals.append("@cells = internal unnamed_addr addrspace(3) global { i16, [3 x i32] } undef, align 4")
        self.shared = Value("ptr addrspace(3)", "@shared")

    def make_locals(self) -> None:
        w, rng = self.writer, self.rng
        types = {"i16": 1, "i32": 3, "i64": 1, "float": 2, "i8": 1, "<2 x i32>": 1, "<4 x float>": 1}
        for type_, most in types.items():
            for _ in range(rng.randrange(1, most + 1)):
                pointer = w.value("ptr", f"alloca {type_}, align 16")
                if type_ == "i8":
                    self.expressions.write(w.cast("zext", self.expressions.condition(1), "i8"), pointer)
                else:
                    self.expressions.write(self.expressions.of(type_, 1), pointer)
                self.scope.variables.setdefault(type_, []).append(pointer)
        self.trace = w.value("ptr", "alloca i32, align 4")
        w.store(Value("i32", "1"), self.trace, 4)
        for _ in range(rng.randrange(3)):
            array = w.value("ptr", "alloca [8 x i32], align 4")
            for index in range(8):
                pointer = w.value("ptr", f"getelementptr inbounds [8 x i32], {array}, i32 0, i32 {index}")
                w.store(self.expressions.integer("i32", 1), pointer, 4)
            self.scope.arrays.append(array)
        # Before a thread may leave, so that others find a value in its place.
        for pointer in (self.shared, self.lent):
            w.store(self.thread, w.address("i32", pointer, self.index), 4)

    def results(self) -> None:
        for slot, type_ in enumerate(["i32", "i16", "i64", "i32"]):
            self.store_result(slot, self.expressions.convert(self.variable_value(type_), "i32"))
        self.store_result(4, self.writer.load("i32", self.trace, 4))
        self.store_float(0, self.variable_value("float"))
        vector = self.variable_value("<4 x float>")
        self.store_float(1, self.writer.value("float", f"extractelement {vector}, i32 {self.rng.randrange(4)}"))

    def variable_value(self, type_: str) -> Value:
        return self.expressions.read(self.rng.choice(self.scope.variables[type_]), type_)

    def store_result(self, slot: int, value: Value) -> None:
        w = self.writer
        at = w.binary("add", w.binary("mul", self.thread, Value("i32", str(SLOTS))), Value("i32", str(slot)))
        pointer = w.address("i32", self.out, at)
        if self.rng.random() < 0.5:
            value = w.binary("add", value, w.load("i32", pointer, 4))
        w.store(value, pointer, 4)

    def store_float(self, slot: int, value: Value) -> None:
        w = self.writer
        at = w.binary("add", w.binary("mul", self.thread, Value("i32", str(SLOTS))), Value("i32", str(slot)))
        w.store(value, w.address("float", self.fout, at), 4)
