"""Random kernels: control flow, memory and rendezvous, with a defined result for every thread."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from reference import exchange, together
from reference.case import READ_ONLY, SLOTS, Case, initial_buffers
from reference.expressions import INTEGERS
from reference.ground import Ground
from reference.launch import Grid
from reference.writer import Value

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
        self.loopy = self.rng.random() < 0.5  # more of what parts lanes, less of the rest
        self.budget = self.rng.randrange(10, 45)
        self.returns = 0
        size = self.rng.choice(_THREADGROUPS)
        count = self.rng.choice([1, 1, 2])
        edge = self.rng.choice([0, 0, 3])
        self.grid = Grid((max(size[0] * count - edge, 1), size[1], size[2]), size)
        threads = size[0] * size[1] * size[2]
        self.full = threads % 32 == 0 and edge == 0
        self.ground = Ground(self.rng, threads)
        self.writer, self.scope = self.ground.writer, self.ground.scope
        self.expressions = self.ground.expressions

    def make(self) -> Case:
        while self.budget > 0:
            self._statements(_Place(), 9)
        self.ground.results()
        self.writer.end("ret void")
        return Case(
            air=self.writer.text(flush=self.rng.random() < 0.5),
            kernel="generated",
            grid=self.grid,
            buffers=initial_buffers(self.seed, math.prod(self.grid.threads)),
            read_only=READ_ONLY,
            constants={0: self.rng.random() < 0.5, 1: self.rng.randrange(9)},
            threadgroup_lengths={0: 4 * self.ground.threads_per_group},
            seed=self.seed,
        )

    # Statements.

    def _statements(self, place: _Place, most: int) -> None:
        for _ in range(self.rng.randrange(1, most + 1)):
            if self.budget <= 0 or not self.writer.open:
                return
            self.budget -= 1
            self._statement(place)

    def _statement(self, place: _Place) -> None:
        loopy = self.loopy
        makers: list[tuple[int, Callable[[_Place], None]]] = [
            (1 if loopy else 3, self._assign),
            (6, self._together),
            (2, self._output),
            (1, self._array),
            (1, self._count),
            (1, self._simdgroup_barrier),
        ]
        if place.depth < (4 if loopy else 3):
            makers += [(5, self._if), (8 if loopy else 5, self._loop), (1, self._switch)]
        if place.uniform:
            makers += [(2, self._exchange), (2, lambda _: exchange.through_simdgroup(self.ground))]
        if place.uniform and self.full and not place.loops and not self.returns:
            makers += [(2, lambda _: exchange.matrix_products(self.ground))]
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
        self.ground.assign(value)
        if value.type in INTEGERS:
            self.ground.note(self.expressions.convert(value, "i32"))
        elif self.rng.random() < 0.5:
            active = self.writer.rendezvous("i64", "air.simd_active_threads_mask.i64")
            self.ground.note(self.expressions.convert(active, "i32"))

    def _output(self, place: _Place) -> None:
        if self.rng.random() < 0.7:
            self.ground.store_result(self.rng.randrange(SLOTS), self.expressions.integer("i32", 2))
        else:
            self.ground.store_float(self.rng.randrange(SLOTS), self.expressions.float(2))

    def _array(self, place: _Place) -> None:
        if self.scope.arrays:
            pointer = self.expressions.element(self.rng.choice(self.scope.arrays), self.expressions.integer("i32", 1))
            self.writer.store(self.expressions.integer("i32", 2), pointer, 4)

    def _count(self, place: _Place) -> None:
        """An atomic whose result nobody uses: threads may come in any order."""
        w = self.writer
        pointer = w.address("i32", self.ground.counts, self.expressions.masked(self.expressions.integer("i32", 1), 7))
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
        exchange.through_threadgroup(self.ground, first_stays=not self.returns)

    # Control flow.

    def _condition(self, place: _Place) -> tuple[Value, bool]:
        """A condition, and whether all threads agree on it."""
        w, e = self.writer, self.expressions
        if self.rng.random() < 0.3:
            return w.value("i1", f"icmp ult {e.masked(e.uniform(), 7)}, {self.rng.randrange(1, 8)}"), True
        if self.rng.random() < 0.15:
            return together.condition(e), False
        if self.rng.random() < 0.5:
            bits = self.rng.choice([1, 3, 7])
            return w.value("i1", f"icmp ult {self._of_lane(bits)}, {self.rng.randrange(1, bits + 1)}"), False
        return e.condition(2), False

    def _of_lane(self, mask: int) -> Value:
        """A small number that differs from lane to lane, and from round to round of the loops around."""
        w, e = self.writer, self.expressions
        lane = w.builtin("thread_index_in_simdgroup", "i32")
        moved = w.binary("lshr", lane, Value("i32", str(self.rng.randrange(3))))
        other = self.rng.choice(self.scope.values)
        return e.masked(w.binary(self.rng.choice(["xor", "add"]), moved, other), mask)

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
        if uniform:
            most = e.masked(e.uniform(), 3)
        else:
            most = self._of_lane(3) if rng.random() < 0.6 else e.masked(e.integer("i32", 2), 3)
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
            if rng.random() < 0.3:  # LLVM then leaves the loop's test where it is
                active = w.rendezvous("i64", "air.simd_active_threads_mask.i64")
                self.ground.note(e.convert(active, "i32"))
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
        trace = w.load("i32", self.ground.trace, 4)
        self.ground.store_result(5, w.binary("add", trace, self.expressions.integer("i32", 1)))
        w.end("ret void")
        w.begin(go_on)


def generate(seed: int, *, wild: bool = True) -> Case:
    """The case of that seed."""
    return Generator(seed, wild=wild).make()
