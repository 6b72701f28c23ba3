"""Joins: places at which the lanes that go round a loop wait for each other, so that they stay in the same round.

A simdgroup goes on with the earliest site at which one of its lanes is. A lane that comes round a loop without a stop
would be early in the next round before others have finished this one, and would meet them at sites of both. So all ways
back to a loop's start go through one join, which is later than everything else in the loop. Loops in which a rendezvous
stands last on every way round need none, nor do loops without a rendezvous.
"""

from __future__ import annotations

from collections.abc import Callable

from isometal.soft.ir import Block, FlowGraph, Function, Instruction, Phi, parse_instruction

JOIN_CALL = "@isometal.join"


def add_joins(function: Function, waits: Callable[[Instruction], bool]) -> None:
    """Put calls of JOIN_CALL where lanes have to meet again, in place.

    Args:
        function: a kernel.
        waits: whether an instruction is a rendezvous.
    """
    blocks = {block.label: block for block in function.blocks}
    waiting = {block.label for block in function.blocks if any(map(waits, block.instructions))}
    if not waiting:
        return
    flow = FlowGraph(function.blocks[0].label, {label: b.terminator.labels() for label, b in blocks.items()})
    for header, body in flow.loops.items():
        inside = waiting & body
        latches = [label for label in flow.order if label in body and header in flow.successors[label]]
        if inside and not _meets_anyway(flow, header, body, inside, latches):
            function.blocks.append(_join(blocks, header, latches))


def _meets_anyway(flow: FlowGraph, header: str, body: set[str], waiting: set[str], latches: list[str]) -> bool:
    """Whether the last rendezvous of a loop is in no loop within it, and on every way round."""
    last = max(waiting, key=flow.order.index)
    if any(last in inner and other != header and other in body for other, inner in flow.loops.items()):
        return False
    reached: set[str] = set()
    stack = [header]
    while stack:
        label = stack.pop()
        if label in body and label not in reached and label != last:
            reached.add(label)
            stack.extend(successor for successor in flow.successors[label] if successor != header)
    return reached.isdisjoint(latches)


def _join(blocks: dict[str, Block], header: str, latches: list[str]) -> Block:
    """A block between the ways back to a loop's start and that start; they are led through it."""
    label = f"{header}$join"
    joined: list[Instruction] = []
    for phi in blocks[header].phis():
        back = [(value, origin) for value, origin in phi.incoming if origin in latches]
        value = back[0][0]
        if len(latches) > 1:
            value = [f"{phi.result}$join"]
            joined.append(Phi(value[0], phi.type, back, list(phi.prefix)))
        phi.incoming = [(v, origin) for v, origin in phi.incoming if origin not in latches]
        phi.incoming.append((value, label))
    for latch in latches:
        blocks[latch].terminator.relabel(lambda name: label if name == header else name)
    stop = Instruction("", "call", ["call", "void", JOIN_CALL, "(", ")"], "")
    return Block(label, [*joined, stop, parse_instruction(f"br label {header}")])
