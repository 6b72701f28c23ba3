"""Lanes that took different ways: who meets whom, in loops above all, and what stays in order around a rendezvous."""

from __future__ import annotations

import numpy as np
import pytest
from reference.launch import Grid, launch
from reference.small import USUAL, Kernel, air

from isometal.soft.ir import parse_module
from isometal.soft.lower import abi
from isometal.soft.lower.joins import JOIN_CALL, add_joins

_HEAD = """
entry:
  %trip = load i32, ptr addrspace(2) %trips, align 4
  br label %loop
"""
_TAIL = """
done:
  %where = getelementptr i32, ptr addrspace(1) %out, i32 %thread_position_in_grid
  store i32 %result, ptr addrspace(1) %where, align 4
  ret void
"""

#: Loops of which a lane goes round without a stop; %trips keeps LLVM from unrolling them.
_LOOPS = {
    "a condition": """
loop:
  %i = phi i32 [ 0, %entry ], [ %n, %latch ]
  %acc = phi i32 [ 1, %entry ], [ %result, %latch ]
  %bits = lshr i32 %thread_index_in_simdgroup, %i
  %odd = trunc i32 %bits to i1
  br i1 %odd, label %then, label %latch
then:
  %s = call i32 @air.simd_sum.u.i32(i32 %thread_position_in_grid)
  br label %latch
latch:
  %v = phi i32 [ 7, %loop ], [ %s, %then ]
  %m = mul i32 %acc, 31
  %result = add i32 %m, %v
  %n = add i32 %i, 1
  %again = icmp ult i32 %n, %trip
  br i1 %again, label %loop, label %done
""",
    "a rendezvous in front of a condition": """
loop:
  %i = phi i32 [ 0, %entry ], [ %n, %latch ]
  %acc = phi i32 [ 1, %entry ], [ %result, %latch ]
  %s = call i32 @air.simd_sum.u.i32(i32 %acc)
  %sum = add i32 %s, %i
  %bits = lshr i32 %thread_index_in_simdgroup, %i
  %odd = trunc i32 %bits to i1
  br i1 %odd, label %then, label %latch
then:
  %t = call i32 @air.simd_sum.u.i32(i32 %sum)
  br label %latch
latch:
  %result = phi i32 [ %sum, %loop ], [ %t, %then ]
  %n = add i32 %i, 1
  %again = icmp ult i32 %n, %trip
  br i1 %again, label %loop, label %done
""",
    "continue": """
loop:
  %i = phi i32 [ 0, %entry ], [ %n, %most ], [ %n, %last ]
  %acc = phi i32 [ 1, %entry ], [ %a, %most ], [ %b, %last ]
  %n = add i32 %i, 1
  %key = xor i32 %thread_index_in_simdgroup, %i
  %low = and i32 %key, 3
  %over = icmp ugt i32 %n, %trip
  br i1 %over, label %after, label %go
go:
  %skip = icmp eq i32 %low, 0
  br i1 %skip, label %last, label %most
most:
  %s = call i32 @air.simd_sum.u.i32(i32 %acc)
  %a = add i32 %s, %i
  %again = icmp eq i32 %low, 1
  br i1 %again, label %loop, label %last
last:
  %c = phi i32 [ %acc, %go ], [ %a, %most ]
  %t = call i32 @air.simd_sum.u.i32(i32 %c)
  %b = xor i32 %t, %low
  br label %loop
after:
  %result = add i32 %acc, 0
  br label %done
""",
    "break": """
loop:
  %i = phi i32 [ 0, %entry ], [ %n, %rest ]
  %acc = phi i32 [ 1, %entry ], [ %r, %rest ]
  %s = call i32 @air.simd_sum.u.i32(i32 %acc)
  %a = add i32 %s, %i
  %key = and i32 %thread_index_in_simdgroup, 7
  %leave = icmp eq i32 %key, %i
  br i1 %leave, label %broken, label %rest
rest:
  %t = call i32 @air.simd_sum.u.i32(i32 %a)
  %r = add i32 %t, %thread_index_in_simdgroup
  %n = add i32 %i, 1
  %again = icmp ult i32 %n, %trip
  br i1 %again, label %loop, label %broken
broken:
  %last = phi i32 [ %a, %loop ], [ %r, %rest ]
  %u = call i32 @air.simd_sum.u.i32(i32 %last)
  %result = xor i32 %u, %last
  br label %done
""",
    "while": """
loop:
  %i = phi i32 [ 0, %entry ], [ %n, %rest ]
  %acc = phi i32 [ 1, %entry ], [ %r, %rest ]
  %s = call i32 @air.simd_sum.u.i32(i32 %acc)
  %key = and i32 %thread_index_in_simdgroup, %trip
  %more = icmp ult i32 %i, %key
  br i1 %more, label %rest, label %after
rest:
  %t = call i32 @air.simd_sum.u.i32(i32 %s)
  %r = add i32 %t, %thread_index_in_simdgroup
  %n = add i32 %i, 1
  br label %loop
after:
  %result = call i32 @air.simd_sum.u.i32(i32 %s)
  br label %done
""",
    "loops in loops": """
loop:
  %i = phi i32 [ 0, %entry ], [ %n, %latch ]
  %acc = phi i32 [ 1, %entry ], [ %b, %latch ]
  br label %inner
inner:
  %j = phi i32 [ 0, %loop ], [ %m, %inner ]
  %a = phi i32 [ %acc, %loop ], [ %b, %inner ]
  %s = call i32 @air.simd_sum.u.i32(i32 %thread_position_in_grid)
  %x = mul i32 %a, 31
  %b = add i32 %x, %s
  %m = add i32 %j, 1
  %key = xor i32 %thread_index_in_simdgroup, %i
  %low = and i32 %key, 3
  %more = icmp ult i32 %j, %low
  br i1 %more, label %inner, label %latch
latch:
  %n = add i32 %i, 1
  %bound = and i32 %thread_index_in_simdgroup, %trip
  %again = icmp ule i32 %n, %bound
  br i1 %again, label %loop, label %after
after:
  %result = add i32 %b, %i
  br label %done
""",
    "return": """
loop:
  %i = phi i32 [ 0, %entry ], [ %n, %rest ]
  %acc = phi i32 [ 1, %entry ], [ %r, %rest ]
  %key = and i32 %thread_index_in_simdgroup, 7
  %leave = icmp eq i32 %key, %i
  br i1 %leave, label %gone, label %rest
gone:
  ret void
rest:
  %t = call i32 @air.simd_sum.u.i32(i32 %acc)
  %r = add i32 %t, %thread_index_in_simdgroup
  %n = add i32 %i, 1
  %again = icmp ult i32 %n, %trip
  br i1 %again, label %loop, label %after
after:
  %result = call i32 @air.simd_sum.u.i32(i32 %r)
  br label %done
""",
}


