"""Order, loops and liveness of random flow graphs, against their definitions."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from reference.loops import LoopNest
from reference.memory import ReferenceFault

from isometal.soft.ir import FlowGraph
from isometal.soft.ir.flow import liveness

Graph = dict[str, list[str]]


def _structured(rng: random.Random, size: int) -> Graph:
    """A graph of nested ifs and loops with breaks and continues."""
    graph: Graph = {}

    def node() -> str:
        name = f"n{len(graph)}"
        graph[name] = []
        return name

    def sequence(start: str, depth: int, loop: tuple[str, str] | None) -> str:
        for _ in range(rng.randrange(4)):
            if len(graph) >= size:
                break
            kind = rng.randrange(4) if depth < 4 else 0
            if kind == 0:
                following = node()
                graph[start].append(following)
                start = following
            elif kind == 1:
                end = node()
                for _ in range(rng.randrange(1, 4)):
                    arm = node()
                    graph[start].append(arm)
                    graph[sequence(arm, depth + 1, loop)].append(end)
                if rng.random() < 0.5:
                    graph[start].append(end)
                start = end
            elif kind == 2:
                header, latch, exit_ = node(), node(), node()
                graph[start].append(header)
                graph[sequence(header, depth + 1, (exit_, latch))].append(latch)
                graph[latch] += [header, exit_]
                if rng.random() < 0.5:
                    graph[header].append(exit_)
                start = exit_
            elif loop is not None:
                following = node()
                graph[start] += [rng.choice(loop), following]
                start = following
        return start

    sequence(node(), 0, None)
    for label in graph:  # in any order: which successor comes first says nothing
        rng.shuffle(graph[label])
    return graph


def _graphs(count: int, size: int = 30) -> Iterator[Graph]:
    for seed in range(count):
        yield _structured(random.Random(seed), size)


def _reachable(graph: Graph, start: str) -> set[str]:
    found, stack = {start}, [start]
    while stack:
        for following in graph[stack.pop()]:
            if following not in found:
                found.add(following)
                stack.append(following)
    return found


def test_the_order_holds_what_can_be_reached_once() -> None:
    for graph in _graphs(300):
        flow = FlowGraph("n0", graph)
        assert flow.order[0] == "n0"
        assert len(flow.order) == len(set(flow.order))
        assert set(flow.order) == _reachable(graph, "n0")


def test_the_loops_are_those_that_dominators_define() -> None:
    seen = 0
    for graph in _graphs(300):
        loops = FlowGraph("n0", graph).loops
        assert loops == LoopNest("n0", graph).bodies
        seen += len(loops)
    assert seen > 300


def test_the_order_goes_back_only_to_start_a_loop_anew() -> None:
    for graph in _graphs(300):
        flow = FlowGraph("n0", graph)
        position = {label: index for index, label in enumerate(flow.order)}
        for label in flow.order:
            for following in graph[label]:
                assert position[following] > position[label] or label in flow.loops[following]


def test_loops_are_contiguous() -> None:
    """What follows a loop comes after all of it, and nothing comes between."""
    for graph in _graphs(300):
        flow = FlowGraph("n0", graph)
        position = {label: index for index, label in enumerate(flow.order)}
        for header, body in flow.loops.items():
            places = sorted(position[label] for label in body)
            assert places[0] == position[header]
            between = set(flow.order[places[0] : places[-1] + 1]) - body
            assert not between, (header, between)


def test_predecessors() -> None:
    for graph in _graphs(50):
        flow = FlowGraph("n0", graph)
        edges = {(a, b) for b, before in flow.predecessors().items() for a in before}
        assert edges == {(a, b) for a in flow.order for b in graph[a]}


def test_graphs_that_are_no_loops_still_get_an_order() -> None:
    """Jumps into the middle of a loop: nothing is promised but every node, once."""
    rng = random.Random(5)
    odd = 0
    for _ in range(300):
        names = [f"n{number}" for number in range(rng.randrange(2, 12))]
        graph = {name: rng.sample(names, rng.randrange(min(4, len(names)))) for name in names}
        try:
            LoopNest("n0", graph)
        except ReferenceFault:
            odd += 1
        flow = FlowGraph("n0", graph)
        assert flow.order[0] == "n0"
        assert sorted(flow.order) == sorted(_reachable(graph, "n0"))
    assert odd > 30


def _paths_live(
    graph: Graph,
    label: str,
    value: str,
    uses: dict[str, set[str]],
    defines: dict[str, set[str]],
    edges: dict[tuple[str, str], set[str]],
) -> bool:
    """By definition: a path from the node's start to a use, on which the value is not defined anew."""
    seen: set[str] = set()
    stack = [label]
    while stack:
        here = stack.pop()
        if here in seen:
            continue
        seen.add(here)
        if value in uses[here]:
            return True
        if value in defines[here]:
            continue
        for following in graph[here]:
            if value in edges.get((here, following), set()):
                return True
            stack.append(following)
    return False


@pytest.mark.parametrize("seed", range(30))
def test_liveness_is_a_path_to_a_use(seed: int) -> None:
    rng = random.Random(seed)
    graph = _structured(rng, 20)
    flow = FlowGraph("n0", graph)
    values = [f"v{number}" for number in range(6)]
    uses = {label: set(rng.sample(values, rng.randrange(2))) for label in graph}
    defines = {label: set(rng.sample(values, rng.randrange(3))) for label in graph}
    edges = {(a, b): set(rng.sample(values, 1)) for a in graph for b in graph[a] if rng.random() < 0.2}
    live = liveness(flow, uses, defines, edges)
    for label in flow.order:
        expected = {v for v in values if _paths_live(graph, label, v, uses, defines, edges)}
        assert live[label] == expected, label
