"""Random kernels: control flow, memory and rendezvous, with a defined result for every thread."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reference import together
from reference.expressions import INTEGERS, Expressions, Scope
from reference.launch import Grid
from reference.writer import KernelWriter, Value

SLOTS = 6  # results per thread and output buffer
_THREADGROUPS = [
    (32, 1, 1),
    (40, 1, 1),
    (64, 1, 1),
    (7, 5, 1),
    (16, 4, 1),
    (33, 2, 1),
    (5, 3, 2),
    (1, 1, 1),
    (31, 1, 1),
]


@dataclass
class Case:
    """A kernel with everything that a dispatch needs."""

    air: str
    kernel: str
    grid: Grid
    buffers: dict[int, bytearray]
    read_only: frozenset[int]
    constants: dict[int, bool | int | float]
    threadgroup_lengths: dict[int, int]
    seed: int

    def fresh_buffers(self) -> dict[int, bytearray]:
        return {index: bytearray(data) for index, data in self.buffers.items()}


@dataclass
class _Loop:
    """The loop around a statement: where break and continue go, and whether all threads go round equally often."""

    exit: str
    latch: str
    uniform: bool
    direct: bool = True


@dataclass
class _Place:
    """Where a statement stands. `uniform`: all unfinished threads come here, equally often."""

    depth: int = 0
    uniform: bool = True
    loops: tuple[_Loop, ...] = ()


class Generator:
    """Makes one kernel from a seed.

    Args:
        seed: everything follows from it.
        wild: also break, continue and return from within conditions, which part the lanes of a SIMT stack.
    """

    def __init__(self, seed: int, *, wild: bool = True) -> None:
        self.rng = random.Random(seed)
        self.seed = seed
        self.wild = wild
        self.writer = KernelWriter("generated")
        self.scope = Scope()
        self.expressions = Expressions(self.writer, self.scope, self.rng)
        self.budget = self.rng.randrange(10, 45)
        self.returns = 0
        size = self.rng.choice(_THREADGROUPS)
        count = self.rng.choice([1, 1, 2])
        edge = self.rng.choice([0, 0, 3])
        threads = (max(size[0] * count - edge, 1), size[1], size[2])
        self.grid = Grid(threads, size)
        self.threads_per_group = size[0] * size[1] * size[2]

    def make(self) -> Case:
        self._interface()
        self._locals()
        while self.budget > 0:
            self._statements(_Place(), 9)
        self._results()
        self.writer.end("ret void")
        numbers = np.random.default_rng(self.seed)
        total = self.grid.threads[0] * self.grid.threads[1] * self.grid.threads[2]
        buffers = {
            0: bytearray(4 * SLOTS * total),
            1: bytearray(4 * SLOTS * total),
            2: bytearray(numbers.integers(0, 1 << 32, 64, np.uint32).tobytes()),
            3: bytearray(numbers.integers(0, 50, 8, np.uint32).tobytes()),
            4: bytearray(32),
            5: bytearray(numbers.integers(-40, 40, 64).astype(np.float32).tobytes()),
            6: bytearray((numbers.integers(-40, 40, 64) / 8).astype(np.float16).tobytes()),
        }
        constants: dict[int, bool | int | float] = {0: self.rng.random() < 0.5, 1: self.rng.randrange(9)}
        return Case(
            air=self.writer.text(flush=self.rng.random() < 0.5),
            kernel="generated",
            grid=self.grid,
            buffers=buffers,
            read_only=frozenset([2, 3, 5, 6]),
            constants=constants,
            threadgroup_lengths={0: 4 * self.threads_per_group},
            seed=self.seed,
        )

    # What the kernel gets.

    def _interface(self) -> None:
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

    def _locals(self) -> None:
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
        for _ in range(rng.randrange(3)):
            array = w.value("ptr", "alloca [8 x i32], align 4")
            for index in range(8):
                pointer = w.value("ptr", f"getelementptr inbounds [8 x i32], {array}, i32 0, i32 {index}")
                w.store(self.expressions.integer("i32", 1), pointer, 4)
            self.scope.arrays.append(array)
        # Before a thread may leave, so that others find a value in its place.
        for pointer in (self.shared, self.lent):
            w.store(self.thread, w.address("i32", pointer, self.index), 4)

    def _results(self) -> None:
        for slot, type_ in enumerate(["i32", "i16", "i64", "i32"]):
            self._store_result(slot, self.expressions.convert(self._variable_value(type_), "i32"))
        self._store_float(0, self._variable_value("float"))
        vector = self._variable_value("<4 x float>")
        self._store_float(1, self.writer.value("float", f"extractelement {vector}, i32 {self.rng.randrange(4)}"))

    def _variable_value(self, type_: str) -> Value:
        return self.expressions.read(self.rng.choice(self.scope.variables[type_]), type_)

    def _store_result(self, slot: int, value: Value) -> None:
        w = self.writer
        at = w.binary("add", w.binary("mul", self.thread, Value("i32", str(SLOTS))), Value("i32", str(slot)))
        pointer = w.address("i32", self.out, at)
        if self.rng.random() < 0.5:
            value = w.binary("add", value, w.load("i32", pointer, 4))
        w.store(value, pointer, 4)

    def _store_float(self, slot: int, value: Value) -> None:
        w = self.writer
        at = w.binary("add", w.binary("mul", self.thread, Value("i32", str(SLOTS))), Value("i32", str(slot)))
        w.store(value, w.address("float", self.fout, at), 4)

    # Statements.

    def _statements(self, place: _Place, most: int) -> None:
        for _ in range(self.rng.randrange(1, most + 1)):
            if self.budget <= 0 or not self.writer.open:
                return
            self.budget -= 1
            self._statement(place)

    def _statement(self, place: _Place) -> None:
        makers: list[tuple[int, Callable[[_Place], None]]] = [
            (3, self._assign),
            (6, self._together),
            (2, self._output),
            (1, self._array),
            (1, self._count),
            (1, self._simdgroup_barrier),
        ]
        if place.depth < 3:
            makers += [(5, self._if), (5, self._loop), (1, self._switch)]
        if place.uniform:
            makers += [(2, self._exchange)]
        if self.wild:  # a stack is kept for one function only
            makers += [(1, self._helper)]
        if place.loops:
            makers += [(2, self._leave_loop)]
        if self.returns < 2:
            makers += [(1, self._return)]
        weights = [weight for weight, _ in makers]
        self.rng.choices([maker for _, maker in makers], weights)[0](place)

    def _assign(self, place: _Place) -> None:
        type_ = self.rng.choice([*INTEGERS, "i32", "float", "<2 x i32>", "<4 x float>", "i8"])
        value = (
            self.writer.cast("zext", self.expressions.condition(2), "i8")
            if type_ == "i8"
            else self.expressions.of(type_)
        )
        self.expressions.write(value, self.rng.choice(self.scope.variables[type_]))

    def _together(self, place: _Place) -> None:
        type_ = self.rng.choice([*INTEGERS, "i32", "i32", "float", "<2 x i32>", "<4 x float>"])
        value = together.rendezvous(self.expressions, type_)
        self.expressions.write(value, self.rng.choice(self.scope.variables[type_]))

    def _output(self, place: _Place) -> None:
        if self.rng.random() < 0.7:
            self._store_result(self.rng.randrange(SLOTS), self.expressions.integer("i32", 2))
        else:
            self._store_float(self.rng.randrange(SLOTS), self.expressions.float(2))

    def _array(self, place: _Place) -> None:
        if self.scope.arrays:
            pointer = self.expressions.element(self.rng.choice(self.scope.arrays), self.expressions.integer("i32", 1))
            self.writer.store(self.expressions.integer("i32", 2), pointer, 4)

    def _count(self, place: _Place) -> None:
        """An atomic whose result nobody uses: threads may come in any order."""
        w = self.writer
        pointer = w.address("i32", self.counts, self.expressions.masked(self.expressions.integer("i32", 1), 7))
        arguments = (
            pointer,
            self.expressions.integer("i32", 1),
            Value("i32", "0"),
            Value("i32", "2"),
            Value("i1", "true"),
        )
        w.call("i32", "air.atomic.global.add.u.i32", *arguments, attributes="mustprogress nounwind willreturn")

    def _helper(self, place: _Place) -> None:
        """A call of a function with a rendezvous within; everything is inlined in the end."""
        w = self.writer
        name = "air.simd_sum.s.i32"
        w.declarations.setdefault(name, f"declare i32 @{name}(i32) convergent mustprogress nounwind willreturn")
        if not w.functions:
            w.functions.append(
                "define internal i32 @helper(i32 %x, ptr %p) #0 {\n"
                "entry:\n  %old = load i32, ptr %p, align 4\n  %c = icmp sgt i32 %x, %old\n"
                "  br i1 %c, label %then, label %done\nthen:\n"
                f"  %s = call i32 @{name}(i32 %x)\n  store i32 %s, ptr %p, align 4\n  br label %done\n"
                "done:\n  %r = phi i32 [ %x, %entry ], [ %s, %then ]\n  ret i32 %r\n}"
            )
        pointer = self.rng.choice(self.scope.variables["i32"])
        value = w.value("i32", f"call i32 @helper({self.expressions.integer('i32', 2)}, {pointer})")
        self.expressions.write(value, self.rng.choice(self.scope.variables["i32"]))

    def _simdgroup_barrier(self, place: _Place) -> None:
        flags = Value("i32", str(self.rng.randrange(4)))
        self.writer.rendezvous("void", "air.simdgroup.barrier", flags, Value("i32", "1"))

    def _exchange(self, place: _Place) -> None:
        """Threads hand values to each other through threadgroup memory."""
        w, e = self.writer, self.expressions
        barrier = (Value("i32", "2"), Value("i32", "1"))
        memory = self.rng.choice([self.shared, self.lent])
        w.rendezvous("void", "air.wg.barrier", *barrier)
        w.store(e.integer("i32", 2), w.address("i32", memory, self.index), 4)
        first = w.value("i1", f"icmp eq {self.index}, 0")
        then, after = w.fresh("cell"), w.fresh("share")
        w.branch(first, then, after)
        w.begin(then)
        field = self.rng.randrange(3)
        cell = f"getelementptr inbounds ({{ i16, [3 x i32] }}, ptr addrspace(3) @cells, i64 0, i32 1, i64 {field})"
        w.emit(f"store {e.integer('i32', 1)}, ptr addrspace(3) {cell}, align 4")
        w.begin(after)
        w.rendezvous("void", "air.wg.barrier", *barrier)
        distance = w.binary("add", self.index, e.masked(e.uniform(), 63))
        neighbour = w.binary("urem", distance, self.threads)
        value = w.load("i32", w.address("i32", memory, neighbour), 4)
        if not self.returns:  # else thread 0 may be gone
            shared = w.value("i32", f"load i32, ptr addrspace(3) {cell}, align 4")
            value = w.binary("xor", value, shared)
        e.write(value, self.rng.choice(self.scope.variables["i32"]))
        w.rendezvous("void", "air.wg.barrier", *barrier)

    # Control flow.

    def _condition(self, place: _Place) -> tuple[Value, bool]:
        """A condition, and whether all threads agree on it."""
        w, e = self.writer, self.expressions
        if self.rng.random() < 0.3:
            return w.value("i1", f"icmp ult {e.masked(e.uniform(), 7)}, {self.rng.randrange(1, 8)}"), True
        if self.rng.random() < 0.15:
            return together.condition(e), False
        return e.condition(2), False

    def _if(self, place: _Place) -> None:
        w = self.writer
        condition, uniform = self._condition(place)
        then, other, after = w.fresh("then"), w.fresh("else"), w.fresh("endif")
        inner = self._inner(place, uniform)
        both = self.rng.random() < 0.5
        w.branch(condition, then, other if both else after)
        w.begin(then)
        self._statements(inner, 4)
        if both:
            if w.open:
                w.end(f"br label %{after}")
            w.begin(other)
            self._statements(inner, 3)
        w.begin(after)

    def _inner(self, place: _Place, uniform: bool) -> _Place:
        loops = tuple(_Loop(loop.exit, loop.latch, loop.uniform, direct=False) for loop in place.loops)
        return _Place(place.depth + 1, place.uniform and uniform, loops)

    def _switch(self, place: _Place) -> None:
        w, e = self.writer, self.expressions
        selector = e.masked(e.integer("i32", 2), 3)
        labels = [w.fresh("case") for _ in range(3)]
        after = w.fresh("endswitch")
        w.emit(f"switch {selector}, label %{labels[2]} [")
        w.lines += [f"    i32 0, label %{labels[0]}", f"    i32 1, label %{labels[1]}"]
        if self.rng.random() < 0.5:
            w.lines.append(f"    i32 3, label %{after}")
        w.lines.append("  ]")
        w.open = False
        for label in labels:
            w.begin(label)
            self._statements(self._inner(place, False), 2)
            if w.open:
                w.end(f"br label %{after}")
        w.begin(after)

    def _loop(self, place: _Place) -> None:
        w, e, rng = self.writer, self.expressions, self.rng
        uniform = rng.random() < 0.4
        most = e.masked(e.uniform() if uniform else e.integer("i32", 2), 3)
        limit = w.binary("add", most, Value("i32", str(rng.randrange(2))))
        at_end = rng.random() < 0.4
        before, header, body = w.label, w.fresh("loop"), w.fresh("body")
        latch, exit_ = w.fresh("latch"), w.fresh("done")
        counter, following = f"%{w.fresh('i')}", f"%{w.fresh('n')}"
        w.begin(header)
        w.emit(f"{counter} = phi i32 [ 0, %{before} ], [ {following}, %{latch} ]")
        value = Value("i32", counter)
        if at_end:
            w.begin(body)
        else:
            more = w.value("i1", f"icmp ult {value}, {limit.text}")
            w.branch(more, body, exit_)
            w.begin(body)
        known = self.scope.uniform if uniform else self.scope.values
        known.append(value)
        together_always = place.uniform and uniform
        loops = (*place.loops, _Loop(exit_, latch, together_always))
        inner = _Place(place.depth + 1, together_always, loops)
        self._statements(inner, 4)
        known.remove(value)
        w.begin(latch)
        w.emit(f"{following} = add nuw nsw i32 {counter}, 1")
        if at_end:
            again = w.value("i1", f"icmp ult i32 {following}, {limit.text}")
            w.branch(again, header, exit_)
        else:
            w.end(f"br label %{header}")
        w.begin(exit_)

    def _leave_loop(self, place: _Place) -> None:
        """break or continue, under a condition; barriers behind it in the loop would not be met by all."""
        w = self.writer
        loop = place.loops[-1]
        if not self.wild and not loop.direct:
            return
        condition, uniform = self._condition(place)
        if loop.uniform and not (place.uniform and uniform):
            return
        go_on = w.fresh("on")
        target = self.rng.choice([loop.exit, loop.latch])
        if self.rng.random() < 0.4:
            aside = w.fresh("aside")
            w.branch(condition, aside, go_on)
            w.begin(aside)
            self._assign(place)
            if self.wild:
                self._together(place)
            w.end(f"br label %{target}")
        else:
            w.branch(condition, target, go_on)
        w.begin(go_on)

    def _return(self, place: _Place) -> None:
        w = self.writer
        self.returns += 1
        condition = self.expressions.condition(2)
        leave, go_on = w.fresh("leave"), w.fresh("stay")
        w.branch(condition, leave, go_on)
        w.begin(leave)
        self._store_result(5, self.expressions.integer("i32", 1))
        w.end("ret void")
        w.begin(go_on)


def generate(seed: int, *, wild: bool = True) -> Case:
    """The case of that seed."""
    return Generator(seed, wild=wild).make()