def _text(name: str) -> str:
    return air(_HEAD + _LOOPS[name] + _TAIL, *USUAL, "trips 1 2")


@pytest.mark.parametrize("threads", [32, 40])
@pytest.mark.parametrize("name", _LOOPS)
def test_lanes_meet_those_of_their_own_round(name: str, threads: int) -> None:
    text = _text(name)
    grid = Grid((threads, 1, 1), (threads, 1, 1))
    trips = np.array([6], np.uint32)
    expected = bytearray(4 * threads)
    launch(text, "k", {0: expected, 1: bytearray(trips.tobytes())}, grid)
    kernel = Kernel(text)
    for mode, seed in (("fast", 0), ("shuffled", 1), ("shuffled", 2)):
        out = np.zeros(threads, np.uint32)
        kernel.run({0: out, 1: trips}, grid, mode=mode, seed=seed)
        assert out.tobytes() == expected, mode


def _joins(body: str) -> list[str]:
    """Labels of the blocks that a join is put into, in a function where calls of @meet wait."""
    text = f"define void @f(i1 %c, i1 %d) {{\n{body}\n}}\ndeclare void @meet()\n"
    function = parse_module(text).functions["@f"]
    add_joins(function, lambda instruction: instruction.callee == "@meet")
    return [block.label for block in function.blocks if any(i.callee == JOIN_CALL for i in block.instructions)]


