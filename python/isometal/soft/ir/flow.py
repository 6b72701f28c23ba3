"""Control flow and liveness over the blocks of a function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["FlowGraph", "liveness"]


class FlowGraph:
    """Nodes with successors, numbered so that a loop's body comes before what follows the loop.

    `order` is a reverse post-order from the entry in which each loop is contiguous; unreachable nodes are not in it.
    `loops` holds the nodes of each natural loop, by its header.
    """

    def __init__(self, entry: str, successors: Mapping[str, Sequence[str]]) -> None:
        self.entry = entry
        self.successors = successors
        order = self._post_order()[::-1]
        rank = {node: index for index, node in enumerate(order)}
        self.loops = self._loops(order, rank)
        self.order = self._loop_contiguous_order(order, rank)

    def predecessors(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {node: [] for node in self.order}
        for node in self.order:
            for successor in self.successors[node]:
                found[successor].append(node)
        return found

    def _post_order(self) -> list[str]:
        seen = {self.entry}
        order: list[str] = []
        stack: list[tuple[str, int]] = [(self.entry, 0)]
        while stack:
            node, index = stack.pop()
            following = self.successors[node]
            if index < len(following):
                stack.append((node, index + 1))
                if following[index] not in seen:
                    seen.add(following[index])
                    stack.append((following[index], 0))
            else:
                order.append(node)
        return order

    def _loop_contiguous_order(self, order: list[str], rank: dict[str, int]) -> list[str]:
        # A plain reverse post-order may put a loop's exit before its body. Order the components of the graph without
        # back edges by depth of nesting: a node is emitted when all its forward predecessors are, and among the nodes
        # that are ready, one of the innermost open loop goes first.
        loops = self.loops
        waiting = dict.fromkeys(order, 0)
        for node in order:
            for successor in set(self.successors[node]):
                if rank[successor] > rank[node]:
                    waiting[successor] += 1
        result: list[str] = []
        ready = [self.entry]
        open_loops: list[str] = []
        remaining = {header: len(body) for header, body in loops.items()}
        member_of = {node: [h for h in loops if node in loops[h]] for node in order}
        while ready:
            while open_loops and remaining[open_loops[-1]] == 0:
                open_loops.pop()
            inside = [n for n in ready if open_loops and n in loops[open_loops[-1]]]
            node = min(inside or ready, key=rank.__getitem__)
            ready.remove(node)
            result.append(node)
            for header in member_of[node]:
                remaining[header] -= 1
            if node in loops:
                open_loops.append(node)
            for successor in dict.fromkeys(self.successors[node]):
                if rank[successor] > rank[node]:
                    waiting[successor] -= 1
                    if waiting[successor] == 0:
                        ready.append(successor)
        return result

    def _loops(self, order: Iterable[str], rank: Mapping[str, int]) -> dict[str, set[str]]:
        before: dict[str, list[str]] = {node: [] for node in rank}
        for node in rank:
            for successor in self.successors[node]:
                before[successor].append(node)
        loops: dict[str, set[str]] = {}
        for node in order:
            for header in self.successors[node]:
                if rank[header] > rank[node]:
                    continue
                body = loops.setdefault(header, {header})
                stack = [node]
                while stack:
                    member = stack.pop()
                    if member not in body and rank[member] >= rank[header]:
                        body.add(member)
                        stack.extend(before[member])
        return loops


def liveness(
    graph: FlowGraph,
    uses: Mapping[str, set[str]],
    defines: Mapping[str, set[str]],
    edge_uses: Mapping[tuple[str, str], set[str]],
) -> dict[str, set[str]]:
    """Values live at the start of each node.

    Args:
        graph: the nodes.
        uses: values that a node reads before it defines them.
        defines: values that a node defines.
        edge_uses: values read on an edge (by phis of its end), as if at the end of its start.
    """
    live: dict[str, set[str]] = {node: set() for node in graph.order}
    changed = True
    while changed:
        changed = False
        for node in reversed(graph.order):
            out: set[str] = set()
            for successor in graph.successors[node]:
                out |= live[successor]
                out |= edge_uses.get((node, successor), set())
            new = uses[node] | (out - defines[node])
            if new != live[node]:
                live[node] = new
                changed = True
    return live