#: Blocks of functions between entry, which goes to h, and x, which returns; MEET is a rendezvous.
_MEET = "call void @meet()"
_LATCH = "l: br i1 %c, label %h, label %x"


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        pytest.param(["h: br i1 %c, label %h, label %x"], [], id="idle"),
        pytest.param([f"h: {_MEET}; br i1 %c, label %h, label %x"], [], id="always"),
        pytest.param(
            ["h: br i1 %d, label %t, label %l", f"t: {_MEET}; br label %l", _LATCH], ["%h$join"], id="sometimes"
        ),
        pytest.param(
            [
                "h: br i1 %d, label %t, label %l",
                f"t: {_MEET}; br label %l",
                f"l: {_MEET}; br i1 %c, label %h, label %x",
            ],
            [],
            id="always at the end",
        ),
        pytest.param(
            ["h: br label %i", f"i: {_MEET}; br i1 %d, label %i, label %l", _LATCH],
            ["%h$join"],
            id="in an inner loop",
        ),
        pytest.param(
            [
                "h: br label %i",
                f"i: {_MEET}; br i1 %d, label %i, label %l",
                f"l: {_MEET}; br i1 %c, label %h, label %x",
            ],
            [],
            id="behind an inner loop",
        ),
        pytest.param(
            ["h: br i1 %d, label %h, label %l", f"l: {_MEET}; br i1 %c, label %h, label %x"],
            ["%h$join"],
            id="on one of two ways",
        ),
    ],
)
def test_where_a_join_is_needed(blocks: list[str], expected: list[str]) -> None:
    body = "\n".join(block.replace(": ", ":\n  ").replace("; ", "\n  ") for block in blocks)
    assert _joins(f"entry:\n  br label %h\n{body}\nx:\n  ret void") == expected


def test_a_join_of_several_ways_back_has_phis() -> None:
    text = """
define i32 @f(i1 %c, i32 %n) {
entry:
  br label %h
h:
  %i = phi i32 [ 0, %entry ], [ %a, %h ], [ 5, %l ], [ 5, %l ]
  %a = add i32 %i, 1
  br i1 %c, label %h, label %l
l:
  call void @meet()
  switch i32 %n, label %x [
    i32 0, label %h
    i32 1, label %h
  ]
x:
  ret i32 %i
}
declare void @meet()
declare void @isometal.join()
"""
    from isometal.soft.lower import llvm

    module = parse_module(text)
    function = module.functions["@f"]
    add_joins(function, lambda instruction: instruction.callee == "@meet")
    llvm.parse(str(module))
    join = function.blocks[-1]
    assert [sorted(label for _, label in phi.incoming) for phi in join.phis()] == [["%h", "%l", "%l"]]
    header = next(block for block in function.blocks if block.label == "%h")
    assert header.phis()[0].incoming == [(["0"], "%entry"), (["%i$join"], "%h$join")]


def test_joins_are_sites_at_which_nothing_is_done() -> None:
    lowered = Kernel(_text("a condition")).lowered
    assert [(site.kind, site.text) for site in lowered.sites] == [
        (abi.START, "start"),
        (abi.SIMDGROUP, "air.simd_sum.u.i32"),
        (abi.JOIN, "join"),
    ]


@pytest.mark.parametrize("flags", [0, 2])
def test_a_read_in_front_of_a_dropped_barrier_stays_in_front_of_later_writes(flags: int) -> None:
    """All lanes read what their neighbours wrote before any overwrites it, though both sums share a site."""
    body = f"""
entry:
  %own = getelementptr i32, ptr addrspace(3) @memory, i32 %thread_index_in_simdgroup
  store i32 %thread_position_in_grid, ptr addrspace(3) %own, align 4
  call void @air.simdgroup.barrier(i32 2, i32 1)
  %s = call i32 @air.simd_sum.u.i32(i32 %thread_index_in_simdgroup)
  %n = add i32 %thread_index_in_simdgroup, 1
  %m = and i32 %n, 31
  %other = getelementptr i32, ptr addrspace(3) @memory, i32 %m
  %v = load i32, ptr addrspace(3) %other, align 4
  call void @air.simdgroup.barrier(i32 {flags}, i32 1)
  %t = call i32 @air.simd_max.u.i32(i32 %thread_position_in_grid)
  store i32 %t, ptr addrspace(3) %own, align 4
  %where = getelementptr i32, ptr addrspace(1) %out, i32 %thread_position_in_grid
  %sum = add i32 %v, %s
  store i32 %sum, ptr addrspace(1) %where, align 4
  ret void
"""
    text = air(body).replace(
        "define void @k", "@memory = internal addrspace(3) global [32 x i32] undef, align 4\ndefine void @k"
    )
    kernel = Kernel(text)
    assert len(kernel.lowered.sites) == 3  # the first barrier, and the two sums together
    for mode, seed in (("fast", 0), ("shuffled", 1), ("shuffled", 2)):
        out = np.zeros(32, np.uint32)
        kernel.run({0: out}, Grid((32, 1, 1), (32, 1, 1)), mode=mode, seed=seed)
        assert out.tolist() == [(lane + 1) % 32 + 496 for lane in range(32)]
